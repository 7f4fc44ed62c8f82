//! One entry of `when`: a key, which names an attribute, and values.

use std::sync::Arc;

use countersign_core::authz::{Action, Clause, HeaderField};
use http::HeaderName;

use super::attribute::Attribute;
use super::clause::{Scope, all_keys, clause, filled, refuse_before_identity};
use super::lint;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{Fields, nearest, spanned, string};
use crate::yaml::{Node, Value};

/// Reads entry `index`: one clause for `values` and one for `notValues`.
pub(super) fn condition(
    index: usize,
    node: &Node,
    scope: &Scope<'_>,
    diags: &mut Diagnostics,
) -> Vec<Clause> {
    const AT: &str = "AuthorizationPolicy.spec.rules.when";
    let Some(mut fields) = Fields::of(node, AT, diags) else {
        return Vec::new();
    };
    let key = fields.required("key", spanned(string));
    let lists = [("values", false), ("notValues", true)].map(|(name, negated)| {
        let list = filled(&mut fields, name);
        list.map(|list| (name, negated, list))
    });
    let Some(key) = key else { return Vec::new() };
    let attribute = match attribute(&key) {
        Ok(attribute) => attribute,
        Err(wrong) => {
            let (message, help) = wrong.told(&key);
            let error = Diagnostic::error("unknown-attribute", message).at(key.span);
            fields.diags().push(error.help(help));
            return Vec::new();
        }
    };
    if scope.action == Action::Custom && attribute.needs_identity() {
        refuse_before_identity(&key, key.span, fields.diags());
    }
    let values = lists.iter().flatten().map(|(_, _, list)| *list);
    lint::absent_header(&key, &attribute, values, fields.diags());
    // A name that is misspelt is an error by itself.
    let known = |name: &str| matches!(name, "key" | "values" | "notValues");
    if lists.iter().all(Option::is_none) && all_keys(node, known) {
        let message = format!("the condition on {} has no values", quoted(&key));
        let error = Diagnostic::error("missing-field", message).at(key.span);
        let help = "add `values:` or `notValues:` with at least one value";
        fields.diags().push(error.help(help));
    }
    // Not with what variables held.
    let shown = match node.child("key").map(|it| &it.value) {
        Some(Value::Scalar(scalar)) => scalar.shown(),
        _ => &key,
    };
    let clauses = lists.into_iter().flatten().map(|(name, negated, list)| {
        let field = format!("when[{index}] {shown} {name}");
        clause(field, negated, &attribute, list, scope, fields.diags())
    });
    clauses.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// What is wrong with a key.
#[derive(Debug, PartialEq, Eq)]
enum WrongKey {
    Unknown,
    /// Gone from Istio long ago.
    Removed,
    /// Without brackets, with nothing in them, or with something behind them.
    Brackets(&'static str),
    /// Not the name of a header, or of a part of a request that is shown as one.
    Header,
}

const PLAIN: &[(&str, Attribute)] = &[
    ("source.ip", Attribute::PeerAddress),
    ("remote.ip", Attribute::ClientAddress),
    ("source.namespace", Attribute::Namespace),
    ("source.serviceAccount", Attribute::ServiceAccount),
    ("source.trustDomain", Attribute::TrustDomain),
    ("source.principal", Attribute::Principal),
    ("request.auth.principal", Attribute::RequestPrincipal),
    ("destination.ip", Attribute::LocalAddress),
    ("destination.port", Attribute::Port),
    ("connection.sni", Attribute::Sni),
];
const REMOVED: &[&str] = &[
    "destination.labels",
    "destination.name",
    "destination.user",
    "destination.namespace",
];
const HEADERS: &str = "request.headers";
const CLAIMS: &str = "request.auth.claims";
const AUDIENCES: &str = "request.auth.audiences";
const PRESENTER: &str = "request.auth.presenter";
const METADATA: &str = "experimental.envoy.filters.";

/// The attribute that a key names.
fn attribute(key: &str) -> Result<Attribute, WrongKey> {
    if let Some((_, attribute)) = PLAIN.iter().find(|(name, _)| *name == key) {
        return Ok(attribute.clone());
    }
    let claim = |name: &str| Ok(Attribute::Claim([name.into()].into()));
    match key {
        AUDIENCES => return claim("aud"),
        PRESENTER => return claim("azp"),
        _ => {}
    }
    let bracketed = |name: &str| {
        let rest = key.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('[')).then_some(rest)
    };
    if let Some(rest) = bracketed(HEADERS) {
        let name = rest.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let name = name.ok_or(WrongKey::Brackets("request.headers[x-tenant]"))?;
        return header(name).map(Attribute::Header).ok_or(WrongKey::Header);
    }
    if let Some(rest) = bracketed(CLAIMS) {
        let path = steps(rest);
        let path = path.ok_or(WrongKey::Brackets("request.auth.claims[groups]"))?;
        return Ok(Attribute::Claim(path));
    }
    if let Some(rest) = key.strip_prefix(METADATA) {
        let inner = rest.split_once('[');
        let inner = inner.and_then(|(_, it)| it.strip_suffix(']'));
        let good = inner.is_some_and(|it| !it.is_empty());
        let wrong = WrongKey::Brackets("experimental.envoy.filters.network.mysql_proxy[db.table]");
        return good.then_some(Attribute::Metadata).ok_or(wrong);
    }
    let removed = |name: &&&str| key.strip_prefix(**name).is_some_and(is_end);
    match REMOVED.iter().find(removed) {
        Some(_) => Err(WrongKey::Removed),
        None => Err(WrongKey::Unknown),
    }
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('[')
}

/// `[a][b]`; each step is a name as it stands, dots included.
fn steps(text: &str) -> Option<Box<[Box<str>]>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let steps = inner.split("][");
    let good = |step: &str| !step.is_empty() && !step.contains(['[', ']']);
    steps.map(|step| good(step).then(|| step.into())).collect()
}

