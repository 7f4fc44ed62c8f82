//! Client certificates: which authorities the sockets of a Gateway check them with (`Gateway.spec.tls.frontend`).

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::Listener;
use super::parameters::Binding;
use crate::compiled::{Authority, ClientMode, ClientValidation};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{Fields, choice, list_in, port};
use crate::refs::{DataRefSpec, Referrer, Refs, pem};
use crate::source::Span;
use crate::yaml::Node;

/// `spec.tls.frontend` as written; the default asks nobody for a certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct FrontendSpec {
    default: Option<ValidationSpec>,
    ports: Vec<PortSpec>,
}

#[derive(Clone, Debug)]
struct PortSpec {
    port: u16,
    /// `None`: no certificates on this port, whatever the default says.
    validation: Option<ValidationSpec>,
    span: Span,
}

#[derive(Clone, Debug)]
struct ValidationSpec {
    mode: ClientMode,
    authorities: Vec<DataRefSpec>,
    span: Span,
}

/// What holds on the ports of a Gateway that terminate TLS.
#[derive(Debug, Default)]
pub(super) struct Clients {
    default: Option<Arc<ClientValidation>>,
    ports: HashMap<u16, Option<Arc<ClientValidation>>>,
}

impl Clients {
    pub(super) fn on(&self, port: u16) -> Option<Arc<ClientValidation>> {
        self.ports.get(&port).unwrap_or(&self.default).clone()
    }
}

impl Clients {
    /// What clients of a port must show, in words that can be compared across reloads (decision P5a).
    pub(super) fn demands(&self, port: u16) -> Vec<Arc<str>> {
        let Some(clients) = self.on(port) else {
            return Vec::new();
        };
        let bound = |it: &Authority| match &it.trust_domains {
            Some(domains) => format!("@{}", domains.join("+")),
            None => String::new(),
        };
        let authorities = clients.authorities.iter().map(|it| {
            let (name, digest) = (&it.origin.name, short(&it.pem));
            format!("{}/{name}/{digest}{}", it.origin.namespace, bound(it))
        });
        let mut authorities: Vec<String> = authorities.collect();
        authorities.sort_unstable();
        let mut words = vec![format!("client-identity:{}", authorities.join("|")).into()];
        if clients.mode == ClientMode::ValidOnly {
            words.push("client-certificate".into());
        }
        words
    }
}

/// The start of a digest, to see that a text has changed.
fn short(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

const AT: &str = "Gateway.spec.tls.frontend";

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<FrontendSpec> {
    let mut fields = Fields::of(node, AT, diags)?;
    let default = fields.required("default", config);
    let ports = fields.optional("perPort", list_in(0..=64, per_port));
    let ports = distinct(ports.unwrap_or_default(), fields.diags());
    Some(FrontendSpec {
        default: default?,
        ports,
    })
}

fn per_port(node: &Node, diags: &mut Diagnostics) -> Option<PortSpec> {
    let mut fields = Fields::of(node, "Gateway.spec.tls.frontend.perPort", diags)?;
    let number = fields.required("port", port);
    let validation = fields.required("tls", config);
    Some(PortSpec {
        port: number?,
        validation: validation?,
        span: node.span,
    })
}

fn config(node: &Node, diags: &mut Diagnostics) -> Option<Option<ValidationSpec>> {
    let mut fields = Fields::of(node, "Gateway.spec.tls.frontend.*", diags)?;
    let wanted = fields.has("validation");
    let validation = fields.optional("validation", validation);
    // One that was refused must not become none.
    if wanted && validation.is_none() {
        return None;
    }
    Some(validation)
}

fn validation(node: &Node, diags: &mut Diagnostics) -> Option<ValidationSpec> {
    const MODES: &[(&str, ClientMode)] = &[
        ("AllowValidOnly", ClientMode::ValidOnly),
        ("AllowInsecureFallback", ClientMode::InsecureFallback),
    ];
    let mut fields = Fields::of(node, "Gateway.spec.tls.frontend.*.validation", diags)?;
    let reference = |node: &Node, diags: &mut Diagnostics| {
        let at = "Gateway.spec.tls.frontend.*.validation.caCertificateRefs";
        DataRefSpec::any(node, at, diags)
    };
    let authorities = fields.required("caCertificateRefs", list_in(1..=8, reference));
    let moded = fields.has("mode");
    let mode = fields.optional("mode", choice(MODES));
    if moded && mode.is_none() {
        return None;
    }
    Some(ValidationSpec {
        mode: mode.unwrap_or_default(),
        authorities: authorities?,
        span: fields.span(),
    })
}

fn distinct(ports: Vec<PortSpec>, diags: &mut Diagnostics) -> Vec<PortSpec> {
    let mut kept: Vec<PortSpec> = Vec::new();
    for spec in ports {
        if let Some(first) = kept.iter().find(|it| it.port == spec.port) {
            let message = format!("port {} stands twice", spec.port);
            let error = Diagnostic::error("duplicate-entry", message).at(spec.span);
            let error = error.related(first.span, "the first time");
            diags.push(error.help("keep one of the two"));
            continue;
        }
        kept.push(spec);
    }
    kept
}

/// Who looks up the authorities, and what for.
pub(super) struct Scene<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) listeners: &'a [Listener],
    /// Which trust domains they may vouch for.
    pub(super) bindings: &'a [Binding],
    pub(super) refs: &'a Refs<'a>,
}

