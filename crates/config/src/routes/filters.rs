//! `filters` of rules and of backend references.

mod mirror;
mod redirect;

use std::sync::Arc;

use countersign_core::filter::{Cors, Filters, HeaderEdits, Redirect, Rewrite};
use http::HeaderName;

use super::{cors, headers};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{
    Fields, Spanned, any_string, choice, dns_subdomain, invalid, list_in, spanned, string,
};
use crate::refs::described;
use crate::source::Span;
use crate::yaml::Node;

pub(super) use mirror::MirrorSpec;

/// Filters as written: what stands by itself, and what the rest of the configuration completes.
#[derive(Clone, Debug, Default)]
pub(super) struct FilterSpecs {
    /// All but the mirrors.
    pub(super) filters: Filters,
    pub(super) mirrors: Vec<MirrorSpec>,
    /// Names of TrafficPolicies, in order.
    pub(super) extensions: Vec<Spanned<Arc<str>>>,
    /// Headers of requests that are set or added to.
    pub(super) written: Vec<Spanned<HeaderName>>,
}

/// What is around a list of filters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// Of a GRPCRoute, which has fewer.
    pub(super) grpc: bool,
    /// Of a backend reference.
    pub(super) backend: bool,
    /// The one prefix that the rule matches, if that is all it does. Without a trailing slash.
    pub(super) prefix: Option<&'a str>,
}

enum Filter {
    RequestHeaders(HeaderEdits, Vec<Spanned<HeaderName>>),
    ResponseHeaders(HeaderEdits),
    Redirect(Redirect),
    Rewrite(Rewrite),
    Mirror(MirrorSpec),
    Cors(Cors),
    Extension(Spanned<Arc<str>>),
}

