//! Rules in CEL: kgateway's `rbac` and agentgateway's `authorization`.
//!
//! An [`Rbac`] is what holds at one place: sets of rules, all of which must
//! pass. In a set any `Deny` rule denies, every `Require` rule must hold, and
//! of the `Allow` rules, where there are any, one suffices. What cannot be
//! evaluated denies, whatever the action (decision P2).

mod judge;
#[cfg(test)]
mod tests;
mod told;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_expression::Program;
use ipnet::IpNet;

use super::variables::Dialect;
use crate::origin::Origin;

/// The expressions and address lists that hold for a route on a listener.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    /// All must pass.
    pub sets: Box<[RuleSet]>,
}

/// Rules that are decided together.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// In the order of evaluation: lists of addresses are held against the
    /// client before any of them, and then what denies comes first.
    rules: Box<[Arc<ExpressionRule>]>,
}

impl RuleSet {
    /// Collects rules; those of one action keep their order.
    pub fn new(mut rules: Vec<Arc<ExpressionRule>>) -> RuleSet {
        rules.sort_by_key(|it| it.action);
        RuleSet {
            rules: rules.into(),
        }
    }

    /// The rules, in the order of evaluation.
    pub fn rules(&self) -> &[Arc<ExpressionRule>] {
        &self.rules
    }
}

/// What one policy says.
#[derive(Debug, Clone)]
pub struct ExpressionRule {
    /// The policy.
    pub origin: Arc<Origin>,
    /// What is done with requests for which the expressions are true.
    pub action: RuleAction,
    /// Whether all of them must be true.
    pub join: Join,
    /// Whose names for attributes they use.
    pub dialect: Dialect,
    /// The expressions. None: the addresses alone decide.
    pub expressions: Box<[Expression]>,
    /// kgateway `allowedCIDRs`: all other clients are refused, whatever the action.
    pub allowed: Option<AddressList>,
    /// kgateway `blockedCIDRs`: these clients are refused, whatever the action.
    pub blocked: Option<AddressList>,
}

/// What a rule does with requests for which it is true, in the order of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleAction {
    /// Refused.
    Deny,
    /// All others are refused.
    Require,
    /// Let in; others are refused, unless another such rule lets them in.
    Allow,
}

impl RuleAction {
    /// As the policies write it.
    pub fn name(self) -> &'static str {
        match self {
            RuleAction::Deny => "Deny",
            RuleAction::Require => "Require",
            RuleAction::Allow => "Allow",
        }
    }
}

impl fmt::Display for RuleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the expressions of a rule make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// One suffices: kgateway (decision P3).
    Any,
    /// All must be true: agentgateway.
    All,
}

/// One expression.
#[derive(Debug, Clone)]
pub struct Expression {
    /// The policy, and the place of the expression in it.
    pub origin: Arc<Origin>,
    /// Compiled for the rule's dialect.
    pub program: Program,
    /// As its author wrote it, where variables of the environment were
    /// replaced in it: what they held is not told to anybody.
    pub written: Option<Arc<str>>,
}

/// Networks that the client's address is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList {
    /// The policy, and the list in it.
    pub origin: Arc<Origin>,
    /// The networks. IPv4-mapped ones are written as IPv4.
    pub networks: Box<[IpNet]>,
}

impl AddressList {
    /// Whether an address, which is no IPv4-mapped one, is in the list.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|it| it.contains(&address))
    }
}
