//! What is said to a collector and what it answers, in OTLP's JSON encoding.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::attributes::Attributes;
use super::span::Spans;

/// Who sends spans.
pub(super) struct Resource {
    service: String,
}

impl Resource {
    pub(super) fn new(service: String) -> Self {
        Self { service }
    }

    /// `ExportTraceServiceRequest` of `opentelemetry/proto/collector/trace/v1/trace_service.proto`.
    pub(super) fn request(&self, spans: &[Spans]) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Request<'a> {
            resource_spans: [ResourceSpans<'a>; 1],
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ResourceSpans<'a> {
            resource: About<'a>,
            scope_spans: [ScopeSpans<'a>; 1],
        }
        #[derive(Serialize)]
        struct About<'a> {
            attributes: Attributes<'a>,
        }
        #[derive(Serialize)]
        struct ScopeSpans<'a> {
            scope: Scope,
            spans: Vec<&'a RawValue>,
        }
        #[derive(Serialize)]
        struct Scope {
            name: &'static str,
            version: &'static str,
        }
        let mut attributes = Attributes::new();
        attributes.text("service.name", &self.service);
        attributes.text("service.version", VERSION);
        let scope = Scope {
            name: "countersign",
            version: VERSION,
        };
        let spans = spans.iter().flat_map(Spans::iter).collect();
        serde_json::to_string(&Request {
            resource_spans: [ResourceSpans {
                resource: About { attributes },
                scope_spans: [ScopeSpans { scope, spans }],
            }],
        })
    }
}

/// What a collector has taken note of and not kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// How many spans.
    pub(super) spans: u64,
    /// What it says of them.
    pub(super) message: String,
}

impl Rejected {
    /// Reads the body of an answer that says yes. Who says it in other words has said it as well.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        /// `ExportTraceServiceResponse`.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Response {
            partial_success: Option<PartialSuccess>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PartialSuccess {
            /// A string, as protobuf wants it, or a number, as many write it.
            #[serde(default)]
            rejected_spans: Value,
            #[serde(default)]
            error_message: String,
        }
        let response: Response = serde_json::from_slice(body).ok()?;
        let partial = response.partial_success?;
        let number = &partial.rejected_spans;
        let spans = number
            .as_u64()
            .or_else(|| number.as_str()?.parse().ok())
            .filter(|spans| *spans > 0)?;
        Some(Self {
            spans,
            message: partial.error_message.escape_debug().take(200).collect(),
        })
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<u64> {
        Rejected::read(body.as_bytes()).map(|rejected| rejected.spans)
    }

    #[test]
    fn answers_are_taken_as_they_come() {
        for (body, spans) in [
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#,
                Some(3),
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, Some(3)),
            (
                r#"{"partialSuccess":{"rejectedSpans":"0","errorMessage":"slow down"}}"#,
                None,
            ),
            (r#"{"partialSuccess":{"errorMessage":"slow down"}}"#, None),
            (r#"{"partialSuccess":{"rejectedSpans":-1}}"#, None),
            (r#"{"partialSuccess":{"rejectedSpans":[]}}"#, None),
            (r#"{"partialSuccess":{}}"#, None),
            (r#"{"partialSuccess":null}"#, None),
            (r#"{"partialSuccess":7}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
            ("\u{0}\u{1}", None),
        ] {
            assert_eq!(read(body), spans, "{body}");
        }
    }

    #[test]
    fn what_a_collector_says_drives_no_terminal() {
        let long = "\u{1b}[2J".to_owned() + &"x".repeat(1000);
        let body =
            serde_json::json!({"partialSuccess": {"rejectedSpans": 1, "errorMessage": long}});
        let rejected = Rejected::read(body.to_string().as_bytes()).unwrap();
        assert!(
            rejected.message.starts_with("\\u{1b}[2J"),
            "{}",
            rejected.message
        );
        assert_eq!(rejected.message.chars().count(), 200);
    }
}
