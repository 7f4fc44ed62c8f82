//! One entry of `rules`: sources, operations and conditions.

use std::sync::Arc;

use countersign_core::authz::{Action, Clause, Rule};
use countersign_core::origin::Origin;

use super::attribute::Attribute;
use super::clause::{Scope, all_keys, clause, filled, refuse_before_identity};
use super::condition::condition;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy::tokens::is_empty_list;
use crate::read::{Fields, Spanned, list_in};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// A field of a source or an operation, its negation, and what both compare.
type Field = (&'static str, &'static str, Attribute);

const SOURCE: &[Field] = &[
    ("principals", "notPrincipals", Attribute::Principal),
    (
        "requestPrincipals",
        "notRequestPrincipals",
        Attribute::RequestPrincipal,
    ),
    ("namespaces", "notNamespaces", Attribute::Namespace),
    (
        "serviceAccounts",
        "notServiceAccounts",
        Attribute::ServiceAccount,
    ),
    ("trustDomains", "notTrustDomains", Attribute::TrustDomain),
    ("ipBlocks", "notIpBlocks", Attribute::PeerAddress),
    (
        "remoteIpBlocks",
        "notRemoteIpBlocks",
        Attribute::ClientAddress,
    ),
];
const OPERATION: &[Field] = &[
    ("hosts", "notHosts", Attribute::Host),
    ("ports", "notPorts", Attribute::Port),
    ("methods", "notMethods", Attribute::Method),
    ("paths", "notPaths", Attribute::Path),
];
/// Admission's bound on `rules` and `from`.
const MOST: usize = 512;

/// Reads the rules of a policy. Those that were refused are left out.
pub(super) fn rules(
    node: &Node,
    object: &Origin,
    scope: &Scope<'_>,
    diags: &mut Diagnostics,
) -> Vec<Spanned<Rule>> {
    let entries = items(node, "rules", 0..=MOST, diags);
    let read = |(index, node): (usize, &Node)| {
        let part = format!("rules[{index}]");
        let origin = object.part(part, node.span.start.line);
        let value = rule(node, Arc::new(origin), scope, diags)?;
        Some(Spanned {
            value,
            span: head(node),
        })
    };
    entries.iter().enumerate().filter_map(read).collect()
}

/// The first key: underlining a whole rule would say less.
fn head(node: &Node) -> Span {
    match &node.value {
        Value::Mapping(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    }
}

fn rule(
    node: &Node,
    origin: Arc<Origin>,
    scope: &Scope<'_>,
    diags: &mut Diagnostics,
) -> Option<Rule> {
    const AT: &str = "AuthorizationPolicy.spec.rules";
    if node.is_null() {
        let message = format!("`{}` is null, which says nothing", origin.part);
        let error = Diagnostic::error("wrong-type", message).at(node.span);
        diags
            .push(error.help("write `{}` for a rule that matches everything, or remove the entry"));
        return None;
    }
    let mut fields = Fields::of(node, AT, diags)?;
    // Empty, the first two are an error.
    let [from, to] = ["from", "to"].map(|name| match fields.node(name) {
        Some(node) => Some(node),
        None => filled(&mut fields, name),
    });
    let when = filled(&mut fields, "when");
    let diags = fields.diags();
    let from = from.map(|it| items(it, "from", 1..=MOST, diags));
    let to = to.map(|it| items(it, "to", 1..=usize::MAX, diags));
    let when = when.map(|it| items(it, "when", 1..=usize::MAX, diags));
    let each = |nodes: Option<&[Node]>, part: &'static Part, diags: &mut Diagnostics| {
        let nodes = nodes.unwrap_or_default().iter().enumerate();
        let read = |(index, node)| part.entry(index, node, scope, diags);
        nodes.filter_map(read).collect()
    };
    Some(Rule {
        origin,
        from: each(from, &FROM, diags),
        to: each(to, &TO, diags),
        when: when
            .unwrap_or_default()
            .iter()
            .enumerate()
            .flat_map(|(index, node)| condition(index, node, scope, diags))
            .collect(),
    })
}

