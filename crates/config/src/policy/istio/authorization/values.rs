//! Readers of single values, with what admission refuses of them (the reference's section 8).

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::authz::{PathTemplate, RequestPrincipal, ServiceAccount, Text};
use countersign_core::path::Normalization;
use ipnet::IpNet;

use super::attribute::Attribute;
use super::lint;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::policy::trust::TrustDomains;
use crate::read::{invalid, list, string, string_of};
use crate::yaml::{Node, Typed, Value};

/// Texts with a wildcard at one end.
pub(super) fn texts(
    attribute: &Attribute,
    node: &Node,
    diags: &mut Diagnostics,
) -> Option<Vec<Text>> {
    list(|node, diags| {
        let value = string(node, diags)?;
        let text = match attribute {
            Attribute::Host => Text::parse(&value.to_ascii_lowercase()),
            _ => Text::parse(&value),
        };
        if matches!(attribute, Attribute::Header(_)) {
            // Some compare what callers send as a password.
            diags.withhold(node.span);
        }
        lint::text(attribute, node, &text, diags);
        Some(text)
    })(node, diags)
}

/// Names of client certificates, under every alias of the mesh's trust domain.
pub(super) fn principals(
    node: &Node,
    trust: &TrustDomains,
    diags: &mut Diagnostics,
) -> Option<Vec<Text>> {
    let found = list(principal)(node, diags)?;
    let mut all: Vec<Text> = Vec::new();
    for value in found.iter().flat_map(|it| trust.principals(it)) {
        let text = Text::parse(&value);
        if !all.contains(&text) {
            all.push(text);
        }
    }
    Some(all)
}

/// Istio's admission does not see `spiffe://`, and its gateways then never match. The two spellings are equal here
/// (decision T12).
fn principal(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    const SCHEME: &str = "spiffe://";
    let value = string(node, diags)?;
    let Some(bare) = value.strip_prefix(SCHEME) else {
        lint::text(&Attribute::Principal, node, &Text::parse(&value), diags);
        return Some(value);
    };
    if bare.is_empty() || bare == "*" {
        // `*` means any certificate, also one that names no SPIFFE identity: more than this says.
        let help = "write `trustDomains: [\"*\"]` for every SPIFFE identity, or `*` for every client certificate";
        invalid(node, "names no principal", help, diags);
        return None;
    }
    lint::spiffe(node, bare, diags);
    lint::text(&Attribute::Principal, node, &Text::parse(bare), diags);
    Some(bare.into())
}

