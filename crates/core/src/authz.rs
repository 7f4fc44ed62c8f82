//! Authorization: what callers may do, by Istio's AuthorizationPolicies.
//!
//! A [`Policy`] is plain data as the configuration reads it; a [`PolicySet`] is
//! all that hold on one gateway, compiled so that a request meets few rules
//! however many there are.

mod policy;
mod set;
mod text;

pub use policy::{
    Action, Clause, HeaderField, NamespacePattern, Policy, RequestPrincipal, Rule, ServiceAccount,
    Test,
};
pub use set::PolicySet;
pub use text::{BadTemplate, PathTemplate, Text};
