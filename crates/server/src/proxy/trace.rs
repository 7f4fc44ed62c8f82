//! An exchange's place in a trace, and what is put on record of it at its end.

use std::time::Duration;

use countersign_core::{Prepared, Reason};
use countersign_runtime::Tracer;
use countersign_runtime::traces::{self, Attempt, Call};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::context::Context;
use crate::access_log::Entry;

/// A trace that an exchange belongs to. There is none where traces are off, and none where the caller's is not kept.
pub(crate) struct Trace {
    place: traces::Context,
    scheme: &'static str,
    host: Option<Authority>,
}

/// What the log's entry does not tell apart.
pub(crate) struct End<'a> {
    pub(crate) entry: &'a Entry<'a>,
    pub(crate) reason: &'a Reason,
    /// What the client got, if it waited for it.
    pub(crate) status: Option<StatusCode>,
    /// When a backend was asked, from the start.
    pub(crate) asked: Option<Duration>,
}

impl Trace {
    /// Looks for it in the head of a request.
    pub(crate) fn begin(context: &Context, tls: bool, headers: &HeaderMap) -> Option<Box<Trace>> {
        let tracer = context.tracer.as_ref()?;
        let place = tracer.begin(headers, || context.random.long())?;
        Some(Box::new(Trace {
            place,
            scheme: if tls { "https" } else { "http" },
            host: None,
        }))
    }

    /// The request was cleaned.
    pub(crate) fn prepared(&mut self, prepared: &Prepared) {
        self.scheme = prepared.scheme;
        self.host = prepared.authority.parse().ok();
    }

    /// The `traceparent` that names it.
    pub(crate) fn parent(&self) -> HeaderValue {
        self.place.outgoing().clone()
    }

    /// Tells the backend of it.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        self.place.inject(headers);
    }

    /// Whether anything is put on record.
    pub(crate) fn is_kept(&self) -> bool {
        self.place.is_sampled()
    }

    pub(crate) fn record(&self, tracer: &Tracer, end: &End<'_>) {
        let entry = end.entry;
        // Refusals of gRPC have status 200.
        let failed = entry.status >= 500 || end.reason.status().is_server_error();
        tracer.record(&Call {
            context: &self.place,
            start: entry.time,
            took: entry.took,
            method: entry.method,
            path: entry.path,
            scheme: self.scheme,
            host: self.host.as_ref().map(host),
            version: entry.protocol.trim_start_matches("HTTP/"),
            client: entry.client,
            listener: entry.listener,
            route: entry.route,
            status: end.status.map(|status| status.as_u16()),
            reason: entry.reason,
            failed,
            cut: entry.cut,
            rule: entry.rule,
            provider: entry.provider,
            attempt: attempt(end),
        });
    }
}

fn attempt<'a>(end: &End<'a>) -> Option<Attempt<'a>> {
    let (entry, after) = (end.entry, end.asked?);
    // Only the head of an answer ends the wait for one.
    let answered = entry.waited.and(end.status);
    Some(Attempt {
        endpoint: entry.upstream?,
        backend: entry.backend,
        after,
        took: entry.waited.unwrap_or(entry.took.saturating_sub(after)),
        status: answered.map(|status| status.as_u16()),
    })
}

/// Without the brackets of IPv6.
fn host(authority: &Authority) -> (&str, Option<u16>) {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    (bare.unwrap_or(host), authority.port_u16())
}
