//! Authorization: what callers may do, by Istio's AuthorizationPolicies.
//!
//! A [`Policy`] is plain data as the configuration reads it; a [`PolicySet`] is
//! all that hold on one gateway, compiled so that a request meets few rules
//! however many there are. What is asked of them, action by action, are
//! [`attributes::Attributes`].

mod attributes;
mod clause;
mod evaluate;
mod explain;
mod fields;
mod group;
mod index;
mod names;
mod networks;
mod policy;
mod rbac;
mod remark;
mod rule;
mod secret;
mod set;
mod template;
mod text;
mod values;
mod variables;

#[cfg(test)]
mod tests;

pub use crate::action::Action;
pub(crate) use attributes::Attributes;
pub(crate) use evaluate::Refusal;
pub use policy::{
    Clause, HeaderField, NamespacePattern, Policy, RequestPrincipal, Rule, ServiceAccount, Test,
};
pub use rbac::{AddressList, Expression, ExpressionRule, Join, Rbac, RuleAction, RuleSet};
pub use remark::{Remark, Remarked, Remarks};
pub use set::PolicySet;
pub use template::{BadTemplate, PathTemplate};
pub use text::Text;
pub use variables::Dialect;
pub(crate) use variables::Known;