impl Scene<'_> {
    /// Looks up all authorities of a Gateway. What leads nowhere is told, and closes the ports that have no other.
    pub(super) fn resolve(&self, spec: &FrontendSpec, diags: &mut Diagnostics) -> Clients {
        let secure = |port: u16| {
            let mut here = self.listeners.iter().filter(|it| it.spec.port == port);
            here.any(|it| it.spec.tls.is_some())
        };
        for it in spec.ports.iter().filter(|it| !secure(it.port)) {
            let message = format!(
                "no client certificate is checked on port {}: no listener there terminates TLS",
                it.port
            );
            let warning = Diagnostic::warning("idle-client-validation", message).at(it.span);
            diags.push(warning.help("correct the port, or remove the entry"));
        }
        let one = |spec: &Option<ValidationSpec>, diags: &mut Diagnostics| {
            let found = spec.as_ref().map(|it| self.validation(it, diags));
            found.map(Arc::new)
        };
        let default = one(&spec.default, diags);
        let ports = spec.ports.iter();
        let ports = ports.map(|it| (it.port, one(&it.validation, diags)));
        let clients = Clients {
            ports: ports.collect(),
            default,
        };
        self.check_idle(spec, diags);
        clients
    }

    fn validation(&self, spec: &ValidationSpec, diags: &mut Diagnostics) -> ClientValidation {
        let from = Referrer {
            group: "gateway.networking.k8s.io",
            kind: "Gateway",
            namespace: self.namespace,
        };
        let mut authorities = Vec::new();
        for reference in &spec.authorities {
            match self.refs.authority(reference, from, diags) {
                Ok((pem, object)) => authorities.push(Authority {
                    origin: Arc::new(object.origin.clone()),
                    pem,
                    trust_domains: self.trust_domains(reference),
                }),
                Err(why) => diags.push(broken(reference, &why)),
            }
        }
        if authorities.is_empty() {
            let message = "nobody can connect where this holds: \
                           there is no CA certificate to check clients with";
            let warning = Diagnostic::warning("no-ca-certificate", message).at(spec.span);
            diags.push(warning.help("correct `caCertificateRefs`"));
        }
        let several = authorities
            .iter()
            .map(|it| pem::count(&it.pem))
            .sum::<usize>()
            > 1;
        if several && authorities.iter().any(|it| it.trust_domains.is_none()) {
            let message = "each of several CAs may vouch for every name, those of the others too";
            let warning = Diagnostic::warning("unbound-authority", message).at(spec.span);
            let help =
                "say whom each may vouch for under `clientCertificates` of GatewayParameters";
            diags.push(warning.help(help));
        }
        ClientValidation {
            mode: spec.mode,
            authorities: authorities.into(),
        }
    }

    /// What all bindings of a CA allow together.
    fn trust_domains(&self, reference: &DataRefSpec) -> Option<Box<[Box<str>]>> {
        let own = |it: &&Binding| self.same(&it.authority, reference);
        let mut bindings = self.bindings.iter().filter(own).peekable();
        bindings.peek()?;
        let domains = bindings.flat_map(|it| &it.trust_domains);
        Some(domains.map(|it| (**it).into()).collect())
    }

    fn same(&self, one: &DataRefSpec, other: &DataRefSpec) -> bool {
        let place = |it: &DataRefSpec| {
            let namespace = it.namespace.as_ref().unwrap_or(self.namespace);
            (
                it.group.clone(),
                it.kind.clone(),
                namespace.clone(),
                it.name.clone(),
            )
        };
        place(one) == place(other)
    }

    /// A binding with a slip of the pen leaves its CA unbound.
    fn check_idle(&self, spec: &FrontendSpec, diags: &mut Diagnostics) {
        let ports = spec.ports.iter().filter_map(|it| it.validation.as_ref());
        let used: Vec<&DataRefSpec> = ports
            .chain(&spec.default)
            .flat_map(|it| &it.authorities)
            .collect();
        for Binding { authority, .. } in self.bindings {
            if used.iter().any(|it| self.same(it, authority)) {
                continue;
            }
            let message = format!(
                "these trust domains bind nobody: no `caCertificateRefs` of the Gateway names {} {}",
                authority.describe(),
                quoted(&authority.name)
            );
            let warning = Diagnostic::warning("idle-trust-domains", message).at(authority.span);
            diags.push(warning.help("write group, kind and name as the Gateway does"));
        }
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
