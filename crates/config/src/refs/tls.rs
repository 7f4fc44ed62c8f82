//! BackendTLSPolicies: how the certificate of a backend is checked.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::backend::{BackendTls, Ca, SubjectName};

use super::authority::authority;
use super::data::Data;
use super::pem;
use super::reference::{DataRefSpec, described};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::object::{Kind, Object, Objects};
use crate::read::{
    Fields, any_string, choice, dns_subdomain, list_in, precise_hostname, spanned, string,
    string_of,
};
use crate::source::Span;
use crate::yaml::Node;

/// All policies of a load, by what they protect.
#[derive(Debug, Default)]
pub(crate) struct TlsPolicies {
    by_target: HashMap<Target, BackendTls>,
}

/// A Service or a Backend, or one port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    /// `sectionName`: the name of a port.
    pub(crate) port: Option<Arc<str>>,
}

struct Spec {
    targets: Vec<TargetSpec>,
    validation: Validation,
}

struct TargetSpec {
    group: Arc<str>,
    kind: Arc<str>,
    name: Arc<str>,
    section: Option<Arc<str>>,
    span: Span,
}

struct Validation {
    hostname: Arc<str>,
    names: Vec<SubjectName>,
    authorities: Vec<DataRefSpec>,
    system: bool,
    span: Span,
}

impl TlsPolicies {
    /// Reads all policies. `exists` tells whether a target is there.
    pub(super) fn read(
        objects: &Objects,
        secrets: &Data<'_>,
        config_maps: &Data<'_>,
        exists: impl Fn(&Target) -> bool,
        diags: &mut Diagnostics,
    ) -> TlsPolicies {
        let mut policies: Vec<&Object> = objects.of(Kind::BackendTlsPolicy).collect();
        // Of several for one target the oldest holds (Gateway API, conflict resolution).
        policies.sort_by_key(|it| (it.created.unwrap_or(i64::MAX), &it.namespace, &it.name));
        let mut by_target: HashMap<Target, (BackendTls, ObjectRef)> = HashMap::new();
        for object in policies {
            let Some(spec) = spec(object, diags) else {
                continue;
            };
            let outer = diags.enter(Some(object.reference()));
            let tls = compile(
                &spec.validation,
                &object.namespace,
                secrets,
                config_maps,
                diags,
            );
            for target in &spec.targets {
                let Some(found) = find(target, &object.namespace, &exists, diags) else {
                    continue;
                };
                if let Some((_, older)) = by_target.get(&found) {
                    diags.push(conflict(target, older));
                    continue;
                }
                by_target.insert(found, (tls.clone(), object.reference()));
            }
            diags.enter(outer);
        }
        let by_target = by_target
            .into_iter()
            .map(|(target, (tls, _))| (target, tls));
        TlsPolicies {
            by_target: by_target.collect(),
        }
    }

    /// What holds for a backend; a policy for its port comes before one for all of it.
    pub(super) fn of(&self, target: &Target) -> Option<&BackendTls> {
        let whole = Target {
            port: None,
            ..target.clone()
        };
        let exact = self.by_target.get(target);
        exact.or_else(|| self.by_target.get(&whole))
    }
}

fn find(
    target: &TargetSpec,
    namespace: &Arc<str>,
    exists: &impl Fn(&Target) -> bool,
    diags: &mut Diagnostics,
) -> Option<Target> {
    let kind = match (&*target.group, &*target.kind) {
        ("", "Service") => Some(Kind::Service),
        ("gateway.kgateway.dev", "Backend") => Some(Kind::Backend),
        ("agentgateway.dev", "AgentgatewayBackend") => Some(Kind::AgentgatewayBackend),
        _ => None,
    };
    let found = kind.map(|kind| Target {
        kind,
        namespace: Arc::clone(namespace),
        name: Arc::clone(&target.name),
        port: target.section.clone(),
    });
    let found = found.filter(|it| exists(it));
    if found.is_none() {
        let section = target.section.as_deref();
        let section = section.map_or_else(String::new, |it| format!(" with a port {}", quoted(it)));
        let why = format!(
            "this policy protects nothing here, because there is no {} {}{section} in namespace {}",
            described(&target.group, &target.kind),
            quoted(&target.name),
            quoted(namespace),
        );
        let warning = Diagnostic::warning("target-not-found", why).at(target.span);
        diags.push(warning.help("correct the name, or load the object that is meant"));
    }
    found
}

