//! What the requests of one worker share, and the configuration as it sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use countersign_core::Snapshot;
use countersign_core::id::ListenerId;
use countersign_core::listener::IdentityHeaders;
use countersign_runtime::{Counter, Handle, Metrics, Running, Shard, Tracer};

use super::random::Random;
use super::recent::Recent;
use super::reign::Reign;
use super::tokens::Tokens;
use super::upstream::{Pools, Upstreams};
use crate::access_log::{Lines, Sink};

/// One worker's own things. Nothing in here is locked or shared with others but
/// the verified tokens, and of those each worker has its own copies of the few
/// that come again and again.
pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) shard: Arc<Shard>,
    pub(crate) lines: Rc<Lines>,
    /// Where requests are traced.
    pub(crate) tracer: Option<Tracer>,
    pub(crate) random: Random,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) pools: Pools,
    /// Requests whose copies are under way to mirrors.
    pub(crate) mirrored: Cell<usize>,
    pub(crate) copies: Copied,
    /// The label of what has no name: no listener, no route.
    pub(crate) nameless: Arc<str>,
    view: RefCell<Rc<View>>,
}

/// What became of copies to mirrors, by mirror.
pub(crate) struct Copied {
    pub(crate) sent: Counter,
    pub(crate) failed: Counter,
    /// Too many under way, or a body that is too large to keep.
    pub(crate) skipped: Counter,
}

impl Copied {
    fn new(metrics: &Metrics) -> Copied {
        let counter = |result| {
            let help = "Copies of requests for mirrors, by result.";
            metrics.counter("countersign_mirror_total", result, help)
        };
        Copied {
            sent: counter("sent"),
            failed: counter("failed"),
            skipped: counter("skipped"),
        }
    }
}

/// The running configuration, held so that a request costs no shared count.
pub(crate) struct View {
    pub(crate) running: Arc<Running>,
    /// Of no use under other keys, and gone with them.
    pub(crate) recent: Recent,
    /// What the worker made of this load; the same for all its key rotations.
    pub(crate) plan: Rc<Plan>,
}

/// What is worked out once for each load of the configuration.
pub(crate) struct Plan {
    pub(crate) upstreams: Upstreams,
    /// By listener, for those who outlive the view.
    identities: Box<[Rc<IdentityHeaders>]>,
    pub(crate) reign: Rc<Reign>,
}

impl Context {
    pub(crate) fn new(
        handle: Handle,
        shard: Arc<Shard>,
        tokens: Arc<Tokens>,
        sink: Sink,
        tracer: Option<Tracer>,
    ) -> Context {
        let (pools, random) = (Pools::default(), Random::new());
        let running = handle.current();
        let copies = Copied::new(handle.metrics());
        let plan = Rc::new(Plan::new(&running.compiled.snapshot, &pools, &random));
        Context {
            handle,
            shard,
            lines: Lines::new(sink),
            tracer,
            random,
            tokens,
            pools,
            mirrored: Cell::new(0),
            copies,
            nameless: Arc::from(""),
            view: RefCell::new(Rc::new(View::new(running, plan))),
        }
    }

    /// The configuration now: one atomic load unless it has changed.
    pub(crate) fn view(&self) -> Rc<View> {
        let known = self.view.borrow();
        if known.running.version == self.handle.version() {
            return known.clone();
        }
        drop(known);
        self.renew()
    }

    #[cold]
    fn renew(&self) -> Rc<View> {
        let running = self.handle.current();
        let mut view = self.view.borrow_mut();
        let plan = if running.load == view.running.load {
            view.plan.clone()
        } else {
            view.plan.reign.end();
            Rc::new(Plan::new(
                &running.compiled.snapshot,
                &self.pools,
                &self.random,
            ))
        };
        view.recent.clear();
        *view = Rc::new(View::new(running, plan));
        view.clone()
    }
}

impl View {
    fn new(running: Arc<Running>, plan: Rc<Plan>) -> View {
        let recent = Recent::new(running.compiled.token_cache.bytes > 0);
        View {
            running,
            recent,
            plan,
        }
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.running.compiled.snapshot
    }
}

impl Plan {
    fn new(snapshot: &Snapshot, pools: &Pools, random: &Random) -> Plan {
        let identities = snapshot
            .listeners
            .iter()
            .map(|it| Rc::new(it.identity.clone()));
        Plan {
            upstreams: pools.upstreams(&snapshot.backends, random.word()),
            identities: identities.collect(),
            reign: Rc::default(),
        }
    }

    /// The headers that only the gateway may set on a listener's requests.
    pub(crate) fn identity(&self, listener: ListenerId) -> Rc<IdentityHeaders> {
        let index = usize::try_from(listener.0).unwrap_or(usize::MAX);
        self.identities.get(index).cloned().unwrap_or_default()
    }
}
