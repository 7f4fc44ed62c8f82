//! Certificates of authorities, which backends and clients are checked with.

use std::sync::Arc;

use super::data::{Data, DataObject};
use super::reference::{DataRefSpec, Referrer, described};
use super::{Refs, pem};
use crate::diagnostic::{Diagnostics, quoted};

impl Refs<'_> {
    /// The PEM text that a reference of `from` leads to, which may lie in another namespace, and the object that holds it.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn authority(
        &self,
        reference: &DataRefSpec,
        from: Referrer<'_>,
        diags: &mut Diagnostics,
    ) -> Result<(Arc<str>, &DataObject<'_>), String> {
        let own = || Arc::from(from.namespace);
        let home: Arc<str> = reference.namespace.clone().unwrap_or_else(own);
        let (group, kind) = (&*reference.group, &*reference.kind);
        if !self
            .grants
            .allows(from, group, kind, &home, &reference.name)
        {
            return Err(format!(
                "no ReferenceGrant lets {}s of namespace {} refer to {} {} of namespace {}",
                from.kind,
                quoted(from.namespace),
                described(group, kind),
                quoted(&reference.name),
                quoted(&home),
            ));
        }
        authority(reference, &home, &self.secrets, &self.config_maps, diags)
    }
}

/// The PEM text under `ca.crt` of an object of this namespace, and the object.
pub(super) fn authority<'s, 'a>(
    reference: &DataRefSpec,
    namespace: &Arc<str>,
    secrets: &'s Data<'a>,
    config_maps: &'s Data<'a>,
    diags: &mut Diagnostics,
) -> Result<(Arc<str>, &'s DataObject<'a>), String> {
    let store = match (&*reference.group, &*reference.kind) {
        ("", "ConfigMap") => config_maps,
        ("", "Secret") => secrets,
        _ => return Err("CA certificates come from a `ConfigMap` or a `Secret`".into()),
    };
    let object = store.find(namespace, &reference.name);
    let object =
        object.ok_or_else(|| format!("there is none in namespace {}", quoted(namespace)))?;
    let text = object.text("ca.crt", diags);
    let text = text.ok_or("it has no readable `ca.crt`")?;
    pem::check_anchors(&text)?;
    Ok((text, object))
}
