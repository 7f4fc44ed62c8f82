//! What an AuthorizationPolicy does with requests that it matches.

use std::fmt;

/// `action` of an AuthorizationPolicy, in the order of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// An external authorizer decides. Here only where nobody knows the
    /// provider that is named: what matches is refused.
    Custom,
    /// Noted in the log.
    Audit,
    /// Refused.
    Deny,
    /// Let in; where any such policy holds, everything else is refused.
    Allow,
}

/// As Istio writes it.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Custom => "CUSTOM",
            Action::Audit => "AUDIT",
            Action::Deny => "DENY",
            Action::Allow => "ALLOW",
        })
    }
}
