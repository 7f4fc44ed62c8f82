//! `backendRefs` of a rule.

use super::filters::{self, FilterSpecs, Surroundings};
use crate::diagnostic::Diagnostics;
use crate::read::{Fields, Spanned, int_in};
use crate::refs::BackendRef;
use crate::yaml::Node;

/// A reference as written.
#[derive(Clone, Debug)]
pub(super) struct BackendSpec {
    pub(super) reference: Spanned<BackendRef>,
    pub(super) weight: u32,
    pub(super) filters: FilterSpecs,
}

pub(super) fn read(
    node: &Node,
    around: Surroundings<'_>,
    diags: &mut Diagnostics,
) -> Option<BackendSpec> {
    let around = Surroundings {
        backend: true,
        ..around
    };
    let mut all = Fields::of(node, "backendRefs", diags)?;
    let filters = all.optional("filters", |node, diags| filters::read(node, around, diags));
    fields(&mut all, filters.unwrap_or_default())
}

/// What every kind of route says of a backend.
pub(super) fn fields(fields: &mut Fields<'_, '_>, filters: FilterSpecs) -> Option<BackendSpec> {
    let reference = BackendRef::read(fields);
    let weighed = fields.has("weight");
    let weight = fields.optional("weight", int_in(0..=1_000_000));
    Some(BackendSpec {
        reference: reference?,
        weight: weight.or((!weighed).then_some(1))?,
        filters,
    })
}