/// `from` or `to`.
struct Part {
    list: &'static str,
    at: &'static str,
    inner: &'static str,
    inner_at: &'static str,
    fields: &'static [Field],
}

static FROM: Part = Part {
    list: "from",
    at: "AuthorizationPolicy.spec.rules.from",
    inner: "source",
    inner_at: "AuthorizationPolicy.spec.rules.from.source",
    fields: SOURCE,
};
static TO: Part = Part {
    list: "to",
    at: "AuthorizationPolicy.spec.rules.to",
    inner: "operation",
    inner_at: "AuthorizationPolicy.spec.rules.to.operation",
    fields: OPERATION,
};

impl Part {
    /// `- source: {…}`
    fn entry(
        &self,
        index: usize,
        node: &Node,
        scope: &Scope<'_>,
        diags: &mut Diagnostics,
    ) -> Option<Vec<Clause>> {
        let mut fields = Fields::of(node, self.at, diags)?;
        let inner = |node: &Node, diags: &mut Diagnostics| self.clauses(index, node, scope, diags);
        fields.required(self.inner, inner)
    }

    fn clauses(
        &self,
        index: usize,
        node: &Node,
        scope: &Scope<'_>,
        diags: &mut Diagnostics,
    ) -> Option<Vec<Clause>> {
        let mut fields = Fields::of(node, self.inner_at, diags)?;
        let mut clauses = Vec::new();
        let mut given = Vec::new();
        for (name, not_name, attribute) in self.fields {
            for (name, negated) in [(*name, false), (*not_name, true)] {
                let Some(list) = filled(&mut fields, name) else {
                    continue;
                };
                let key = fields.key(name).unwrap_or(list.span);
                given.push((attribute, key));
                if scope.action == Action::Custom && attribute.needs_identity() {
                    refuse_before_identity(name, key, fields.diags());
                }
                let field = format!("{}[{index}].{}.{name}", self.list, self.inner);
                clauses.extend(clause(
                    field,
                    negated,
                    attribute,
                    list,
                    scope,
                    fields.diags(),
                ));
            }
        }
        let known = |name: &str| self.fields.iter().any(|it| it.0 == name || it.1 == name);
        // A name that is misspelt is an error by itself.
        if given.is_empty() && all_keys(node, known) {
            let message = format!(
                "`{}` is empty: nobody can tell what it should match",
                self.inner
            );
            let error = Diagnostic::error("missing-field", message).at(fields.span());
            let help = format!("add a field to it, or remove `{}`", self.list);
            fields.diags().push(error.help(help));
            return None;
        }
        exclusive(&given, fields.diags());
        Some(clauses)
    }
}

/// A service account says all of what principals and namespaces say.
fn exclusive(given: &[(&Attribute, Span)], diags: &mut Diagnostics) {
    let account = given
        .iter()
        .find(|(it, _)| **it == Attribute::ServiceAccount);
    let other = given
        .iter()
        .find(|(it, _)| matches!(it, Attribute::Principal | Attribute::Namespace));
    if let (Some((_, account)), Some((_, other))) = (account, other) {
        let message = "a source has service accounts, or else principals and namespaces";
        let error = Diagnostic::error("one-of", message).at(*account);
        let help = "write the service account as `namespace/account`, and leave the others out";
        diags.push(error.related(*other, "the other one").help(help));
    }
}

/// The entries of a list whose length lies in a range.
fn items<'n>(
    node: &'n Node,
    name: &'static str,
    length: std::ops::RangeInclusive<usize>,
    diags: &mut Diagnostics,
) -> &'n [Node] {
    if is_empty_list(node) {
        if *length.start() == 0 {
            return &[];
        }
        let message = format!("`{name}` is empty: nobody can tell what it should match");
        let error = Diagnostic::error("out-of-range", message).at(node.span);
        diags.push(error.help(format!("add an entry, or remove `{name}`")));
        return &[];
    }
    list_in(length, |_, _| Some(()))(node, diags);
    match &node.value {
        Value::Sequence(items) => items,
        _ => &[],
    }
}
