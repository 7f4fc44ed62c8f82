//! A collector that takes everything, and the spans that it got.

use countersign_testkit::site::{Reply, Site};
use serde_json::Value;

/// A running collector.
pub(crate) struct Collector(Site);

/// One span.
#[derive(Debug)]
pub(crate) struct Span(Value);

pub(crate) const SERVER: u64 = 2;
pub(crate) const CLIENT: u64 = 3;

impl Collector {
    pub(crate) fn start() -> Self {
        Self(Site::start(|_| Reply::json("{}")))
    }

    /// What `--otlp` is given.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    pub(crate) fn connections(&self) -> u64 {
        self.0.connections()
    }

    /// Every request's body as it came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let seen = self.0.seen().into_iter().map(|seen| {
            assert_eq!((&*seen.method, &*seen.target), ("POST", "/v1/traces"));
            assert_eq!(seen.headers.all("content-type"), ["application/json"]);
            String::from_utf8(seen.body).expect("JSON")
        });
        seen.collect()
    }

    /// Every span so far, under the service that it is said to be of.
    pub(crate) fn spans(&self) -> Vec<(String, Span)> {
        let mut all = Vec::new();
        for body in self.bodies() {
            let body: Value = serde_json::from_str(&body).expect("JSON");
            for resource in array(&body["resourceSpans"]) {
                let service = attribute(&resource["resource"], "service.name").expect("a name");
                for scope in array(&resource["scopeSpans"]) {
                    let spans = array(&scope["spans"]).iter().cloned().map(Span);
                    all.extend(spans.map(|span| (service.clone(), span)));
                }
            }
        }
        all
    }

    /// The only span of this kind.
    pub(crate) fn span(&self, kind: u64) -> Span {
        let mut of_kind = self.spans();
        of_kind.retain(|(_, span)| span.0["kind"] == kind);
        assert_eq!(of_kind.len(), 1, "{of_kind:?}");
        of_kind.remove(0).1
    }
}

impl Span {
    /// A member that is a string; empty where there is none.
    pub(crate) fn text(&self, member: &str) -> &str {
        self.0
            .get(member)
            .map_or("", |it| it.as_str().expect("a string"))
    }

    /// In nanoseconds since 1970.
    pub(crate) fn time(&self, member: &str) -> u64 {
        self.text(member).parse().expect("a number")
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.0, key)
    }

    pub(crate) fn is_error(&self) -> bool {
        self.0.get("status").is_some_and(|it| it["code"] == 2)
    }
}

fn attribute(of: &Value, key: &str) -> Option<String> {
    let value = &array(&of["attributes"])
        .iter()
        .find(|it| it["key"] == key)?["value"];
    let value = value.get("stringValue").or(value.get("intValue"));
    Some(value?.as_str()?.to_owned())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}
