//! The rules of a GRPCRoute.

use std::sync::Arc;

use countersign_core::route::{Match, PathMatch, Timeouts};

use super::filters::{self, Surroundings};
use super::spec::{RouteKind, Rule, everything};
use super::{backends, matches};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::gateway::Carried;
use crate::read::{Fields, Spanned, choice, dns_subdomain, invalid, list_in, string_of};
use crate::yaml::Node;

pub(super) const KIND: RouteKind = RouteKind {
    name: "GRPCRoute",
    carried: Carried::Grpc,
    at: "GRPCRoute.spec",
    rule,
};

fn rule(node: &Node, diags: &mut Diagnostics) -> Option<Rule> {
    let around = Surroundings {
        grpc: true,
        backend: false,
        prefix: None,
    };
    let mut fields = Fields::of(node, "GRPCRoute.spec.rules", diags)?;
    let name = fields.optional("name", dns_subdomain);
    let matches = fields
        .optional("matches", list_in(0..=64, one_match))
        .unwrap_or_default();
    let filters = fields.optional("filters", |node, diags| filters::read(node, around, diags));
    let backend = |node: &Node, diags: &mut Diagnostics| backends::read(node, around, diags);
    let backends = fields.optional("backendRefs", list_in(0..=16, backend));
    fields.unsupported(
        "sessionPersistence",
        "backends are not pinned to sessions: remove it",
    );
    let empty = matches.is_empty();
    Some(Rule {
        name,
        span: node.span,
        matches: if empty {
            vec![everything(node.span)]
        } else {
            matches
        },
        filters: filters.unwrap_or_default(),
        backends: backends.unwrap_or_default(),
        timeouts: Timeouts::default(),
    })
}

fn one_match(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<Match>> {
    let mut fields = Fields::of(node, "GRPCRoute.spec.rules.matches", diags)?;
    let given = ["method", "headers"].map(|name| fields.has(name));
    let path = fields.optional("method", method);
    let headers = fields.optional("headers", list_in(0..=16, matches::header));
    // A condition that was refused must not become none.
    if given
        .iter()
        .zip([path.is_some(), headers.is_some()])
        .any(|(given, read)| *given && !read)
    {
        return None;
    }
    let headers = matches::distinct(headers.unwrap_or_default(), fields.diags());
    Some(Spanned {
        value: Match {
            path: path.unwrap_or_default(),
            headers: headers.into(),
            ..Match::default()
        },
        span: node.span,
    })
}

/// `method`: the path that service and method make.
fn method(node: &Node, diags: &mut Diagnostics) -> Option<PathMatch> {
    let mut fields = Fields::of(node, "GRPCRoute.spec.rules.matches.method", diags)?;
    let typed = fields.has("type");
    let regex = fields.optional(
        "type",
        choice(&[("Exact", false), ("RegularExpression", true)]),
    );
    let regex = regex.or((!typed).then_some(false));
    let given = ["service", "method"].map(|name| fields.has(name));
    let part = |is_name: fn(&str) -> bool, problem| {
        move |node: &Node, diags: &mut Diagnostics| {
            let text = string_of(1..=1024)(node, diags)?;
            match regex? {
                true => matches::regex(node, diags).map(|_| text),
                false if is_name(&text) => Some(text),
                false => {
                    invalid(
                        node,
                        problem,
                        "use letters, digits, `_` and, in services, `.`",
                        diags,
                    );
                    None
                }
            }
        }
    };
    let service = fields.optional(
        "service",
        part(is_service, "is not the name of a gRPC service"),
    );
    let method = fields.optional(
        "method",
        part(is_method, "is not the name of a gRPC method"),
    );
    if given == [false, false] {
        let span = fields.span();
        let error = Diagnostic::error(
            "missing-field",
            "`method` needs `service` or `method`, or both",
        );
        let help = "name one of them, or leave the match out to get all methods";
        fields.diags().push(error.at(span).help(help));
    }
    if given != [service.is_some(), method.is_some()] {
        return None;
    }
    drop(fields);
    path(node, regex?, service, method, diags)
}

fn path(
    node: &Node,
    regex: bool,
    service: Option<Arc<str>>,
    method: Option<Arc<str>>,
    diags: &mut Diagnostics,
) -> Option<PathMatch> {
    const ANY: &str = "[^/]+";
    if regex {
        let service = service.as_deref().unwrap_or(ANY);
        let method = method.as_deref().unwrap_or(ANY);
        let pattern = format!("/(?:{service})/(?:{method})");
        return matches::pattern_of(node, &pattern, diags).map(PathMatch::Regex);
    }
    match (service, method) {
        (Some(service), Some(method)) => {
            Some(PathMatch::Exact(format!("/{service}/{method}").into()))
        }
        (Some(service), None) => Some(PathMatch::GrpcService((*service).into())),
        (None, Some(method)) => Some(PathMatch::GrpcMethod((*method).into())),
        (None, None) => None,
    }
}

/// As the CRD has it: dotted names, perhaps with a dot in front.
fn is_service(text: &str) -> bool {
    text.strip_prefix('.')
        .unwrap_or(text)
        .split('.')
        .all(is_method)
}

fn is_method(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
