//! The `RequestMirror` filter.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{Fields, Spanned, int_in, spanned};
use crate::refs::BackendRef;
use crate::yaml::Node;

/// A mirror as written.
#[derive(Clone, Debug)]
pub(in crate::routes) struct MirrorSpec {
    pub(in crate::routes) backend: Spanned<BackendRef>,
    pub(in crate::routes) numerator: u32,
    pub(in crate::routes) denominator: u32,
}

const MOST: u32 = i32::MAX.unsigned_abs();

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<MirrorSpec> {
    let mut fields = Fields::of(node, "requestMirror", diags)?;
    let backend = fields.required("backendRef", |node, diags| {
        BackendRef::of(node, "requestMirror.backendRef", diags)
    });
    let stated = fields.has("percent") || fields.has("fraction");
    fields.at_most_one(&["percent", "fraction"]);
    let percent = fields.optional("percent", int_in(0..=100));
    let fraction = fields.optional("fraction", fraction);
    let share = percent.map(|it| (it, 100)).or(fraction);
    if stated && share.is_none() {
        return None;
    }
    let (numerator, denominator) = share.unwrap_or((1, 1));
    Some(MirrorSpec {
        backend: backend?,
        numerator,
        denominator,
    })
}

fn fraction(node: &Node, diags: &mut Diagnostics) -> Option<(u32, u32)> {
    let mut fields = Fields::of(node, "requestMirror.fraction", diags)?;
    let numerator = fields.required("numerator", spanned(int_in(0..=MOST)));
    let given = fields.has("denominator");
    let denominator = fields.optional("denominator", int_in(1..=MOST));
    let numerator = numerator?;
    let denominator = denominator.or((!given).then_some(100))?;
    if numerator.value > denominator {
        let message = "the share is larger than one";
        let error = Diagnostic::error("out-of-range", message).at(numerator.span);
        let help = format!("write at most `{denominator}`");
        fields.diags().push(error.help(help));
        return None;
    }
    Some((numerator.value, denominator))
}