/// What Envoy shows as a header of this name.
fn header(name: &str) -> Option<HeaderField> {
    match name.to_ascii_lowercase().as_str() {
        ":method" => Some(HeaderField::Method),
        ":path" => Some(HeaderField::Path),
        ":scheme" => Some(HeaderField::Scheme),
        ":authority" | "host" => Some(HeaderField::Authority),
        name => {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some(HeaderField::Named(name))
        }
    }
}

impl WrongKey {
    /// A message, and what to write instead.
    fn told(&self, key: &Arc<str>) -> (String, String) {
        let key = quoted(key);
        match self {
            WrongKey::Removed => (
                format!("{key} is gone from Istio, and is not known here"),
                "use `selector` or `targetRefs` to choose what is guarded".to_owned(),
            ),
            WrongKey::Brackets(example) => (
                format!("{key} needs a name in brackets behind it, and nothing else"),
                format!("write it as in `{example}`"),
            ),
            WrongKey::Header => (
                format!("{key} names no header"),
                "write the name of a header, or `:path`, `:method`, `:authority`, `:scheme`"
                    .to_owned(),
            ),
            WrongKey::Unknown => (format!("{key} is nothing to compare"), near(&key)),
        }
    }
}

fn near(key: &str) -> String {
    let plain = PLAIN.iter().map(|(name, _)| *name);
    let names: Vec<&str> = plain
        .chain([HEADERS, CLAIMS, AUDIENCES, PRESENTER])
        .collect();
    let bare = key.trim_matches('`').split('[').next().unwrap_or_default();
    match nearest(bare, &names) {
        Some(name) if matches!(name, HEADERS | CLAIMS) => format!("did you mean `{name}[…]`?"),
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the keys are `{}`", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &[&str]) -> Result<Attribute, WrongKey> {
        Ok(Attribute::Claim(
            path.iter().map(|it| (*it).into()).collect(),
        ))
    }

    #[test]
    fn keys_name_attributes() {
        let named = |name: &'static str| {
            Ok(Attribute::Header(HeaderField::Named(
                HeaderName::from_static(name),
            )))
        };
        for (key, expected) in [
            ("source.ip", Ok(Attribute::PeerAddress)),
            ("request.auth.audiences", claim(&["aud"])),
            ("request.auth.presenter", claim(&["azp"])),
            ("request.auth.claims[a]", claim(&["a"])),
            ("request.auth.claims[a.b][c]", claim(&["a.b", "c"])),
            ("request.headers[X-Tenant]", named("x-tenant")),
            (
                "request.headers[:Path]",
                Ok(Attribute::Header(HeaderField::Path)),
            ),
            (
                "request.headers[Host]",
                Ok(Attribute::Header(HeaderField::Authority)),
            ),
            ("experimental.envoy.filters.a.b[c]", Ok(Attribute::Metadata)),
        ] {
            assert_eq!(attribute(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_that_name_none() {
        for key in [
            "request.auth.claims",
            "request.auth.claims[]",
            "request.auth.claims[a][]",
            "request.auth.claims[a]b",
            "request.auth.claims[a].b[c]",
            "request.auth.claims[a[b]]",
            "request.headers",
            "request.headers[a",
            "experimental.envoy.filters.a",
            "experimental.envoy.filters.a[]",
        ] {
            let found = attribute(key);
            assert!(
                matches!(found, Err(WrongKey::Brackets(_))),
                "{key}: {found:?}"
            );
        }
        for key in [
            "request.headers[]",
            "request.headers[a b]",
            "request.headers[:status]",
            "request.headers[a][b]",
        ] {
            assert_eq!(attribute(key), Err(WrongKey::Header), "{key}");
        }
        for key in ["destination.labels[app]", "destination.user"] {
            assert_eq!(attribute(key), Err(WrongKey::Removed), "{key}");
        }
        for key in ["source.ips", "request.auth", "request.auth.claimsX[a]", "x"] {
            assert_eq!(attribute(key), Err(WrongKey::Unknown), "{key}");
        }
    }
}
