//! What policies have to say about a request that they do not decide.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::action::Action;
use crate::origin::Origin;

/// All of one request.
pub type Remarks = SmallVec<[Remark; 2]>;

/// Something for the log: a policy under trial, or one that audits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What kind of policy.
    pub action: Action,
    /// What came of it.
    pub outcome: Remarked,
    /// The first rule of the policy that matches; where none of several ALLOW
    /// policies under trial has one, the first of these policies.
    pub origin: Arc<Origin>,
}

/// What a policy would do, or notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remarked {
    /// A policy under trial (`istio.io/dry-run`) would refuse the request.
    WouldDeny,
    /// An ALLOW policy under trial would let the request in.
    WouldAllow,
    /// An AUDIT policy under trial matches.
    WouldAudit,
    /// An AUDIT policy matches.
    Audited,
}

impl Remarked {
    /// Stable name for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Remarked::WouldDeny => "would_deny",
            Remarked::WouldAllow => "would_allow",
            Remarked::WouldAudit => "would_audit",
            Remarked::Audited => "audited",
        }
    }
}
