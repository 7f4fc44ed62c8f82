//! The thread that accepts connections on every socket and hands them to the
//! workers.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::crew::Seats;
use super::sockets::Opening;

/// The accepting thread. It ends when this is dropped and every socket was
/// told to stop.
pub(crate) struct Acceptor {
    openings: mpsc::UnboundedSender<Opening>,
}

impl Acceptor {
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub(crate) fn start(seats: Seats) -> io::Result<(Acceptor, JoinHandle<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (openings, orders) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("accept".into());
        let thread = thread.spawn(move || runtime.block_on(run(orders, Arc::new(seats))))?;
        Ok((Acceptor { openings }, thread))
    }

    /// Accepts on one more socket.
    pub(crate) fn open(&self, opening: Opening) {
        // Fails only when the thread is gone, and then the server is.
        let _gone = self.openings.send(opening);
    }
}

async fn run(mut orders: mpsc::UnboundedReceiver<Opening>, seats: Arc<Seats>) {
    let mut sockets = JoinSet::new();
    loop {
        tokio::select! {
            opening = orders.recv() => match opening {
                Some(opening) => {
                    sockets.spawn(accept(opening, seats.clone()));
                }
                None => break,
            },
            Some(_ended) = sockets.join_next() => {}
        }
    }
    while sockets.join_next().await.is_some() {}
}

/// Accepts on one socket until it is no longer wanted.
async fn accept(opening: Opening, seats: Arc<Seats>) {
    let Opening {
        listener,
        door,
        mut stop,
        stopped,
    } = opening;
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket cannot be watched"),
    };
    let mut pause = Pause::default();
    loop {
        let next = async {
            door.load().gate.clone().free().await;
            let (tcp, peer) = listener.accept().await?;
            Ok((tcp.into_std()?, peer))
        };
        let accepted = tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                pause = Pause::default();
                seats.hand(tcp, peer, door.load_full());
            }
            Err(error) if exhausted(&error) => pause.take(&error).await,
            // The client was gone before we came to it.
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
    // Whoever is in the kernel's queue by now was told that we listen.
    if let Ok(listener) = listener.into_std() {
        while let Ok((tcp, peer)) = listener.accept() {
            seats.hand(tcp, peer, door.load_full());
        }
    }
    drop(stopped);
}

/// Waits while the system is out of something, longer each time in a row.
#[derive(Default)]
struct Pause {
    rounds: u32,
}

impl Pause {
    async fn take(&mut self, error: &io::Error) {
        if self.rounds == 0 {
            tracing::warn!(
                %error,
                "no further connection can be accepted; raise the limit on open files (`ulimit -n`)"
            );
        }
        let time = SHORTEST.saturating_mul(1 << self.rounds.min(6));
        self.rounds = self.rounds.saturating_add(1);
        tokio::time::sleep(time).await;
    }
}

const SHORTEST: Duration = Duration::from_millis(10);

/// EMFILE, ENFILE, ENOBUFS or ENOMEM: the next try fails as well unless
/// something is given back.
fn exhausted(error: &io::Error) -> bool {
    let no_buffers = if cfg!(target_os = "linux") { 105 } else { 55 };
    let code = error.raw_os_error();
    code == Some(24) || code == Some(23) || code == Some(no_buffers) || code == Some(12)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_a_bound_while_the_system_is_exhausted() {
        let error = io::Error::from_raw_os_error(24);
        assert!(exhausted(&error) && !exhausted(&io::ErrorKind::ConnectionAborted.into()));
        let mut pause = Pause::default();
        let mut taken = Vec::new();
        for _ in 0..9 {
            let start = Instant::now();
            pause.take(&error).await;
            taken.push(start.elapsed().as_millis());
        }
        assert_eq!(taken, [10, 20, 40, 80, 160, 320, 640, 640, 640]);
    }
}
