//! Backends as one worker reaches them.
//!
//! Nothing here is shared between workers. [`Pools`] keeps connections across
//! reloads; [`Upstreams`] is what one configuration makes of them;
//! [`Upstream::ready`] and
//! [`Upstream::connect`] are how a request gets a connection.

mod connect;
mod dial;
mod pool;
mod tethered;
mod tls;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use countersign_core::backend::{AppProtocol, Backend, BackendTls, Endpoint};
use countersign_core::id::BackendId;
use tokio::time::{Instant, timeout_at};

pub(crate) use connect::Unreachable;
pub(crate) use dial::Dialled;
pub(crate) use pool::{Lease, Pool};

/// All connections of a worker.
#[derive(Default)]
pub(crate) struct Pools(RefCell<HashMap<Key, Rc<Pool>>>);

/// What makes connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    endpoint: Endpoint,
    protocol: AppProtocol,
    tls: Option<BackendTls>,
}

/// The backends of one configuration.
pub(crate) struct Upstreams(Box<[Upstream]>);

/// A backend's endpoints, taken in turn.
pub(crate) struct Upstream {
    endpoints: Box<[Rc<Pool>]>,
    protocol: AppProtocol,
    next: Cell<usize>,
}

impl Pools {
    /// The backends of a new configuration. Connections to endpoints that are
    /// still in use stay open; the others close once they are unused.
    pub(crate) fn upstreams(&self, backends: &[Backend], first: u32) -> Upstreams {
        let mut earlier = self.0.take();
        let mut pools: HashMap<Key, Rc<Pool>> = HashMap::new();
        let mut pool = |backend: &Backend, endpoint: &Endpoint| {
            let (protocol, tls) = (backend.protocol, backend.tls.clone());
            let key = Key {
                endpoint: endpoint.clone(),
                protocol,
                tls,
            };
            if let Some(pool) = pools.get(&key) {
                return pool.clone();
            }
            let pool = earlier
                .remove(&key)
                .unwrap_or_else(|| Rc::new(Pool::new(endpoint, protocol, backend.tls.as_ref())));
            pools.insert(key, pool.clone());
            pool
        };
        let upstream = |backend: &Backend| Upstream {
            endpoints: backend
                .endpoints
                .iter()
                .map(|it| pool(backend, it))
                .collect(),
            protocol: backend.protocol,
            // Not every worker begins with the same endpoint.
            next: Cell::new(usize::try_from(first).unwrap_or(0)),
        };
        let upstreams = Upstreams(backends.iter().map(upstream).collect());
        self.0.replace(pools);
        upstreams
    }

    /// Closes connections that have been unused for long.
    pub(crate) fn sweep(&self) {
        self.0.borrow().values().for_each(|pool| pool.sweep());
    }
}

impl Upstreams {
    /// A backend.
    pub(crate) fn find(&self, id: BackendId) -> Option<&Upstream> {
        self.0.get(usize::try_from(id.0).ok()?)
    }
}

impl Upstream {
    /// Whether upgrades have a way there at all.
    pub(crate) fn upgrades(&self) -> bool {
        self.protocol != AppProtocol::Http2
    }

    /// An open connection to the next endpoint, if it has one to spare.
    pub(crate) fn ready(&self, upgrade: bool) -> Option<Lease> {
        let (turn, pool) = self.pick()?;
        let lease = pool.take(upgrade)?;
        self.next.set(turn.wrapping_add(1));
        Some(lease)
    }

    /// A connection to the next endpoint, a new one if `fresh`. Where an
    /// endpoint does not accept, others are tried, all within `patience`.
    ///
    /// # Errors
    /// Why the last of them could not be reached.
    pub(crate) async fn connect(
        &self,
        upgrade: bool,
        fresh: bool,
        patience: Duration,
    ) -> Result<Lease, Unreachable> {
        let known = |pool: &Rc<Pool>| if fresh { None } else { pool.take(upgrade) };
        let open = async |pool: &Rc<Pool>| pool.open(upgrade).await;
        self.reach(patience, known, open).await
    }

    /// Connects to the next endpoint for bytes of any kind, or to another where
    /// it does not accept, all within `patience`. What is `sealed` by its client
    /// already is not put into TLS again.
    ///
    /// # Errors
    /// Why the last of them could not be reached.
    pub(crate) async fn dial(
        &self,
        sealed: bool,
        patience: Duration,
    ) -> Result<Dialled, Unreachable> {
        let open = async |pool: &Rc<Pool>| pool.dial(sealed).await;
        self.reach(patience, |_| None, open).await
    }

