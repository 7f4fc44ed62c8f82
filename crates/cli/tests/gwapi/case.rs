//! The format of `gwapi/cases.jsonl`. A field that nobody knows here is an error: what it asks would go unchecked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::dial::Dial;

/// One test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) test: String,
    /// Manifests, `manifests/base.yaml` first.
    pub(crate) yaml_file: Vec<String>,
    /// The requests, in order.
    pub(crate) requests: Vec<Step>,
    /// Looked at before a test is read.
    #[serde(rename = "features")]
    _features: IgnoredAny,
    #[serde(rename = "description")]
    _description: IgnoredAny,
    #[serde(rename = "profile")]
    _profile: IgnoredAny,
    #[serde(rename = "go_file")]
    _source: IgnoredAny,
    /// Status conditions are written by a controller; a gateway that reads files has none to write to.
    #[serde(rename = "conditions", default)]
    _conditions: Option<IgnoredAny>,
    #[serde(rename = "routes", default)]
    _routes: Option<IgnoredAny>,
}

/// One request and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Where it stands in the original suite.
    pub(crate) id: String,
    /// What it is about.
    pub(crate) name: Option<String>,
    /// `namespace/name` of the Gateway.
    pub(crate) gateway: String,
    /// How often it is sent.
    pub(crate) repeat: Option<usize>,
    /// An HTTP request, unless `grpc` is there.
    pub(crate) request: Option<Request>,
    /// A call.
    pub(crate) grpc: Option<Grpc>,
    /// What must come of it.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// What the format has no words for.
    #[serde(skip)]
    pub(crate) dial: Option<Dial>,
}

/// An HTTP request.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    #[serde(default = "get")]
    pub(crate) method: String,
    /// The `Host`; the Gateway's address where absent.
    pub(crate) host: Option<String>,
    /// Path and query.
    #[serde(default = "root")]
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<String>,
    /// `h2c-prior-knowledge`, or a WebSocket.
    pub(crate) protocol: Option<String>,
    pub(crate) scheme: Option<String>,
    pub(crate) sni: Option<String>,
    pub(crate) follow_redirects: Option<bool>,
    /// What the backend shall add to its response.
    #[serde(default)]
    pub(crate) backend_set_response_headers: BTreeMap<String, String>,
}

/// What must come of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Any of these; `[200]` where empty.
    #[serde(default)]
    pub(crate) status: Vec<u16>,
    pub(crate) backend: Option<String>,
    pub(crate) backend_namespace: Option<String>,
    /// What the backend sees; the request itself where absent.
    pub(crate) forwarded: Option<Forwarded>,
    #[serde(default)]
    pub(crate) response: Response,
    pub(crate) redirect: Option<Redirect>,
    #[serde(default)]
    pub(crate) mirrored_to: Vec<Mirror>,
    /// Share of the requests by backend.
    pub(crate) distribution: Option<Value>,
    /// A header in which the backend must find its own name.
    pub(crate) forwarded_header_equals_backend: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forwarded {
    pub(crate) path: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) absent_headers: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Any of the values.
    #[serde(default)]
    pub(crate) valid_header_values: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) ignore_whitespace: bool,
    #[serde(default)]
    pub(crate) absent_headers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redirect {
    pub(crate) scheme: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) query: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Mirror {
    pub(crate) backend_ref: Workload,
    /// A number, or Go's way to write a pointer to one.
    pub(crate) percent: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// A call of the echo service, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Grpc {
    pub(crate) backend: Option<String>,
    pub(crate) namespace: Option<String>,
    echo_request: Option<Value>,
    echo_two_request: Option<Value>,
    echo_three_request: Option<Value>,
    #[serde(default)]
    pub(crate) request_metadata: Metadata,
    #[serde(default)]
    pub(crate) response: GrpcResponse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Metadata {
    pub(crate) authority: Option<String>,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct GrpcResponse {
    /// The name of the status code; `OK` where absent.
    pub(crate) code: Option<String>,
}

impl Step {
    /// Statuses that may come.
    pub(crate) fn statuses(&self) -> &[u16] {
        match self.expect.status.as_slice() {
            [] => &[200],
            some => some,
        }
    }

    /// The workload that must have answered, as far as it is said.
    pub(crate) fn backend(&self) -> Option<&str> {
        let called = self.grpc.as_ref().and_then(|it| it.backend.as_deref());
        called.or(self.expect.backend.as_deref())
    }

    /// Its namespace.
    pub(crate) fn backend_namespace(&self) -> Option<&str> {
        let called = self.grpc.as_ref().and_then(|it| it.namespace.as_deref());
        called.or(self.expect.backend_namespace.as_deref())
    }
}

impl Grpc {
    /// The method that is called.
    pub(crate) fn method(&self) -> Result<&'static str, String> {
        let methods = [
            ("Echo", &self.echo_request),
            ("EchoTwo", &self.echo_two_request),
            ("EchoThree", &self.echo_three_request),
        ];
        let mut called = methods
            .into_iter()
            .filter_map(|(name, message)| Some((name, message.as_ref()?)));
        match (called.next(), called.next()) {
            (Some((name, message)), None) if *message == Value::Object(Default::default()) => {
                Ok(name)
            }
            (Some((name, message)), None) => Err(format!("{name} with a message: {message}")),
            _ => Err("not exactly one method is called".into()),
        }
    }
}

impl Mirror {
    /// The share of requests that are mirrored, in percent.
    pub(crate) fn share(&self) -> Result<Option<f64>, String> {
        let Some(percent) = &self.percent else {
            return Ok(None);
        };
        let digits = |text: &str| {
            let inner = text.rsplit('(').next()?;
            inner.trim_end_matches(')').parse::<f64>().ok()
        };
        let share = percent
            .as_f64()
            .or_else(|| digits(percent.get("$expr")?.as_str()?));
        share
            .map(Some)
            .ok_or_else(|| format!("a share of {percent}"))
    }
}

fn get() -> String {
    "GET".into()
}

fn root() -> String {
    "/".into()
}
