//! The first message of a TLS handshake, read without answering it: which
//! server the client wants is in it, and what reads it in earnest comes later.

use std::io;

use countersign_core::host;
use rustls::server::Acceptor;
use thiserror::Error;

use super::wire::Tcp;

/// Why there is no server name to go by.
#[derive(Debug, Error)]
pub(super) enum BadHello {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it does not begin with a TLS handshake: {0}")]
    NoTls(rustls::Error),
    #[error("its first message is too long")]
    TooLong,
    #[error("it ended within its first message")]
    Ended,
}

/// The server name that a client asks for, canonical. Every byte stays where
/// it was, for whoever is to have them.
pub(super) async fn server_name(tcp: &mut Tcp) -> Result<Option<Box<str>>, BadHello> {
    let mut acceptor = Acceptor::default();
    let mut seen = 0;
    loop {
        let mut fresh = tcp.ahead().get(seen..).unwrap_or_default();
        while !fresh.is_empty() {
            if acceptor.read_tls(&mut fresh)? == 0 {
                break;
            }
        }
        seen = tcp.ahead().len();
        match acceptor.accept() {
            Ok(Some(hello)) => {
                let hello = hello.client_hello();
                let name = hello.server_name().map(host::canonical);
                return Ok(name.map(|it| it.into_owned().into()));
            }
            Ok(None) => {}
            Err((error, _alert)) => return Err(BadHello::NoTls(error)),
        }
        if seen > LONGEST {
            return Err(BadHello::TooLong);
        }
        if tcp.look().await? == 0 {
            return Err(BadHello::Ended);
        }
    }
}

/// Bytes in which a client must have said what it wants. Those of today say it
/// in two thousand.
const LONGEST: usize = 32 * 1024;
