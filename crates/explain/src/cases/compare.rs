//! An answer against what a case expects of it, field by field.

use super::expect::{Expect, Upstream};
use crate::answer::Answer;

/// A field that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the file names it.
    pub field: String,
    /// What the case says.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// What was got, as far as whoever asked can tell. `None` is not compared.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// Status; a backend that nobody asks is taken to answer 200.
    pub status: Option<u16>,
    /// Code of the reason.
    pub reason: Option<String>,
    /// The rule that refused; empty for none.
    pub rule: Option<String>,
    /// The route; empty for none.
    pub route: Option<String>,
    /// The backends, any one of which gets it.
    pub backends: Option<Vec<String>>,
    /// Body.
    pub body: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<Option<String>>,
    /// `Location`.
    pub location: Option<Option<String>>,
    /// What the backend got.
    pub upstream: Option<Option<Upstreamed>>,
}

/// A request as the backend got it.
#[derive(Debug, Clone, Default)]
pub struct Upstreamed {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Got {
    /// What the library says.
    pub fn of(answer: &Answer<'_>) -> Self {
        let reply = answer.reply.as_ref();
        let header = |wanted: &str| {
            let headers = reply.map_or(&[][..], |reply| &reply.headers);
            let found = headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let upstream = answer.upstream.as_ref();
        let backends = upstream
            .map(|it| &it.backends)
            .or(answer.passed_to.as_ref());
        let backends = backends.map_or(&[][..], |it| it).iter();
        let names = backends.filter_map(|(name, _)| Some(name.as_ref()?.to_string()));
        Self {
            // A connection has none.
            status: answer
                .passed_to
                .is_none()
                .then(|| reply.map_or(200, |reply| reply.status)),
            reason: Some(answer.reason.code().to_owned()),
            rule: Some(
                answer
                    .rule
                    .as_ref()
                    .map_or_else(String::new, |it| rule_name(it)),
            ),
            route: Some(
                answer
                    .route
                    .map_or_else(String::new, |it| it.name.to_string()),
            ),
            backends: Some(names.collect()),
            body: reply.map(|reply| reply.body.clone()),
            challenge: Some(header("www-authenticate")),
            location: Some(header("location")),
            upstream: Some(upstream.map(|it| Upstreamed {
                method: it.method.clone(),
                path: it.target.clone(),
                headers: it.headers.clone(),
            })),
        }
    }
}

/// A rule without its place in a file: `AuthorizationPolicy shop/deny rules[0]`.
pub fn rule_name(origin: &countersign_core::Origin) -> String {
    let part = if origin.part.is_empty() { "" } else { " " };
    format!(
        "{} {}/{}{part}{}",
        origin.kind, origin.namespace, origin.name, origin.part
    )
}

/// What is not as expected, and which fields could not be compared.
pub fn compare(expect: &Expect, got: &Got) -> (Vec<Difference>, Vec<&'static str>) {
    let mut found = Found::default();
    let text = |it: &std::sync::Arc<str>| it.to_string();
    let equal = |a: &str, b: &str| a == b;
    found.field(
        "status",
        expect.status.map(|it| it.to_string()),
        got.status.map(|it| it.to_string()),
        equal,
    );
    found.field(
        "reason",
        expect.reason.as_ref().map(text),
        got.reason.clone(),
        equal,
    );
    found.field(
        "rule",
        expect.rule.as_ref().map(text),
        got.rule.clone(),
        begins,
    );
    found.field(
        "route",
        expect.route.as_ref().map(text),
        got.route.clone(),
        begins,
    );
    if let Some(wanted) = &expect.backend {
        match &got.backends {
            None => found.unknown.push("backend"),
            Some(names) if names.iter().any(|name| begins(wanted, name)) => {}
            Some(names) => found.differs("backend", wanted, &names.join(", ")),
        }
    }
    let body = got
        .body
        .clone()
        .or_else(|| got.reason.as_ref().map(|_| String::new()));
    found.field("body", expect.body.as_ref().map(text), body, equal);
    let or_none = |it: &Option<String>| it.clone().unwrap_or_default();
    let wanted = expect
        .challenge
        .as_ref()
        .map(|it| it.as_ref().map_or_else(String::new, text));
    found.field(
        "challenge",
        wanted,
        got.challenge.as_ref().map(or_none),
        equal,
    );
    let location = expect.location.as_ref().map(text);
    found.field(
        "location",
        location,
        got.location.as_ref().map(or_none),
        equal,
    );
    match (&expect.upstream, &got.upstream) {
        (None, _) => {}
        (Some(_), None) => found.unknown.push("upstream"),
        (Some(None), Some(None)) => {}
        (Some(None), Some(Some(_))) => found.differs("upstream", "", "a request"),
        (Some(Some(_)), Some(None)) => found.differs("upstream", "a request", ""),
        (Some(Some(wanted)), Some(Some(got))) => found.upstream(wanted, got),
    }
    (found.differences, found.unknown)
}

#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
    unknown: Vec<&'static str>,
}

impl Found {
    fn field(
        &mut self,
        name: &'static str,
        wanted: Option<String>,
        got: Option<String>,
        fits: impl Fn(&str, &str) -> bool,
    ) {
        match (wanted, got) {
            (None, _) => {}
            (Some(_), None) => self.unknown.push(name),
            (Some(wanted), Some(got)) if fits(&wanted, &got) => {}
            (Some(wanted), Some(got)) => self.differs(name, &wanted, &got),
        }
    }

    fn differs(&mut self, field: &str, expected: &str, got: &str) {
        self.differences.push(Difference {
            field: field.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }

    fn upstream(&mut self, wanted: &Upstream, got: &Upstreamed) {
        for (field, wanted, got) in [
            ("upstream.method", &wanted.method, &got.method),
            ("upstream.path", &wanted.path, &got.path),
        ] {
            if let Some(wanted) = wanted.as_ref().filter(|it| ***it != **got) {
                self.differs(field, wanted, got);
            }
        }
        for (name, values) in &wanted.headers {
            let values: Vec<&str> = values.iter().map(|it| &**it).collect();
            let own = got
                .headers
                .iter()
                .filter(|(it, _)| it.eq_ignore_ascii_case(name));
            let own: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
            if own != values {
                let field = format!("upstream.headers.{name}");
                self.differs(&field, &values.join(", "), &own.join(", "));
            }
        }
    }
}

/// Whole, or up to where a part of the name ends.
fn begins(wanted: &str, got: &str) -> bool {
    let rest = got.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/', ':', '[', '.']))
}
