//! A TCP backend that says its name, then sends back what it gets until its client is done.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// It runs until the test ends.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Backend {
    /// Begins every connection with `greeting`.
    pub(crate) fn start(greeting: &'static str) -> Backend {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || serve(tcp, greeting));
            }
        });
        Backend { address, taken }
    }

    /// How many connections it has taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

fn serve(mut tcp: TcpStream, greeting: &str) -> io::Result<()> {
    tcp.write_all(greeting.as_bytes())?;
    let mut bytes = [0; 16 * 1024];
    loop {
        match tcp.read(&mut bytes)? {
            0 => break,
            count => tcp.write_all(&bytes[..count])?,
        }
    }
    // The other half still works once one is closed.
    tcp.write_all(b"bye")?;
    tcp.shutdown(Shutdown::Write)
}
