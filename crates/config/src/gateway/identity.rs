//! Headers that say who the caller is, and what gets in their way on a listener.
//!
//! They are taken from every request before anything else happens (decision T7), so a token that stands in one is never
//! seen; and filters come after them, so one that writes such a header has the last word on who is calling.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::authn::{Requirement, TokenRule};
use countersign_core::id::RuleId;
use countersign_core::listener::IdentityHeaders;
use countersign_core::origin::Origin;
use countersign_core::route::RouteEntry;
use countersign_core::source::Source;
use http::HeaderName;

use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
use crate::object::Kind;
use crate::policy::Policies;
use crate::read::Spanned;

/// A header of requests that a filter of a rule writes.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) rule: RuleId,
    pub(crate) header: Spanned<HeaderName>,
    pub(crate) route: ObjectRef,
}

/// What was found on the listeners so far, each thing once.
pub(super) struct Clashes<'a> {
    policies: &'a Policies,
    written: HashMap<RuleId, Vec<&'a Written>>,
    found: Vec<Diagnostic>,
}

/// A header that a rule sets from claims.
struct Output<'a> {
    rule: &'a TokenRule,
    header: &'a HeaderName,
    /// Just this one, for comparison in every spelling.
    spellings: IdentityHeaders,
}

impl<'a> Clashes<'a> {
    pub(super) fn new(policies: &'a Policies, written: &'a [Written]) -> Clashes<'a> {
        let mut by_rule: HashMap<RuleId, Vec<&Written>> = HashMap::new();
        for it in written {
            by_rule.entry(it.rule).or_default().push(it);
        }
        Clashes {
            policies,
            written: by_rule,
            found: Vec::new(),
        }
    }

    /// Looks at one listener: the requirements in force on it, and its routes.
    pub(super) fn find(&mut self, in_force: &[&Requirement], routes: &[RouteEntry]) {
        let rules = || in_force.iter().flat_map(|it| it.rules());
        let outputs: Vec<Output<'_>> = rules().flat_map(outputs).collect();
        if outputs.is_empty() {
            return;
        }
        let setting = |name: &str| outputs.iter().find(|it| it.spellings.contains(name));
        for rule in rules() {
            for source in &rule.sources {
                if let Source::Header { name, .. } = source
                    && let Some(output) = setting(name)
                {
                    let error = self.stripped(name, rule, output);
                    self.keep(error);
                }
            }
        }
        let written = routes.iter().filter_map(|it| self.written.get(&it.rule));
        let written: Vec<&Written> = written.flatten().copied().collect();
        for it in written {
            if let Some(output) = setting(it.header.as_str()) {
                let error = self.edited(it, output);
                self.keep(error);
            }
        }
    }

    pub(super) fn report(self, diags: &mut Diagnostics) {
        self.found.into_iter().for_each(|it| diags.push(it));
    }

    pub(super) fn keep(&mut self, diagnostic: Diagnostic) {
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    fn stripped(&self, name: &str, reader: &TokenRule, output: &Output<'_>) -> Diagnostic {
        let message = format!(
            "no token ever arrives in header `{name}`: it is taken from every request, because {} sets `{}` from claims",
            owner(&output.rule.origin),
            output.header,
        );
        let error =
            Diagnostic::error("token-header-stripped", message).about(subject(&reader.origin));
        let error = error.help("choose another header for the claim, or for the token");
        self.places(error, Some(&reader.origin), output)
    }

    fn edited(&self, written: &Written, output: &Output<'_>) -> Diagnostic {
        let message = format!(
            "this filter overwrites who is calling: {} sets `{}` from claims",
            owner(&output.rule.origin),
            output.header,
        );
        let error = Diagnostic::error("identity-header-edited", message)
            .at(written.header.span)
            .about(written.route.clone())
            .help("write another header, or remove the claim's");
        self.places(error, None, output)
    }

    /// Names both places.
    fn places(
        &self,
        mut error: Diagnostic,
        at: Option<&Arc<Origin>>,
        output: &Output<'_>,
    ) -> Diagnostic {
        if let Some(span) = at.and_then(|it| self.policies.place(it)) {
            error = error.at(span);
        }
        match self.policies.place(&output.rule.origin) {
            Some(span) => error.related(span, format!("sets `{}`", output.header)),
            None => error,
        }
    }
}

fn outputs(rule: &TokenRule) -> impl Iterator<Item = Output<'_>> {
    let claims = rule.claim_headers.iter().map(|it| &it.header);
    let headers = rule.payload_header.iter().chain(claims);
    headers.map(move |header| Output {
        rule,
        header,
        spellings: IdentityHeaders::new([header]),
    })
}

/// A policy by kind and name.
fn owner(origin: &Origin) -> String {
    format!("{} `{}/{}`", origin.kind, origin.namespace, origin.name)
}

fn subject(origin: &Origin) -> ObjectRef {
    let kinds = [
        Kind::RequestAuthentication,
        Kind::GatewayExtension,
        Kind::AgentgatewayPolicy,
        Kind::EnterpriseAgentgatewayPolicy,
    ];
    let kind = kinds.into_iter().find(|it| it.name() == origin.kind);
    ObjectRef {
        group: kind.map_or("", Kind::group).into(),
        kind: origin.kind.into(),
        namespace: Arc::clone(&origin.namespace),
        name: Arc::clone(&origin.name),
    }
}
