//! The record of one exchange, from the head of the request to the end of the
//! answer. Dropping it counts the request and writes its line to the log.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_config::compiled::{AccessLog, SocketSettings};
use countersign_core::authn::Accepted;
use countersign_core::authz::Remarks;
use countersign_core::id::{BackendId, ListenerId, ProviderId, RuleId};
use countersign_core::listener::Listener;
use countersign_core::origin::Origin;
use countersign_core::route::RouteRule;
use countersign_core::{Denial, Prepared, Reason};
use countersign_jose::{Claims, Verified};
use countersign_runtime::traces::TRACEPARENT;
use countersign_runtime::{Labels, Verdict};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use tokio::time::Instant;

use super::context::{Context, View};
use super::cut::Cut;
use super::decision;
use super::progress::{Fault, Progress};
use super::trace::{End, Trace};
use crate::access_log::Entry;
use crate::connection::Connection;

/// See the module.
pub(crate) struct Exchange {
    pub(crate) context: Rc<Context>,
    pub(crate) view: Rc<View>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) start: Instant,
    pub(crate) asker: Asker,
    time: SystemTime,
    target: Option<PathAndQuery>,
    listener: Option<ListenerId>,
    rule: Option<RuleId>,
    backend: Option<BackendId>,
    client: IpAddr,
    caller: Option<(ProviderId, Verified<Claims>)>,
    upstream: Option<Rc<str>>,
    sending: Option<Instant>,
    waited: Option<Duration>,
    /// The body of the request, where it has one.
    upload: Option<Rc<Progress>>,
    outcome: Outcome,
    ids: Ids,
    trace: Option<Box<Trace>>,
    /// Bytes of the answer's body, or through a tunnel to the client.
    sent: Cell<u64>,
    /// Bytes through a tunnel from the client.
    received: Cell<u64>,
}

/// What the form of an answer depends on.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// Refusals are trailers-only answers of gRPC.
    pub(crate) grpc: bool,
}

/// How it went, as far as it is known.
#[derive(Debug, Default)]
struct Outcome {
    status: Option<StatusCode>,
    reason: Option<Reason>,
    rule: Option<Arc<Origin>>,
    detail: Box<str>,
    remarks: Remarks,
    cut: Option<Cut>,
    complete: bool,
}

/// Ids that the log repeats.
#[derive(Debug, Default)]
struct Ids {
    request: Option<HeaderValue>,
    trace: Option<HeaderValue>,
    /// Of the decision, where the client is told it.
    decision: Option<HeaderValue>,
}

impl Exchange {
    pub(crate) fn begin<B>(
        context: Rc<Context>,
        view: Rc<View>,
        connection: Rc<Connection>,
        request: &Request<B>,
    ) -> Box<Exchange> {
        let grpc = |it: &HeaderValue| it.as_bytes().starts_with(b"application/grpc");
        let asker = Asker {
            method: request.method().clone(),
            version: request.version(),
            grpc: request.headers().get(CONTENT_TYPE).is_some_and(grpc),
        };
        let trace = Trace::begin(&context, connection.tls.is_some(), request.headers());
        let ids = Ids {
            request: None,
            trace: trace.as_ref().map(|trace| trace.parent()),
            decision: None,
        };
        Box::new(Exchange {
            context,
            view,
            start: Instant::now(),
            asker,
            time: SystemTime::now(),
            target: request.uri().path_and_query().cloned(),
            listener: None,
            rule: None,
            backend: None,
            client: connection.peer.ip(),
            connection,
            caller: None,
            upstream: None,
            sending: None,
            waited: None,
            upload: None,
            outcome: Outcome::default(),
            ids,
            trace,
            sent: Cell::new(0),
            received: Cell::new(0),
        })
    }

    /// It is refused before it is known for which host it comes.
    pub(crate) fn unread(&mut self) {
        self.listener = self.connection.widest(&self.view.running);
    }

