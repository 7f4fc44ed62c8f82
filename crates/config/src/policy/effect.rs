//! What policies make of a place: which tokens are asked for, which expressions hold, and whether it is closed.

use std::sync::Arc;

use countersign_core::id::{RbacId, RequirementId};

use crate::diagnostic::{Diagnostic, ObjectRef};
use crate::object::Object;
use crate::source::Span;

/// What kgateway's and agentgateway's policies demand at some place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The token requirement, if any.
    pub jwt: Option<RequirementId>,
    /// The expressions and address lists, if any.
    pub rbac: Option<RbacId>,
    /// Why the place is closed, if it is (decision P4).
    pub closed: Option<Arc<str>>,
    /// What is demanded, for comparison across reloads.
    pub demands: Vec<Arc<str>>,
    /// What is to be told: policies that cannot hold here together, rules that no caller can meet here.
    pub remarks: Vec<Diagnostic>,
}

/// What one policy says about tokens.
#[derive(Clone, Debug)]
pub(super) struct Jwt {
    pub(super) requirement: Option<RequirementId>,
    pub(super) closed: Option<Arc<str>>,
    pub(super) demands: Vec<Arc<str>>,
    policy: ObjectRef,
    at: Span,
}

impl Jwt {
    /// No token is asked for.
    pub(super) fn none(policy: &Object) -> Jwt {
        Jwt {
            requirement: None,
            closed: None,
            demands: Vec::new(),
            policy: policy.reference(),
            at: policy.name_span,
        }
    }

    /// Nothing can be checked, so nothing passes.
    pub(super) fn closed(policy: &Object, why: Arc<str>) -> Jwt {
        Jwt {
            closed: Some(why),
            ..Jwt::none(policy)
        }
    }

    /// Tokens are asked for.
    pub(super) fn required(
        policy: &Object,
        requirement: RequirementId,
        demands: Vec<Arc<str>>,
    ) -> Jwt {
        Jwt {
            requirement: Some(requirement),
            demands,
            ..Jwt::none(policy)
        }
    }

    /// Whether not every request passes.
    pub(super) fn asks(&self) -> bool {
        self.requirement.is_some() || self.closed.is_some()
    }

    /// One place has one requirement: two systems that each bring theirs are an error, not a choice.
    pub(super) fn clash(&self, other: &Jwt) -> Option<Diagnostic> {
        if !self.asks() || !other.asks() {
            return None;
        }
        let (policy, at) = (&other.policy, other.at);
        let message = format!(
            "{} and this policy both want tokens on one route or listener",
            self.policy
        );
        let error = Diagnostic::error("policies-clash", message).at(at);
        let error = error
            .about(policy.clone())
            .related(self.at, "the other one");
        let help = "keep kgateway's or agentgateway's, or attach them to different routes";
        Some(error.help(help))
    }
}
