//! What both kinds of routes have, and a route as it is written.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::host::HostPattern;
use countersign_core::origin::Origin;
use countersign_core::route::{Match, Timeouts};

use super::backends::BackendSpec;
use super::filters::FilterSpecs;
use super::parent::{self, ParentRef};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::gateway::Carried;
use crate::object::Object;
use crate::policy::RouteKey;
use crate::read::{Fields, Spanned, duration, hostname, list_in, spanned};
use crate::source::Span;
use crate::yaml::Node;

/// How the kinds of routes differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteKind {
    pub(super) name: &'static str,
    pub(super) carried: Carried,
    /// Of `spec`, for messages.
    pub(super) at: &'static str,
    pub(super) rule: fn(&Node, &mut Diagnostics) -> Option<Rule>,
}

/// A route as written.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) key: RouteKey,
    pub(super) kind: RouteKind,
    pub(super) origin: Origin,
    pub(super) reference: ObjectRef,
    /// Where its name stands.
    pub(super) span: Span,
    pub(super) created: Option<i64>,
    pub(super) parents: Vec<ParentRef>,
    /// Empty: every host of the listener.
    pub(super) hosts: Vec<Spanned<HostPattern>>,
    /// `None` in place of a rule that was refused.
    pub(super) rules: Vec<Option<Rule>>,
}

/// A rule as written.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Option<Arc<str>>,
    /// The entry, at its first line.
    pub(super) span: Span,
    /// At least one. Each with the place of its path, or of itself.
    pub(super) matches: Vec<Spanned<Match>>,
    pub(super) filters: FilterSpecs,
    pub(super) backends: Vec<BackendSpec>,
    pub(super) timeouts: Timeouts,
}

impl Route {
    /// Whether it routes whole connections.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.kind.carried, Carried::Tls | Carried::Tcp)
    }

    /// Names of the rules that have one.
    pub(super) fn rule_names(&self) -> impl Iterator<Item = Option<Arc<str>>> {
        self.rules.iter().map(|rule| rule.as_ref()?.name.clone())
    }
}

/// Reads a route; `None` where too little of it is left.
pub(super) fn read(object: &Object, kind: RouteKind, diags: &mut Diagnostics) -> Option<Route> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, kind.at, diags)?;
        let parent =
            |node: &Node, diags: &mut Diagnostics| parent::read(node, &object.namespace, diags);
        let parents = fields.optional("parentRefs", list_in(0..=32, parent));
        let parents = parents.unwrap_or_default();
        parent::check(&parents, fields.diags());
        let hosted = fields.has("hostnames");
        let hosts = match kind.carried {
            Carried::Tcp => None,
            // Without a hostname it would take everybody's connections.
            Carried::Tls => fields.required("hostnames", list_in(1..=16, spanned(host))),
            Carried::Http | Carried::Grpc => {
                fields.optional("hostnames", list_in(0..=16, spanned(host)))
            }
        };
        let rule = |node: &Node, diags: &mut Diagnostics| Some((kind.rule)(node, diags));
        let rules = match kind.carried {
            Carried::Http | Carried::Grpc => fields.optional("rules", list_in(1..=16, rule)),
            // One connection has one destination.
            Carried::Tls | Carried::Tcp => fields.required("rules", list_in(1..=1, rule)),
        };
        fields.unsupported("useDefaultGateways", "name the Gateways in `parentRefs`");
        let rules = rules.unwrap_or_else(|| vec![Some(Rule::default(node.span))]);
        check_rules(&rules, fields.diags());
        // Hostnames that were all refused must not become "every host".
        let hosts = hosts.unwrap_or_default();
        if kind.carried == Carried::Tls && hosts.is_empty() {
            return None;
        }
        if hosted && hosts.is_empty() && !empty_list(node, "hostnames") {
            return None;
        }
        Some(Route {
            key: RouteKey {
                kind: kind.name,
                namespace: Arc::clone(&object.namespace),
                name: Arc::clone(&object.name),
            },
            kind,
            origin: object.origin.clone(),
            reference: object.reference(),
            span: object.name_span,
            created: object.created,
            parents,
            hosts,
            rules,
        })
    })
}

impl Rule {
    /// The rule of a route that has none: everything, to nowhere.
    fn default(span: Span) -> Rule {
        Rule {
            name: None,
            span,
            matches: vec![everything(span)],
            filters: FilterSpecs::default(),
            backends: Vec::new(),
            timeouts: Timeouts::default(),
        }
    }
}

/// The match of a rule that states none.
pub(super) fn everything(span: Span) -> Spanned<Match> {
    Spanned {
        value: Match::default(),
        span,
    }
}

fn host(node: &Node, diags: &mut Diagnostics) -> Option<HostPattern> {
    hostname(node, diags).map(|host| HostPattern::new(&host))
}

fn empty_list(node: &Node, name: &str) -> bool {
    let list = node.child(name).map(|it| &it.value);
    matches!(list, Some(crate::yaml::Value::Sequence(items)) if items.is_empty())
}

/// Rule names are unique, and there are 128 matches at most, as the CRD has it.
fn check_rules(rules: &[Option<Rule>], diags: &mut Diagnostics) {
    const MOST_MATCHES: usize = 128;
    let named = || {
        rules
            .iter()
            .flatten()
            .filter_map(|rule| Some((rule.name.as_ref()?, rule.span)))
    };
    for (index, (name, span)) in named().enumerate() {
        let Some((_, first)) = named().take(index).find(|(it, _)| *it == name) else {
            continue;
        };
        let error = Diagnostic::error(
            "duplicate-entry",
            format!("there are two rules {}", quoted(name)),
        );
        let error = error.at(span).related(first, "the first one");
        diags.push(error.help("give each its own name"));
    }
    let mut matches = 0;
    for rule in rules.iter().flatten() {
        let before = matches;
        matches += rule.matches.len();
        if before <= MOST_MATCHES && matches > MOST_MATCHES {
            let message = format!(
                "the rules of a route may have {MOST_MATCHES} matches, and here is one more"
            );
            let error = Diagnostic::error("out-of-range", message).at(rule.span);
            diags.push(error.help("split the route in two"));
        }
    }
}

/// `timeouts` of a rule.
pub(super) fn timeouts(node: &Node, diags: &mut Diagnostics) -> Option<Timeouts> {
    let mut fields = Fields::of(node, "HTTPRoute.spec.rules.timeouts", diags)?;
    let request = fields.optional("request", duration);
    let backend = fields.optional("backendRequest", spanned(duration));
    if let (Some(request), Some(backend)) = (request, backend)
        && request != Duration::ZERO
        && backend.value > request
    {
        let message = "`backendRequest` is longer than `request`, which it is a part of";
        let error = Diagnostic::error("out-of-range", message).at(backend.span);
        let help = format!("write at most `{request:?}`");
        fields.diags().push(error.help(help));
    }
    Some(Timeouts {
        request,
        backend: backend.map(|it| it.value),
    })
}
