//! Finding out about peers that vanished without a word: a machine that lost
//! power, a NAT that forgot. Nothing else would end a connection on which
//! neither side has anything to say.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Has the system ask for a sign of life after a minute of silence. On a
/// listening socket it holds for all connections that are accepted from it.
///
/// # Errors
/// When the system does not know the option.
pub(crate) fn keep_alive<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(INTERVAL);
    socket.into().set_tcp_keepalive(&probes)
}

const SILENCE: Duration = Duration::from_secs(60);
/// Between probes that are not answered; the system gives up after some.
const INTERVAL: Duration = Duration::from_secs(15);