    /// What `known` has of the next endpoint, or what `open` makes of it or of
    /// others.
    async fn reach<T>(
        &self,
        patience: Duration,
        known: impl Fn(&Rc<Pool>) -> Option<T>,
        open: impl AsyncFn(&Rc<Pool>) -> Result<T, Unreachable>,
    ) -> Result<T, Unreachable> {
        let mut deadline = None;
        let mut failure = Unreachable::NoEndpoint;
        for attempt in 0..=OTHERS {
            let Some((turn, pool)) = self.pick() else {
                break;
            };
            if attempt > 0 && pool.is_cooling() {
                break;
            }
            self.next.set(turn.wrapping_add(1));
            if let Some(found) = known(pool) {
                return Ok(found);
            }
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + patience);
            // What is left is halved as long as there is another to try.
            let others = self
                .endpoints
                .iter()
                .any(|it| !Rc::ptr_eq(it, pool) && !it.is_cooling());
            let until = if others {
                now + deadline.duration_since(now) / 2
            } else {
                deadline
            };
            match timeout_at(until, open(pool)).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => failure = error,
                Err(_elapsed) => failure = Unreachable::TimedOut,
            }
            pool.cool();
        }
        Err(failure)
    }

    /// Whose turn it is: of the endpoints that could be reached, or of all
    /// when none could.
    fn pick(&self) -> Option<(usize, &Rc<Pool>)> {
        let start = self.next.get().checked_rem(self.endpoints.len())?;
        let all = || self.endpoints.iter().enumerate();
        let mut turn = all().skip(start).chain(all().take(start));
        turn.clone()
            .find(|(_, pool)| !pool.is_cooling())
            .or_else(|| turn.next())
    }
}

/// How many further endpoints one request may try.
const OTHERS: usize = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_core::origin::Origin;
    use countersign_testkit::upstream::Upstream as Site;
    use http::Request;
    use http_body_util::BodyExt;
    use tokio::task::LocalSet;

    use super::super::upload::Upload;
    use super::pool::IDLE;
    use super::*;

    fn backend(port: u16, protocol: AppProtocol) -> Backend {
        let endpoint = Endpoint {
            host: "127.0.0.1".into(),
            port,
        };
        Backend {
            origin: Arc::new(Origin {
                kind: "Service",
                namespace: "a".into(),
                name: "b".into(),
                part: "".into(),
                file: "c".into(),
                line: 1,
            }),
            name: "a/b:80".into(),
            protocol,
            endpoints: Box::new([endpoint]),
            tls: None,
        }
    }

    async fn exchange(upstream: &Upstream) -> bool {
        let ready = upstream.ready(false);
        let reused = ready.is_some();
        let mut lease = match ready {
            Some(lease) => lease,
            None => upstream
                .connect(false, false, Duration::from_secs(5))
                .await
                .unwrap(),
        };
        let request = Request::get("/")
            .header("host", "a")
            .body(Upload::Empty)
            .unwrap();
        let body = lease.send(request).await.unwrap().into_body();
        body.collect().await.unwrap();
        lease.give_back();
        reused
    }

    /// Each entry: whether a connection was there already.
    async fn play(protocol: AppProtocol) -> Vec<bool> {
        let site = Site::start("a");
        let (pools, backends) = (Pools::default(), [backend(site.address().port(), protocol)]);
        let upstreams = pools.upstreams(&backends, 0);
        let upstream = upstreams.find(BackendId(0)).unwrap();
        let mut reused = vec![exchange(upstream).await, exchange(upstream).await];

        tokio::time::pause();
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        tokio::time::resume();
        pools.sweep();
        reused.push(exchange(upstream).await);

        let reloaded = pools.upstreams(&backends, 0);
        let upstream = reloaded.find(BackendId(0)).unwrap();
        reused.push(exchange(upstream).await);

        tokio::time::pause();
        tokio::time::advance(IDLE).await;
        tokio::time::resume();
        pools.sweep();
        reused.push(exchange(upstream).await);

        let _none = pools.upstreams(&[], 0);
        let again = pools.upstreams(&backends, 0);
        reused.push(exchange(again.find(BackendId(0)).unwrap()).await);
        reused
    }

    #[tokio::test]
    async fn connections_outlive_reloads_but_not_long_disuse() {
        for protocol in [AppProtocol::Http, AppProtocol::Http2] {
            let reused = LocalSet::new().run_until(play(protocol)).await;
            assert_eq!(
                reused,
                [false, true, true, true, false, false],
                "{protocol:?}"
            );
        }
    }
}
