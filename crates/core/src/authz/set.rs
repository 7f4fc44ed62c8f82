//! The policies of one gateway, compiled.

use super::policy::Policy;

/// All AuthorizationPolicies that hold on one gateway.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Box<[Policy]>,
}

impl PolicySet {
    /// Compiles policies. A refusal names the first rule that matches, in the
    /// order given.
    pub fn new(policies: Vec<Policy>) -> PolicySet {
        PolicySet {
            policies: policies.into(),
        }
    }

    /// The policies, in the order given.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }
}