    /// The request was cleaned and its listener found.
    pub(crate) fn prepared(&mut self, prepared: &Prepared, target: Option<&PathAndQuery>) {
        self.listener = Some(prepared.listener);
        self.client = prepared.client;
        if let Some(trace) = &mut self.trace {
            trace.prepared(prepared);
        }
        if self.target.as_ref() != target {
            self.target = target.cloned();
        }
    }

    /// The decision fell for it.
    pub(crate) fn granted(&mut self, rule: &RouteRule, accepted: &[Accepted]) {
        self.rule = rule_id(&self.view.snapshot().rules, rule);
        self.caller = accepted.first().map(|it| (it.provider, it.claims.clone()));
    }

    /// The route that a refused request had found.
    pub(crate) fn routed(&mut self, rule: Option<RuleId>) {
        self.rule = rule;
    }

    /// Ids of the request, told to the backend as well.
    pub(crate) fn identified(&mut self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.inject(headers);
        }
        self.ids.request = headers.get(&REQUEST_ID).cloned();
        self.ids.trace = headers.get(&TRACEPARENT).cloned();
    }

    /// A backend was chosen.
    pub(crate) fn chose(&mut self, backend: BackendId) {
        self.backend = Some(backend);
    }

    /// A body goes along.
    pub(crate) fn uploads(&mut self, progress: Option<Rc<Progress>>) {
        self.upload = progress;
    }

    /// An endpoint is sent the request now.
    pub(crate) fn sends(&mut self, endpoint: &Rc<str>) {
        self.upstream = Some(endpoint.clone());
        self.sending.get_or_insert_with(Instant::now);
    }

    /// The client will get this status for this reason.
    pub(crate) fn answers(&mut self, status: StatusCode, reason: Reason) {
        if reason == Reason::Ok {
            self.waited = self.sending.map(|at| at.elapsed());
        }
        self.outcome.status = Some(status);
        self.outcome.reason = Some(reason);
    }

    /// Why the client is refused.
    pub(crate) fn refused(&mut self, denial: &Denial) {
        self.outcome.rule.clone_from(&denial.origin);
        self.outcome.detail.clone_from(&denial.detail);
    }

    /// What policies said that do not decide.
    pub(crate) fn remarked(&mut self, remarks: Remarks) {
        self.outcome.remarks = remarks;
    }

    /// Tells the client which decision fell, where its listener says so. What a backend says in that header goes.
    pub(crate) fn tell(&mut self, headers: &mut HeaderMap) {
        let debug = self.settings().and_then(|it| it.debug_header.clone());
        let Some(debug) =
            debug.filter(|it| self.listener.is_some_and(|id| it.listeners.contains(&id)))
        else {
            return;
        };
        let id = self.context.random.request_id();
        let (reason, rule) = (self.outcome.reason.as_ref(), self.outcome.rule.as_deref());
        headers.insert(
            &debug.name,
            decision::header(&id, debug.detail, reason, rule),
        );
        self.ids.decision = Some(id);
    }

    /// The answer was sent to its end.
    pub(crate) fn complete(&mut self) {
        self.outcome.complete = true;
    }

    /// The answer will not come to its end.
    pub(crate) fn cut(&mut self, cut: Cut, reason: Option<Reason>) {
        self.outcome.cut = Some(cut);
        if let Some(reason) = reason {
            self.outcome.reason = Some(reason);
        }
    }

    /// Bytes went to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.sent, bytes);
    }

    /// Bytes came from the client through a tunnel.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received, bytes);
    }

    /// What is wrong with the request's body.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.upload.as_ref().and_then(|upload| upload.fault())
    }

    /// The listener that answers.
    pub(crate) fn listener(&self) -> Option<(ListenerId, &Listener)> {
        let id = self.listener?;
        Some((id, self.view.snapshot().listener(id)?))
    }

    /// What holds on the socket that it came in by.
    pub(crate) fn settings(&self) -> Option<&SocketSettings> {
        self.connection.settings(&self.view.running)
    }

    fn log(&self, status: u16, reason: &Reason, took: Duration) {
        let form = self
            .settings()
            .map_or(AccessLog::Text, |settings| settings.access_log);
        let trace = self.trace.as_ref().filter(|trace| trace.is_kept());
        if form == AccessLog::Off && trace.is_none() {
            return;
        }
        let snapshot = self.view.snapshot();
        let backend = self.backend.and_then(|id| snapshot.backend(id));
        let received = self.upload.as_ref().map_or(0, |upload| upload.received());
        let request = self.ids.request.as_ref().and_then(|id| id.to_str().ok());
        let caller = self.caller.as_ref();
        let entry = Entry {
            time: self.time,
            listener: self.listener().map_or("", |(_, listener)| &listener.name),
            route: self.rule().map_or("", |rule| &rule.name),
            method: self.asker.method.as_str(),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            status,
            reason: reason.code(),
            cut: self.outcome.cut.map(Cut::code),
            rule: self.outcome.rule.as_deref(),
            detail: &self.outcome.detail,
            remarks: &self.outcome.remarks,
            provider: caller
                .and_then(|(id, _)| snapshot.provider(*id))
                .map(|it| &*it.name),
            subject: caller.and_then(|(_, claims)| claims.subject()),
            client: self.client,
            sni: None,
            backend: backend.map(|it| &*it.name),
            upstream: self.upstream.as_deref(),
            took,
            waited: self.waited,
            received: received.saturating_add(self.received.get()),
            sent: self.sent.get(),
            protocol: protocol(self.asker.version),
            request,
            trace: self.ids.trace.as_ref().and_then(trace_id),
            decision: self.ids.decision.as_ref().and_then(|id| id.to_str().ok()),
        };
        self.context.lines.push(form, &entry);
        if let (Some(trace), Some(tracer)) = (trace, &self.context.tracer) {
            let end = End {
                entry: &entry,
                reason,
                status: self.outcome.status,
                asked: self.sending.map(|at| at.duration_since(self.start)),
            };
            trace.record(tracer, &end);
        }
    }

    /// Counts what policies said.
    fn judge(&self, reason: &Reason) {
        let Outcome { rule, remarks, .. } = &self.outcome;
        if let (Some(rule), Some(verdict)) = (rule, Verdict::of_denial(reason)) {
            self.context.shard.judge(rule, verdict);
        }
        for it in remarks {
            let verdict = Verdict::of_remark(it.outcome);
            self.context.shard.judge(&it.origin, verdict);
        }
    }

    fn rule(&self) -> Option<&RouteRule> {
        self.view.snapshot().rule(self.rule?)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.outcome.complete && self.outcome.cut.is_none() {
            self.outcome.cut = Some(Cut::Client);
        }
        let gone = Reason::ClientGone;
        let status = self.outcome.status.unwrap_or(gone.status()).as_u16();
        let reason = self.outcome.reason.as_ref().unwrap_or(&gone);
        let took = self.start.elapsed();
        let nameless = &self.context.nameless;
        let labels = Labels {
            listener: self
                .listener()
                .map_or(nameless, |(_, listener)| &listener.name),
            route: self.rule().map_or(nameless, |rule| &rule.name),
            status,
            reason: reason.code(),
        };
        self.context.shard.count(&labels, took);
        self.judge(reason);
        self.log(status, reason, took);
    }
}

/// Where a rule stands among the rules, which is what it is known by: cloning
/// its name would have all workers write to one counter.
fn rule_id(rules: &[RouteRule], rule: &RouteRule) -> Option<RuleId> {
    let offset = std::ptr::from_ref(rule)
        .addr()
        .checked_sub(rules.as_ptr().addr())?;
    let index = offset / size_of::<RouteRule>();
    let found = rules.get(index).is_some_and(|it| std::ptr::eq(it, rule));
    found.then_some(RuleId(u32::try_from(index).ok()?))
}

fn add(count: &Cell<u64>, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    count.set(count.get().saturating_add(bytes));
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// The trace id of a `traceparent` (W3C Trace Context section 3.2.2).
fn trace_id(value: &HeaderValue) -> Option<&str> {
    let id = value.to_str().ok()?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Names a request across services.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
