//! `RequestAuthentication.spec`, read and checked by itself.

use super::rule::{JwtRule, jwt_rule};
use super::target::Target;
use crate::diagnostic::Diagnostics;
use crate::object::Object;
use crate::policy::tokens::{check_audiences, is_empty_list, without_effect};
use crate::read::{Fields, Spanned, list_in, spanned};
use crate::yaml::Node;

/// A RequestAuthentication.
pub(super) struct Authentication<'a> {
    pub(super) object: &'a Object,
    pub(super) target: Target,
    pub(super) rules: Vec<Spanned<JwtRule>>,
}

/// Reads the spec. `None` where nothing of it can be applied; all that is
/// wrong has been reported.
pub(super) fn authentication<'a>(
    object: &'a Object,
    diags: &mut Diagnostics,
) -> Option<Authentication<'a>> {
    let mut fields = object.fields(diags);
    let spec = fields.optional("spec", spec);
    // An absent spec selects the namespace and demands nothing.
    let Spec {
        target,
        rules,
        silent,
    } = match spec {
        Some(spec) => spec,
        None if fields.has("spec") => return None,
        None => Spec {
            target: Some(Target::Namespace),
            rules: Vec::new(),
            silent: true,
        },
    };
    if silent {
        let warning = without_effect("`jwtRules`", object.name_span);
        fields.diags().push(warning);
    }
    Some(Authentication {
        object,
        target: target?,
        rules,
    })
}

struct Spec {
    target: Option<Target>,
    rules: Vec<Spanned<JwtRule>>,
    /// There are no rules, and none was refused.
    silent: bool,
}

fn spec(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "RequestAuthentication.spec", diags)?;
    let target = Target::read(&mut fields);
    let rules = fields.optional("jwtRules", list_in(0..=4096, spanned(rule)));
    let written = node.child("jwtRules").filter(|it| !it.is_null());
    Some(Spec {
        target,
        rules: rules.unwrap_or_default(),
        silent: written.is_none_or(is_empty_list),
    })
}

fn rule(node: &Node, diags: &mut Diagnostics) -> Option<JwtRule> {
    check_audiences(node, true, diags);
    jwt_rule(node, diags)
}
