//! A request as spans, in OTLP's JSON encoding, by OpenTelemetry's semantic conventions for HTTP.
//!
//! Never a token, and nothing of what one says but whose it is to judge: no query, no header, no subject. The spans
//! of attempts therefore lack `url.full`, which the conventions ask for.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::origin::Origin;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::attributes::{Attributes, Value};
use super::context::{Context, SpanId, TraceId};

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its place in its trace.
    pub context: &'a Context,
    /// When it came.
    pub start: SystemTime,
    /// How long it took, to the end of the answer.
    pub took: Duration,
    /// Its method.
    pub method: &'a str,
    /// Its path, without the query.
    pub path: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host that it was sent to, if that is known, and the port.
    pub host: Option<(&'a str, Option<u16>)>,
    /// `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// Who asks.
    pub client: IpAddr,
    /// `namespace/gateway/listener`; empty where none answered.
    pub listener: &'a str,
    /// `namespace/route/rule`; empty where none was found.
    pub route: &'a str,
    /// What the client got, unless it left before.
    pub status: Option<u16>,
    /// Code of the reason.
    pub reason: &'static str,
    /// Whether it failed for no fault of the client's.
    pub failed: bool,
    /// What kept the exchange from its end, if something did.
    pub cut: Option<&'static str>,
    /// The rule that refused it.
    pub rule: Option<&'a Origin>,
    /// Whose token it brought.
    pub provider: Option<&'a str>,
    /// What was asked of a backend, if something was.
    pub attempt: Option<Attempt<'a>>,
}

/// An endpoint that was asked.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// `host:port`.
    pub endpoint: &'a str,
    /// Name of the backend that it belongs to.
    pub backend: Option<&'a str>,
    /// From the start of the request.
    pub after: Duration,
    /// To the head of the answer, or until there was none.
    pub took: Duration,
    /// What it answered.
    pub status: Option<u16>,
}

/// The spans of one request, encoded.
#[derive(Debug)]
pub(super) struct Spans {
    server: Box<RawValue>,
    client: Option<Box<RawValue>>,
}

impl Spans {
    /// `None` only if JSON cannot be written, which does not happen.
    pub(super) fn of(call: &Call<'_>) -> Option<Self> {
        let client = call.attempt.map(|attempt| client(call, &attempt));
        Some(Self {
            server: to_raw_value(&server(call)).ok()?,
            client: client.map(|span| to_raw_value(&span)).transpose().ok()?,
        })
    }

    pub(super) fn count(&self) -> u64 {
        1 + u64::from(self.client.is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RawValue> {
        std::iter::once(&*self.server).chain(self.client.as_deref())
    }
}

/// `Span` of `opentelemetry/proto/trace/v1/trace.proto`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(serialize_with = "shown")]
    trace_id: TraceId,
    #[serde(serialize_with = "shown")]
    span_id: SpanId,
    #[serde(serialize_with = "shown_some", skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    flags: u32,
    name: String,
    kind: u8,
    /// A string: so says protobuf of numbers of 64 bits in JSON.
    #[serde(serialize_with = "shown")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "shown")]
    end_time_unix_nano: u64,
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

const KIND_SERVER: u8 = 2;
const KIND_CLIENT: u8 = 3;
const STATUS_ERROR: Status = Status { code: 2 };
/// `SpanFlags`: whether the parent is somebody else's is known.
const IS_REMOTE_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

fn server<'a>(call: &Call<'a>) -> Span<'a> {
    let context = call.context;
    let remote = context.parent.map_or(0, |_| IS_REMOTE);
    Span {
        trace_id: context.trace,
        span_id: context.server,
        parent_span_id: context.parent,
        flags: u32::from(context.flags) | IS_REMOTE_KNOWN | remote,
        name: name(call),
        kind: KIND_SERVER,
        start_time_unix_nano: nanos(call.start),
        end_time_unix_nano: nanos(call.start).saturating_add(length(call.took)),
        attributes: server_attributes(call),
        status: call.failed.then_some(STATUS_ERROR),
    }
}

fn server_attributes<'a>(call: &Call<'a>) -> Attributes<'a> {
    let mut all = with_method(call.method);
    all.text("url.scheme", call.scheme);
    all.text("url.path", call.path);
    if let Some((host, port)) = call.host {
        all.text("server.address", host);
        let usual = if call.scheme == "https" { 443 } else { 80 };
        all.number("server.port", port.unwrap_or(usual));
    }
    all.some("http.route", call.route);
    if let Some(status) = call.status {
        all.number("http.response.status_code", status);
    }
    all.push("client.address", Value::Address(call.client));
    all.text("network.protocol.version", call.version);
    if call.failed {
        all.push("error.type", failure(call.status, call.reason));
    }
    all.some("countersign.listener", call.listener);
    all.text("countersign.reason", call.reason);
    all.some("countersign.cut", call.cut.unwrap_or_default());
    if let Some(rule) = call.rule {
        all.push("countersign.rule", Value::Rule(rule));
    }
    all.some("countersign.provider", call.provider.unwrap_or_default());
    all
}

fn client<'a>(call: &Call<'a>, attempt: &Attempt<'a>) -> Span<'a> {
    let context = call.context;
    let start = nanos(call.start).saturating_add(length(attempt.after));
    // Other than a server, a client fails by what it did wrong itself.
    let failed = attempt.status.is_none_or(|status| status >= 400);
    let mut all = with_method(call.method);
    let (host, port) = attempt.endpoint.rsplit_once(':').unwrap_or_default();
    all.text("server.address", host);
    all.number("server.port", port.parse().unwrap_or_default());
    if let Some(status) = attempt.status {
        all.number("http.response.status_code", status);
    }
    if failed {
        let reason = attempt.status.map_or(call.reason, |_| OK);
        all.push("error.type", failure(attempt.status, reason));
    }
    all.some("countersign.backend", attempt.backend.unwrap_or_default());
    Span {
        trace_id: context.trace,
        span_id: context.client,
        parent_span_id: Some(context.server),
        flags: u32::from(context.flags) | IS_REMOTE_KNOWN,
        name: known(call.method).unwrap_or(UNKNOWN).to_owned(),
        kind: KIND_CLIENT,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(length(attempt.took)),
        attributes: all,
        status: failed.then_some(STATUS_ERROR),
    }
}

/// The attributes that every span begins with.
fn with_method(method: &str) -> Attributes<'_> {
    let mut all = Attributes::new();
    match known(method) {
        Some(method) => all.text("http.request.method", method),
        None => {
            all.text("http.request.method", "_OTHER");
            all.text("http.request.method_original", method);
        }
    }
    all
}

/// The reason of ours, or the status where the backend has answered by itself.
fn failure<'a>(status: Option<u16>, reason: &'static str) -> Value<'a> {
    match status {
        Some(status) if reason == OK => Value::Made(status.to_string()),
        _ => Value::Text(reason),
    }
}

/// `{method} {route}`; what a caller makes up does not become a name.
fn name(call: &Call<'_>) -> String {
    let method = known(call.method).unwrap_or(UNKNOWN);
    if call.route.is_empty() {
        method.to_owned()
    } else {
        format!("{method} {}", call.route)
    }
}

/// A method that the conventions count among those known.
fn known(method: &str) -> Option<&str> {
    METHODS.contains(&method).then_some(method)
}

const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];
/// What the conventions call a span of any other.
const UNKNOWN: &str = "HTTP";
/// Code of the reason for a backend's own answer.
const OK: &str = "ok";

fn nanos(time: SystemTime) -> u64 {
    length(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn length(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn shown<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn shown_some<S: Serializer>(value: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
