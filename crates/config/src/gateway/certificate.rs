//! The certificates of HTTPS listeners.

use std::sync::Arc;

use super::Listener;
use crate::compiled::{Certificate, Secret};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::refs::{DataRefSpec, Referrer, Refs, near, pem};

/// Looks up all certificates of a listener. One that cannot be used is an error: nobody wants a listener without.
pub(super) fn resolve(
    listener: &Listener,
    namespace: &Arc<str>,
    refs: &Refs<'_>,
    diags: &mut Diagnostics,
) -> Vec<Certificate> {
    let mut found = Vec::new();
    for reference in listener.spec.tls.iter().flatten() {
        match certificate(listener, reference, namespace, refs, diags) {
            Ok(certificate) => found.push(certificate),
            Err(error) => diags.push(*error),
        }
    }
    found
}

fn certificate(
    listener: &Listener,
    reference: &DataRefSpec,
    namespace: &Arc<str>,
    refs: &Refs<'_>,
    diags: &mut Diagnostics,
) -> Result<Certificate, Box<Diagnostic>> {
    let error = |code, message: String, help: String| {
        Box::new(
            Diagnostic::error(code, message)
                .at(reference.span)
                .help(help),
        )
    };
    if (&*reference.group, &*reference.kind) != ("", "Secret") {
        let message = format!("certificates do not come from a {}", reference.describe());
        return Err(error(
            "unsupported-certificate",
            message,
            "refer to a `Secret`".into(),
        ));
    }
    let home = reference.namespace.as_ref().unwrap_or(namespace);
    let from = Referrer {
        group: "gateway.networking.k8s.io",
        kind: "Gateway",
        namespace,
    };
    if !refs
        .grants
        .allows(from, "", "Secret", home, &reference.name)
    {
        let message = format!(
            "no ReferenceGrant lets Gateways of namespace {} refer to Secret {} of namespace {}",
            quoted(namespace),
            quoted(&reference.name),
            quoted(home),
        );
        let help = format!("add a ReferenceGrant to namespace {}", quoted(home));
        return Err(error("reference-not-granted", message, help));
    }
    let Some(secret) = refs.secrets.find(home, &reference.name) else {
        let name = quoted(&reference.name);
        let message = format!("there is no Secret {name} in namespace {}", quoted(home));
        let help = match near(&reference.name, refs.secrets.names(home)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("load a Secret {name} of type `kubernetes.io/tls`"),
        };
        return Err(error("secret-not-found", message, help));
    };
    let part = |key: &'static str, diags: &mut Diagnostics| {
        let missing = format!("Secret {} has no readable `{key}`", quoted(&reference.name));
        let help = "give it `tls.crt` and `tls.key`, both in PEM";
        let text = secret.text(key, diags);
        text.ok_or_else(|| error("secret-not-usable", missing, help.into()))
    };
    let (chain, key) = (part("tls.crt", diags)?, part("tls.key", diags)?);
    pem::check_pair(&chain, &key).map_err(|problem| {
        let message = format!(
            "Secret {} cannot be used: {problem}",
            quoted(&reference.name)
        );
        let error = error(
            "secret-not-usable",
            message,
            "replace certificate and key".into(),
        );
        Box::new(error.related(secret.span, "the Secret"))
    })?;
    Ok(Certificate {
        listener: listener.id,
        origin: Arc::new(secret.origin.clone()),
        chain,
        key: Secret::new(key),
    })
}