/// A type of filter, with the field that it goes with.
#[derive(Clone, Copy, Debug)]
struct Type {
    name: &'static str,
    field: &'static str,
    grpc: bool,
    /// Whether it can hold for a single backend.
    backend: bool,
    /// Whether there may be several.
    repeats: bool,
    read: fn(&Node, Surroundings<'_>, &mut Diagnostics) -> Option<Filter>,
}

const REDIRECT: &str = "RequestRedirect";
const REWRITE: &str = "URLRewrite";

const TYPES: [Type; 7] = [
    Type {
        name: "RequestHeaderModifier",
        field: "requestHeaderModifier",
        grpc: true,
        backend: true,
        repeats: false,
        read: |node, _, diags| {
            let (edits, written) = headers::read(node, diags)?;
            Some(Filter::RequestHeaders(edits, written))
        },
    },
    Type {
        name: "ResponseHeaderModifier",
        field: "responseHeaderModifier",
        grpc: true,
        backend: true,
        repeats: false,
        read: |node, _, diags| {
            let (edits, _) = headers::read(node, diags)?;
            Some(Filter::ResponseHeaders(edits))
        },
    },
    Type {
        name: "RequestMirror",
        field: "requestMirror",
        grpc: true,
        backend: true,
        repeats: true,
        read: |node, _, diags| mirror::read(node, diags).map(Filter::Mirror),
    },
    Type {
        name: "ExtensionRef",
        field: "extensionRef",
        grpc: true,
        backend: false,
        repeats: true,
        read: |node, _, diags| extension(node, diags).map(Filter::Extension),
    },
    Type {
        name: REDIRECT,
        field: "requestRedirect",
        grpc: false,
        backend: false,
        repeats: false,
        read: |node, around, diags| {
            redirect::redirect(node, around.prefix, diags).map(Filter::Redirect)
        },
    },
    Type {
        name: REWRITE,
        field: "urlRewrite",
        grpc: false,
        backend: true,
        repeats: false,
        read: |node, around, diags| {
            redirect::rewrite(node, around.prefix, diags).map(Filter::Rewrite)
        },
    },
    Type {
        name: "CORS",
        field: "cors",
        grpc: false,
        backend: false,
        repeats: false,
        read: |node, _, diags| cors::read(node, diags).map(Filter::Cors),
    },
];

/// Reads a list of filters.
pub(super) fn read(
    node: &Node,
    around: Surroundings<'_>,
    diags: &mut Diagnostics,
) -> Option<FilterSpecs> {
    let filter = |node: &Node, diags: &mut Diagnostics| filter(node, around, diags);
    let list = list_in(0..=16, spanned(filter))(node, diags)?;
    let mut specs = FilterSpecs::default();
    let mut seen: Vec<(Type, Span)> = Vec::new();
    for Spanned {
        value: (kind, filter),
        span,
    } in list
    {
        let first = seen.iter().find(|(it, _)| it.name == kind.name);
        if let Some((_, first)) = first.filter(|_| !kind.repeats) {
            let message = format!("there are two filters of type `{}`", kind.name);
            let error = Diagnostic::error("duplicate-filter", message).at(span);
            let error = error.related(*first, "the first one");
            diags.push(error.help("join them, or remove one"));
            continue;
        }
        seen.push((kind, span));
        specs.add(filter);
    }
    let at = |name| {
        seen.iter()
            .find(|(it, _)| it.name == name)
            .map(|(_, span)| *span)
    };
    if let (Some(redirect), Some(rewrite)) = (at(REDIRECT), at(REWRITE)) {
        let message = "a redirect and a rewrite cannot stand together: a redirect sends nothing on";
        let error = Diagnostic::error("conflicting-filters", message).at(rewrite);
        let error = error.related(redirect, "the redirect");
        diags.push(error.help("remove one of the two"));
    }
    Some(specs)
}

impl FilterSpecs {
    fn add(&mut self, filter: Filter) {
        match filter {
            Filter::RequestHeaders(edits, written) => {
                self.filters.request_headers = edits;
                self.written = written;
            }
            Filter::ResponseHeaders(edits) => self.filters.response_headers = edits,
            Filter::Redirect(redirect) => self.filters.redirect = Some(redirect),
            Filter::Rewrite(rewrite) => self.filters.rewrite = Some(rewrite),
            Filter::Cors(cors) => self.filters.cors = Some(cors),
            Filter::Mirror(mirror) => self.mirrors.push(mirror),
            Filter::Extension(name) => self.extensions.push(name),
        }
    }
}

/// One filter: its type, and the field of that type and no other.
fn filter(
    node: &Node,
    around: Surroundings<'_>,
    diags: &mut Diagnostics,
) -> Option<(Type, Filter)> {
    let mut fields = Fields::of(node, "filters", diags)?;
    let kind = fields.required("type", |node, diags| kind(node, around, diags));
    for other in TYPES
        .iter()
        .filter(|it| Some(it.name) != kind.map(|it| it.name))
    {
        fields.ignored(other.field);
        let Some(key) = fields.key(other.field).filter(|_| fields.has(other.field)) else {
            continue;
        };
        // Without a known type there is no telling which of the two is wrong.
        if let Some(kind) = kind {
            let message = format!("`{}` does not go with `type: {}`", other.field, kind.name);
            let error = Diagnostic::error("one-of", message).at(key);
            fields.diags().push(error.help(format!(
                "write it as a filter of its own, of type `{}`",
                other.name
            )));
        }
    }
    fields.ignored("externalAuth");
    let kind = kind?;
    let filter = fields.required(kind.field, |node, diags| (kind.read)(node, around, diags))?;
    Some((kind, filter))
}

fn kind(node: &Node, around: Surroundings<'_>, diags: &mut Diagnostics) -> Option<Type> {
    if node.text() == Some("ExternalAuth") {
        let help = "remove it, if what it asks for is not needed here";
        invalid(node, "is a filter that is not supported yet", help, diags);
        return None;
    }
    let fitting = TYPES.iter().filter(|it| it.grpc || !around.grpc);
    let words: Vec<(&'static str, Type)> = fitting.map(|it| (it.name, *it)).collect();
    let kind = choice(&words)(node, diags)?;
    if around.backend && !kind.backend {
        let problem = "is a filter that cannot hold for a single backend";
        invalid(node, problem, "put it among the filters of the rule", diags);
        return None;
    }
    Some(kind)
}

/// A TrafficPolicy of kgateway in the route's namespace.
fn extension(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<Arc<str>>> {
    let mut fields = Fields::of(node, "extensionRef", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    let name = fields.required("name", spanned(dns_subdomain));
    let (group, kind) = (group?, kind?);
    if (&*group, &*kind) == ("gateway.kgateway.dev", "TrafficPolicy") {
        return name;
    }
    let message = format!("a filter cannot refer to a {}", described(&group, &kind));
    let error = Diagnostic::error("unsupported-extension", message)
        .help("refer to a `TrafficPolicy` of `gateway.kgateway.dev`");
    fields.diags().push(error.at(node.span));
    None
}