fn conflict(target: &TargetSpec, older: &ObjectRef) -> Diagnostic {
    let message = format!("this policy has no effect here: {older} already holds for this target");
    Diagnostic::warning("conflicting-policy", message)
        .at(target.span)
        .help("keep one of the two; the older one wins, then the one whose name comes first")
}

/// Looks the certificates up. Where none can be had, connections must fail rather than go unchecked.
fn compile(
    validation: &Validation,
    namespace: &Arc<str>,
    secrets: &Data<'_>,
    config_maps: &Data<'_>,
    diags: &mut Diagnostics,
) -> BackendTls {
    let mut anchors = Vec::new();
    for reference in &validation.authorities {
        match authority(reference, namespace, secrets, config_maps, diags) {
            Ok((pem, _)) => anchors.push(pem),
            Err(why) => diags.push(broken(reference, &why)),
        }
    }
    let ca = match anchors.as_slice() {
        _ if validation.system => Ca::System,
        [] => {
            let message = "requests to the targets of this policy get 5xx: \
                           there is no CA certificate to check theirs with";
            let warning = Diagnostic::warning("no-ca-certificate", message).at(validation.span);
            diags.push(warning.help("correct `caCertificateRefs`"));
            Ca::Broken
        }
        anchors => Ca::Pem(pem::join(anchors)),
    };
    BackendTls {
        server_name: (*validation.hostname).into(),
        names: validation.names.clone().into(),
        ca,
    }
}

fn broken(reference: &DataRefSpec, why: &str) -> Diagnostic {
    let message = format!(
        "no CA certificate from {} {}: {why}",
        reference.describe(),
        quoted(&reference.name)
    );
    Diagnostic::warning("ca-certificate-not-found", message)
        .at(reference.span)
        .help("load a ConfigMap of that name with the PEM text under `ca.crt`")
}

fn spec(object: &Object, diags: &mut Diagnostics) -> Option<Spec> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "BackendTLSPolicy.spec", diags)?;
        fields.unsupported("options", "remove it: no option is known here");
        let targets = fields.required("targetRefs", list_in(1..=16, target));
        let validation = fields.required("validation", validation);
        Some(Spec {
            targets: targets?,
            validation: validation?,
        })
    })
}

fn target(node: &Node, diags: &mut Diagnostics) -> Option<TargetSpec> {
    let mut fields = Fields::of(node, "BackendTLSPolicy.spec.targetRefs", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    let sectioned = fields.has("sectionName");
    let section = fields.optional("sectionName", dns_subdomain);
    let name = fields.required("name", spanned(dns_subdomain))?;
    if sectioned && section.is_none() {
        return None;
    }
    Some(TargetSpec {
        group: group?,
        kind: kind?,
        span: name.span,
        name: name.value,
        section,
    })
}

fn validation(node: &Node, diags: &mut Diagnostics) -> Option<Validation> {
    let mut fields = Fields::of(node, "BackendTLSPolicy.spec.validation", diags)?;
    let hostname = fields.required("hostname", precise_hostname);
    let given = fields.exactly_one(&["caCertificateRefs", "wellKnownCACertificates"]);
    let reference = |node: &Node, diags: &mut Diagnostics| {
        DataRefSpec::local(
            node,
            "BackendTLSPolicy.spec.validation.caCertificateRefs",
            diags,
        )
    };
    let authorities = fields.optional("caCertificateRefs", list_in(1..=8, reference));
    let system = fields.optional("wellKnownCACertificates", choice(&[("System", true)]));
    let names = fields.optional("subjectAltNames", list_in(1..=5, subject_name));
    let named = fields.has("subjectAltNames");
    let names = names.unwrap_or_default();
    // A name that was refused must not leave the check off.
    if given.is_none() || (named && names.is_empty()) {
        return None;
    }
    Some(Validation {
        hostname: hostname?,
        names,
        authorities: authorities.unwrap_or_default(),
        system: system.unwrap_or(false),
        span: fields.span(),
    })
}

fn subject_name(node: &Node, diags: &mut Diagnostics) -> Option<SubjectName> {
    let mut fields = Fields::of(
        node,
        "BackendTLSPolicy.spec.validation.subjectAltNames",
        diags,
    )?;
    let types = [("Hostname", true), ("URI", false)];
    if fields.required("type", choice(&types))? {
        let name = fields.required("hostname", precise_hostname)?;
        Some(SubjectName::Dns((*name).into()))
    } else {
        let uri = fields.required("uri", string_of(1..=253))?;
        Some(SubjectName::Uri((*uri).into()))
    }
}
