//! `TrafficPolicy.spec.rbac`, read and checked by itself.

use countersign_core::authz::{Dialect, ExpressionRule, Join, RuleAction};
use ipnet::IpNet;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::policy::expressions::{RuleSpec, Source, match_expressions, networks};
use crate::read::{Fields, Spanned, choice, spanned};
use crate::yaml::Node;

/// What `rbac` says.
pub(super) struct Rbac {
    action: RuleAction,
    expressions: Vec<Source>,
    allowed: Option<Spanned<Vec<IpNet>>>,
    blocked: Option<Spanned<Vec<IpNet>>>,
}

impl Spanned<Rbac> {
    /// The rule that it makes. Several expressions are alternatives (decision P3).
    pub(super) fn rule(&self, policy: &Object, diags: &mut Diagnostics) -> ExpressionRule {
        let spec = RuleSpec {
            field: "rbac",
            span: self.span,
            action: self.action,
            join: Join::Any,
            dialect: Dialect::Envoy,
            expressions: &self.expressions,
            allowed: self.allowed.as_ref(),
            blocked: self.blocked.as_ref(),
        };
        spec.compile(policy, diags)
    }
}

const ACTIONS: &[(&str, RuleAction)] = &[("Allow", RuleAction::Allow), ("Deny", RuleAction::Deny)];

/// Reads it. `None` where nothing of it can be enforced, which has been reported.
pub(super) fn rbac(node: &Node, diags: &mut Diagnostics) -> Option<Rbac> {
    let mut fields = Fields::of(node, "rbac", diags)?;
    let action = fields.optional("action", choice(ACTIONS));
    let refused = action.is_none() && fields.has("action");
    let mut rbac = fields.required("policy", policy)?;
    if refused {
        return None;
    }
    rbac.action = action.unwrap_or(RuleAction::Allow);
    Some(rbac)
}

fn policy(node: &Node, diags: &mut Diagnostics) -> Option<Rbac> {
    const ONE_OF: [&str; 3] = ["matchExpressions", "allowedCIDRs", "blockedCIDRs"];
    let mut fields = Fields::of(node, "rbac.policy", diags)?;
    let expressions = fields.optional("matchExpressions", match_expressions);
    let allowed = fields.optional("allowedCIDRs", spanned(networks));
    let blocked = fields.optional("blockedCIDRs", spanned(networks));
    if !ONE_OF.iter().any(|it| fields.has(it)) {
        let message =
            "`rbac.policy` needs one of `matchExpressions`, `allowedCIDRs` or `blockedCIDRs`";
        let error = Diagnostic::error("missing-field", message).at(fields.span());
        fields
            .diags()
            .push(error.help("say what callers are let in or kept out by"));
        return None;
    }
    Some(Rbac {
        action: RuleAction::Allow,
        expressions: expressions.unwrap_or_default(),
        allowed,
        blocked,
    })
}
