//! The workers: threads that serve the connections they are handed, each with
//! an event loop of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_runtime::{Handle, Shard};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::door::{Accepted, Door};
use super::floor::Floor;
use super::handler::Handler;
use crate::gate::Load;

/// Where connections are handed to workers. The workers end when this is
/// dropped and their connections have.
pub(crate) struct Seats {
    seats: Vec<Seat>,
    turn: AtomicUsize,
}

struct Seat {
    connections: mpsc::UnboundedSender<Accepted>,
    load: Arc<Load>,
}

impl Seats {
    /// Hands a connection to the worker with the fewest, in turn among equals.
    pub(crate) fn hand(&self, tcp: TcpStream, peer: SocketAddr, door: Arc<Door>) {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.seats.len().max(1);
        let (before, after) = self.seats.split_at(first);
        let Some(seat) = after
            .iter()
            .chain(before)
            .min_by_key(|seat| seat.load.open())
        else {
            return;
        };
        let permit = door.gate.enter(&seat.load);
        // Fails only when the worker is gone; the connection is then closed.
        let _gone = seat.connections.send(Accepted {
            tcp,
            peer,
            door,
            permit,
        });
    }
}

/// Starts `count` workers; `handler` is called once on each.
///
/// # Errors
/// When the system gives no further thread or event queue.
pub(crate) fn start<H: Handler>(
    count: usize,
    handle: &Handle,
    handler: impl Fn(usize) -> Rc<H> + Clone + Send + 'static,
) -> io::Result<(Seats, Vec<JoinHandle<()>>)> {
    let (mut seats, mut threads) = (Vec::new(), Vec::new());
    for number in 0..count {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (connections, handed) = mpsc::unbounded_channel();
        let load = Arc::new(Load::default());
        let shard = handle.metrics().shard(number);
        let (handle, handler, own) = (handle.clone(), handler.clone(), load.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        threads.push(thread.spawn(move || {
            let work = work(|| handler(number), handle, shard, handed, own);
            LocalSet::new().block_on(&runtime, work);
        })?);
        seats.push(Seat { connections, load });
    }
    Ok((
        Seats {
            seats,
            turn: AtomicUsize::new(0),
        },
        threads,
    ))
}

async fn work<H: Handler>(
    handler: impl FnOnce() -> Rc<H>,
    handle: Handle,
    shard: Arc<Shard>,
    mut handed: mpsc::UnboundedReceiver<Accepted>,
    load: Arc<Load>,
) {
    let floor = Rc::new(Floor::new(handler(), handle.clone(), shard));
    let reloads = tokio::task::spawn_local(floor.clone().follow(handle));
    let mut longest = Duration::ZERO;
    while let Some(accepted) = handed.recv().await {
        longest = longest.max(accepted.door.timeouts.drain);
        tokio::task::spawn_local(floor.clone().receive(accepted));
    }
    reloads.abort();
    floor.close();
    // Each connection keeps to its bound by itself; this one is for those that
    // the proxy went on with after an upgrade.
    let _late = tokio::time::timeout(longest + GRACE, load.none()).await;
}

const GRACE: Duration = Duration::from_secs(1);
