//! The record of one connection that is passed on unread. Dropping it counts
//! the connection and writes its line to the log.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::SystemTime;

use countersign_config::compiled::{AccessLog, Timeouts};
use countersign_core::authz::Remarks;
use countersign_core::backend::Backend;
use countersign_core::id::{BackendId, ListenerId, RuleId};
use countersign_core::{Denial, Reason};
use countersign_runtime::Verdict;
use tokio::time::Instant;

use super::context::{Context, View};
use super::cut::Cut;
use super::reign::Reign;
use crate::access_log::Entry;
use crate::connection::Connection;

/// See the module.
pub(crate) struct Passage {
    context: Rc<Context>,
    connection: Rc<Connection>,
    start: Instant,
    time: SystemTime,
    /// Moves on with reloads, lest a connection that lives long keeps the
    /// configuration that it began under.
    place: RefCell<Place>,
    upstream: Option<Rc<str>>,
    denial: Option<Denial>,
    remarks: Remarks,
    /// How it ended; the client left, unless something else is known.
    ended: Result<(), Cut>,
    client_broke: Cell<bool>,
    sent: Cell<u64>,
    received: Cell<u64>,
}

/// Where a connection belongs in one configuration.
pub(crate) struct Place {
    pub(crate) view: Rc<View>,
    pub(crate) listener: Option<ListenerId>,
    pub(crate) rule: Option<RuleId>,
    pub(crate) backend: Option<BackendId>,
}

impl Passage {
    pub(crate) fn begin(
        context: Rc<Context>,
        view: Rc<View>,
        connection: Rc<Connection>,
    ) -> Passage {
        Passage {
            context,
            connection,
            start: Instant::now(),
            time: SystemTime::now(),
            place: RefCell::new(Place {
                view,
                listener: None,
                rule: None,
                backend: None,
            }),
            upstream: None,
            denial: None,
            remarks: Remarks::new(),
            ended: Err(Cut::Client),
            client_broke: Cell::new(false),
            sent: Cell::new(0),
            received: Cell::new(0),
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// A number that chooses one of several backends.
    pub(crate) fn random(&self) -> u32 {
        self.context.random.word()
    }

    /// Bounds of the socket that it came in by.
    pub(crate) fn timeouts(&self) -> Option<Timeouts> {
        let view = self.place.borrow().view.clone();
        let settings = self.connection.settings(&view.running)?;
        Some(settings.timeouts)
    }

    /// How long the configuration is in force that it belongs to.
    pub(crate) fn reign(&self) -> Rc<Reign> {
        self.place.borrow().view.plan.reign.clone()
    }

    /// It goes on under another configuration.
    pub(crate) fn moves(&self, place: Place) {
        *self.place.borrow_mut() = place;
    }

    /// Its listener is known.
    pub(crate) fn at(&mut self, listener: ListenerId) {
        self.place.get_mut().listener = Some(listener);
    }

    /// What policies said that do not decide.
    pub(crate) fn remarked(&mut self, remarks: Remarks) {
        self.remarks = remarks;
    }

    /// The rule that it goes by.
    pub(crate) fn routed(&mut self, rule: RuleId) {
        self.place.get_mut().rule = Some(rule);
    }

    /// A backend was chosen.
    pub(crate) fn chose(&mut self, backend: BackendId) {
        self.place.get_mut().backend = Some(backend);
    }

    /// An endpoint of it has accepted.
    pub(crate) fn reached(&mut self, endpoint: &Rc<str>) {
        self.upstream = Some(endpoint.clone());
    }

    /// It goes nowhere.
    pub(crate) fn refused(&mut self, denial: Denial) {
        let rule = &mut self.place.get_mut().rule;
        *rule = rule.or(denial.route);
        self.denial = Some(denial);
        self.ended = Ok(());
    }

    /// It went on until then.
    pub(crate) fn ended(&mut self, how: Result<(), Cut>) {
        self.ended = how;
    }

    /// Bytes went to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.sent, bytes);
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received, bytes);
    }

    /// The client's side failed.
    pub(crate) fn client_broke(&self) {
        self.client_broke.set(true);
    }

    /// Whose side failed, once one has.
    pub(crate) fn broken(&self) -> Cut {
        if self.client_broke.get() {
            Cut::Client
        } else {
            Cut::Upstream
        }
    }

    /// Whether it goes to an endpoint of this backend.
    pub(crate) fn goes_to(&self, backend: &Backend) -> bool {
        let place = self.place.borrow();
        let ours = place
            .backend
            .and_then(|id| place.view.snapshot().backend(id));
        let endpoint = |host: &str, port: u16| format!("{host}:{port}");
        let mut endpoints = backend.endpoints.iter();
        ours.is_some_and(|it| it.name == backend.name && it.tls == backend.tls)
            && endpoints.any(|it| Some(&*endpoint(&it.host, it.port)) == self.upstream.as_deref())
    }

    fn reason(&self) -> &Reason {
        match (&self.denial, self.ended) {
            (Some(denial), _) => &denial.reason,
            (None, Err(Cut::Upstream)) => &Reason::UpstreamReset,
            (None, _) => &Reason::Ok,
        }
    }

    /// Counts what policies said.
    fn judge(&self) {
        let denial = self.denial.as_ref();
        let rule = denial.and_then(|it| it.origin.as_ref());
        if let (Some(rule), Some(verdict)) = (rule, Verdict::of_denial(self.reason())) {
            self.context.shard.judge(rule, verdict);
        }
        for it in &self.remarks {
            let verdict = Verdict::of_remark(it.outcome);
            self.context.shard.judge(&it.origin, verdict);
        }
    }

    fn log(&self) {
        let place = self.place.borrow();
        let settings = self.connection.settings(&place.view.running);
        let form = settings.map_or(AccessLog::Text, |it| it.access_log);
        let snapshot = place.view.snapshot();
        let listener = place.listener.and_then(|id| snapshot.listener(id));
        let rule = place.rule.and_then(|id| snapshot.rule(id));
        let backend = place.backend.and_then(|id| snapshot.backend(id));
        let tls = self.connection.tls.is_some() || self.connection.passes();
        let entry = Entry {
            time: self.time,
            listener: listener.map_or("", |it| &it.name),
            route: rule.map_or("", |it| &it.name),
            method: "",
            path: "",
            status: 0,
            reason: self.reason().code(),
            cut: self.ended.err().map(Cut::code),
            rule: self.denial.as_ref().and_then(|it| it.origin.as_deref()),
            detail: self.denial.as_ref().map_or("", |it| &it.detail),
            remarks: &self.remarks,
            provider: None,
            subject: None,
            client: self.connection.peer.ip(),
            sni: self.connection.sni.as_deref(),
            backend: backend.map(|it| &*it.name),
            upstream: self.upstream.as_deref(),
            took: self.start.elapsed(),
            waited: None,
            received: self.received.get(),
            sent: self.sent.get(),
            protocol: if tls { "TLS" } else { "TCP" },
            request: None,
            trace: None,
            decision: None,
        };
        self.context.lines.push(form, &entry);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let place = self.place.borrow();
        let snapshot = place.view.snapshot();
        let nameless = &self.context.nameless;
        let listener = place.listener.and_then(|id| snapshot.listener(id));
        let rule = place.rule.and_then(|id| snapshot.rule(id));
        self.context.shard.stream(
            listener.map_or(nameless, |it| &it.name),
            rule.map_or(nameless, |it| &it.name),
            self.reason().code(),
        );
        self.judge();
        self.log();
    }
}

fn add(count: &Cell<u64>, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    count.set(count.get().saturating_add(bytes));
}
