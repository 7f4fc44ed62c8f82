//! `traffic.authorization`, read and checked by itself.

use countersign_core::authz::{Dialect, ExpressionRule, Join, RuleAction};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::policy::expressions::{RuleSpec, Source, match_expressions};
use crate::read::{Fields, Spanned, choice};
use crate::yaml::Node;

/// What it says.
pub(super) struct Authorization {
    action: RuleAction,
    expressions: Vec<Source>,
}

const ACTIONS: &[(&str, RuleAction)] = &[
    ("Allow", RuleAction::Allow),
    ("Deny", RuleAction::Deny),
    ("Require", RuleAction::Require),
];

/// Reads it.
pub(super) fn authorization(node: &Node, diags: &mut Diagnostics) -> Option<Authorization> {
    let mut fields = Fields::of(node, "traffic.authorization", diags)?;
    let action = fields.optional("action", choice(ACTIONS));
    let refused = action.is_none() && fields.has("action");
    let expressions = fields.required("policy", |node, diags| {
        let mut fields = Fields::of(node, "traffic.authorization.policy", diags)?;
        fields.required("matchExpressions", match_expressions)
    });
    fields.finish();
    let expressions = expressions.filter(|_| !refused)?;
    Some(Authorization {
        action: action.unwrap_or(RuleAction::Allow),
        expressions,
    })
}

impl Spanned<Authorization> {
    /// The rule that it makes: all expressions of it must be true.
    pub(super) fn rule(&self, policy: &Object, diags: &mut Diagnostics) -> ExpressionRule {
        if self.action == RuleAction::Deny && self.expressions.len() > 1 {
            let message = "this policy denies only where all of its expressions are true; agentgateway denies where any of them is";
            let warning = Diagnostic::warning("deny-all-of", message).at(self.span);
            let help = "write one policy for each expression, or one expression with `&&` or `||`";
            diags.push(warning.about(policy.reference()).help(help));
        }
        let spec = RuleSpec {
            field: "traffic.authorization",
            span: self.span,
            action: self.action,
            join: Join::All,
            dialect: Dialect::Agentgateway,
            expressions: &self.expressions,
            allowed: None,
            blocked: None,
        };
        spec.compile(policy, diags)
    }
}
