//! The rules of an HTTPRoute.

use countersign_core::route::{Match, PathMatch};
use http::Method;

use super::filters::{self, FilterSpecs, Surroundings};
use super::spec::{RouteKind, Rule, everything, timeouts};
use super::{backends, matches, paths};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::gateway::Carried;
use crate::read::{Fields, Spanned, choice, dns_subdomain, list_in};
use crate::yaml::Node;

pub(super) const KIND: RouteKind = RouteKind {
    name: "HTTPRoute",
    carried: Carried::Http,
    at: "HTTPRoute.spec",
    rule,
};

fn rule(node: &Node, diags: &mut Diagnostics) -> Option<Rule> {
    let mut fields = Fields::of(node, "HTTPRoute.spec.rules", diags)?;
    let name = fields.optional("name", dns_subdomain);
    let matches = fields
        .optional("matches", list_in(0..=64, one_match))
        .unwrap_or_default();
    let prefix = prefix(&matches);
    let around = Surroundings {
        grpc: false,
        backend: false,
        prefix,
    };
    let filters = fields.optional("filters", |node, diags| filters::read(node, around, diags));
    let backend = |node: &Node, diags: &mut Diagnostics| backends::read(node, around, diags);
    let backends = fields.optional("backendRefs", list_in(0..=16, backend));
    let timeouts = fields.optional("timeouts", timeouts);
    fields.unsupported("retry", "requests are not tried again: remove it");
    fields.unsupported(
        "sessionPersistence",
        "backends are not pinned to sessions: remove it",
    );
    let (filters, backends) = (filters.unwrap_or_default(), backends.unwrap_or_default());
    check_redirect(&filters, backends.is_empty(), &mut fields);
    let empty = matches.is_empty();
    Some(Rule {
        name,
        span: node.span,
        matches: if empty {
            vec![everything(node.span)]
        } else {
            matches
        },
        filters,
        backends,
        timeouts: timeouts.unwrap_or_default(),
    })
}

/// The one prefix that a rule matches; without any match that is `/`.
fn prefix(matches: &[Spanned<Match>]) -> Option<&str> {
    match matches {
        [] => Some(""),
        [one] => match &one.path {
            PathMatch::Prefix(prefix) => Some(prefix),
            _ => None,
        },
        _ => None,
    }
}

fn check_redirect(filters: &FilterSpecs, alone: bool, fields: &mut Fields<'_, '_>) {
    let Some(key) = fields.key("backendRefs") else {
        return;
    };
    if alone || filters.filters.redirect.is_none() {
        return;
    }
    let message = "a rule that redirects sends no requests to backends";
    let error = Diagnostic::error("conflicting-filters", message).at(key);
    let help = "remove `backendRefs`, or the `RequestRedirect` filter";
    fields.diags().push(error.help(help));
}

fn one_match(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<Match>> {
    let mut fields = Fields::of(node, "HTTPRoute.spec.rules.matches", diags)?;
    let span = node.child("path").map_or(node.span, |it| it.span);
    let given = ["path", "headers", "queryParams", "method"].map(|name| fields.has(name));
    let path = fields.optional("path", paths::read);
    let headers = fields.optional("headers", list_in(0..=16, matches::header));
    let query = fields.optional("queryParams", list_in(0..=16, matches::query));
    let method = fields.optional("method", method);
    let read = [
        path.is_some(),
        headers.is_some(),
        query.is_some(),
        method.is_some(),
    ];
    // A condition that was refused must not become none.
    if given.iter().zip(read).any(|(given, read)| *given && !read) {
        return None;
    }
    let headers = matches::distinct(headers.unwrap_or_default(), fields.diags());
    let query = matches::distinct(query.unwrap_or_default(), fields.diags());
    Some(Spanned {
        value: Match {
            path: path.unwrap_or_default(),
            headers: headers.into(),
            query: query
                .into_iter()
                .map(|(name, it)| ((*name).into(), it))
                .collect(),
            method,
        },
        span,
    })
}

fn method(node: &Node, diags: &mut Diagnostics) -> Option<Method> {
    let words = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let word = choice(&words.map(|it| (it, it)))(node, diags)?;
    Method::try_from(word).ok()
}
