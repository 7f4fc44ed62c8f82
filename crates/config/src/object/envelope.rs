//! One object.

use std::sync::Arc;

use countersign_core::origin::Origin;

use super::Kind;
use crate::diagnostic::{Diagnostics, ObjectRef};
use crate::read::Fields;
use crate::source::Span;
use crate::yaml::Node;

/// A Kubernetes object of a kind that is read: its envelope, checked, and the rest, not yet read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind, which implies the group.
    pub kind: Kind,
    /// Its API version: one of [`Kind::versions`].
    pub version: Arc<str>,
    /// Its namespace; `default` if it names none, empty if its kind lies in none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub name_span: Span,
    /// Labels, in the order in which they stand.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Annotations, likewise.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// When it was created, in seconds since 1970; known for objects that came out of a cluster.
    pub created: Option<i64>,
    /// Where it was written, for every rule that comes of it.
    pub origin: Origin,
    /// The whole of it.
    pub root: Node,
}

impl Object {
    /// The top-level fields beyond the envelope: `spec`, or `data` and the like. Whatever is not asked for is an error.
    /// Until they go out of scope, every diagnostic is about this object.
    pub fn fields<'n, 'd>(&'n self, diags: &'d mut Diagnostics) -> Fields<'n, 'd> {
        let mut fields = Fields::of_object(&self.root, self.kind.name(), self.reference(), diags);
        for name in ["apiVersion", "kind", "metadata", "status"] {
            fields.ignored(name);
        }
        fields
    }

    /// Its name in messages and references.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            group: self.kind.group().into(),
            kind: self.kind.name().into(),
            namespace: Arc::clone(&self.namespace),
            name: Arc::clone(&self.name),
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(label, _)| &**label == key)
            .map(|(_, value)| &**value)
    }
}
