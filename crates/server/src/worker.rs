//! A worker: everything that serves requests on one core, shared with no other
//! but for the tokens that were verified.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::Denial;
use countersign_runtime::{Handle, Shard, Tracer};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::spawn_local;

use crate::access_log::{Lines, Sink};
use crate::connection::Connection;
use crate::edge::handler::Handler;
use crate::edge::wire::Wire;
use crate::proxy::{self, Body, Context, Tokens};

/// What serves the requests of one core. Stays on its thread.
pub(crate) struct Worker {
    context: Rc<Context>,
}

impl Worker {
    /// Makes a worker and starts what it does between requests: it follows
    /// reloads, closes unused backend connections and sends its log lines on.
    /// All of that ends with the worker.
    ///
    /// # Panics
    /// Outside of a `LocalSet` of tokio's.
    pub(crate) fn start(
        handle: Handle,
        shard: Arc<Shard>,
        tokens: Arc<Tokens>,
        sink: Sink,
        tracer: Option<Tracer>,
    ) -> Rc<Worker> {
        let context = Rc::new(Context::new(handle, shard, tokens, sink, tracer));
        spawn_local(Lines::run(Rc::downgrade(&context.lines)));
        spawn_local(keep(Rc::downgrade(&context)));
        Rc::new(Worker { context })
    }
}

impl Handler for Worker {
    type Body = Body;

    fn handle(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> {
        proxy::serve(self.context.clone(), connection, request)
    }

    fn stream(self: Rc<Self>, connection: Rc<Connection>, wire: Wire) -> impl Future<Output = ()> {
        proxy::pass(self.context.clone(), connection, wire)
    }

    fn refuse(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: &Request<Incoming>,
        denial: Denial,
    ) -> Response<Body> {
        proxy::refuse(self.context.clone(), connection, request, &denial)
    }
}

/// Notices a new configuration even where no request comes, so that streams
/// begun under the old one end in time.
async fn keep(context: Weak<Context>) {
    let Some(mut versions) = context.upgrade().map(|it| it.handle.subscribe()) else {
        return;
    };
    loop {
        let changed = tokio::time::timeout(SWEEP, versions.changed()).await;
        let Some(context) = context.upgrade() else {
            return;
        };
        match changed {
            Ok(Ok(())) => drop(context.view()),
            Ok(Err(_handle_gone)) => return,
            Err(_elapsed) => context.pools.sweep(),
        }
    }
}

const SWEEP: Duration = Duration::from_secs(5);