/// `account`, in the policy's namespace, or `namespace/account`.
pub(super) fn service_account(
    own: &Arc<str>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<ServiceAccount> {
    move |node, diags| {
        let value = string_of(1..=320)(node, diags)?;
        let help = "write `account`, or `namespace/account`";
        if value.contains('*') {
            invalid(
                node,
                "has a wildcard, which is not possible here",
                help,
                diags,
            );
            return None;
        }
        let (namespace, name) = value.split_once('/').unwrap_or((own, &value));
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            invalid(node, "is not a service account", help, diags);
            return None;
        }
        Some(ServiceAccount {
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

/// A trust domain, with one `*` at one end at most.
pub(super) fn trust_domain(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let value = string(node, diags)?;
    let inner = value.strip_prefix('*').unwrap_or(&value);
    let inner = match inner.len() == value.len() {
        true => inner.strip_suffix('*').unwrap_or(inner),
        false => inner,
    };
    let problem = if value.contains('/') {
        "is not a trust domain: it has a `/`"
    } else if inner.contains('*') {
        "can have one `*`, as its first or its last character"
    } else {
        return Some(value);
    };
    let help = "write a trust domain such as `cluster.local`, `*.example.com` or `*`";
    invalid(node, problem, help, diags);
    None
}

/// Trust domains with all aliases of the mesh's own.
pub(super) fn under_aliases(found: &[Arc<str>], trust: &TrustDomains) -> Vec<Text> {
    let mut all: Vec<Text> = Vec::new();
    for value in found.iter().flat_map(|it| trust.aliases(it)) {
        let text = Text::parse(&value);
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// An issuer and a subject, split at the last slash (the reference's section 3.3).
pub(super) fn request_principal(node: &Node, diags: &mut Diagnostics) -> Option<RequestPrincipal> {
    let value = string(node, diags)?;
    let principal = split_principal(&value);
    lint::request_principal(node, &value, &principal, diags);
    Some(principal)
}

fn split_principal(value: &str) -> RequestPrincipal {
    let exact = |text: &str| Text::Exact(text.into());
    let split = value.rsplit_once('/');
    let (issuer, subject) = if value == "*" {
        (Text::Present, Text::Present)
    } else if let Some(suffix) = value.strip_prefix('*') {
        match split {
            // Only the first star counts: in `*/*` the subject is a star.
            Some((issuer, subject)) => (Text::parse(issuer), exact(subject)),
            None => (Text::Present, Text::Suffix(suffix.into())),
        }
    } else if let Some(prefix) = value.strip_suffix('*') {
        match split {
            Some((issuer, subject)) => (exact(issuer), Text::parse(subject)),
            None => (Text::Prefix(prefix.into()), Text::Present),
        }
    } else {
        let (issuer, subject) = split.unwrap_or((value, ""));
        (exact(issuer), exact(subject))
    };
    RequestPrincipal { issuer, subject }
}

/// A network, or one address. Bits beyond the prefix are dropped, as Istio does.
pub(super) fn network(node: &Node, diags: &mut Diagnostics) -> Option<IpNet> {
    let value = string(node, diags)?;
    let address = value.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = address.or_else(|| value.parse().ok()) else {
        let help = "write an address, or a network such as `10.0.0.0/8`";
        invalid(node, "is not an IP network", help, diags);
        return None;
    };
    lint::network(node, network, diags);
    Some(network.trunc())
}

/// A port in decimal digits. In these policies it is a text; a number means the same, but a cluster does not take it.
pub(super) fn port(node: &Node, diags: &mut Diagnostics) -> Option<u16> {
    let number = match &node.value {
        Value::Scalar(it) if matches!(it.typed(), Typed::Int(_)) => Some(Arc::clone(&it.text)),
        _ => None,
    };
    let unquoted = number.is_some();
    let value = number.or_else(|| string(node, diags))?;
    let digits = value.bytes().all(|it| it.is_ascii_digit());
    let port = value.parse().ok().filter(|_| digits);
    if port.is_none() {
        let help = "write one of the Gateway's ports, such as `\"443\"`";
        invalid(node, "is not a port", help, diags);
    } else if unquoted {
        let message = format!(
            "{} is a number, which Kubernetes refuses here",
            quoted(&value)
        );
        let warning = Diagnostic::warning("unquoted-port", message).at(node.span);
        diags.push(warning.help("put it in quotes"));
    }
    port
}

/// Paths, and those of them that are templates.
pub(super) fn paths(
    node: &Node,
    mode: Normalization,
    diags: &mut Diagnostics,
) -> Option<(Vec<Text>, Vec<PathTemplate>)> {
    let mut templates = Vec::new();
    let mut texts = Vec::new();
    for path in list(|node, diags| path(node, mode, diags))(node, diags)? {
        match path {
            Path::Text(text) => texts.push(text),
            Path::Template(template) => templates.push(template),
        }
    }
    Some((texts, templates))
}

enum Path {
    Text(Text),
    Template(PathTemplate),
}

fn path(node: &Node, mode: Normalization, diags: &mut Diagnostics) -> Option<Path> {
    let value = string(node, diags)?;
    let help = "write `{*}` for one segment, `{**}` at the end for any number, or `*` as the last character for any end";
    if PathTemplate::is_one(&value) {
        match PathTemplate::parse(&value) {
            Ok(template) => return Some(Path::Template(template)),
            Err(bad) => invalid(
                node,
                &format!("is not a path template: it {bad}"),
                help,
                diags,
            ),
        }
        return None;
    }
    if value.contains(['{', '}']) {
        invalid(
            node,
            "has a brace that is neither `{*}` nor `{**}`",
            help,
            diags,
        );
        return None;
    }
    let text = Text::parse(&value);
    lint::text(&Attribute::Path, node, &text, diags);
    lint::normal(node, &text, mode, diags);
    Some(Path::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_principals_are_split_at_the_last_slash() {
        let exact = |text: &str| Text::Exact(text.into());
        let suffix = |text: &str| Text::Suffix(text.into());
        let prefix = |text: &str| Text::Prefix(text.into());
        for (value, issuer, subject) in [
            ("*", Text::Present, Text::Present),
            ("https://i/s", exact("https://i"), exact("s")),
            ("https://i//s", exact("https://i/"), exact("s")),
            ("i/", exact("i"), exact("")),
            ("i/*", exact("i"), Text::Present),
            ("i/s*", exact("i"), prefix("s")),
            ("*/s", Text::Present, exact("s")),
            ("*/*", Text::Present, exact("*")),
            ("*x/s", suffix("x"), exact("s")),
            ("*x", Text::Present, suffix("x")),
            ("x*", prefix("x"), Text::Present),
            ("x", exact("x"), exact("")),
            ("x*/s", exact("x*"), exact("s")),
            ("https://idp*", exact("https:/"), prefix("idp")),
        ] {
            let split = split_principal(value);
            assert_eq!((split.issuer, split.subject), (issuer, subject), "{value}");
        }
    }
}
