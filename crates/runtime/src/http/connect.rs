//! From a URL to a connection.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::error::within;
use super::{Error, Terms, Url, guard, tls};

/// A connection, with or without TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to a URL's host, or to where the terms lead.
pub(super) async fn open(url: &Url, terms: &Terms<'_>) -> Result<Box<dyn Duplex>, Error> {
    let (host, port) = match terms.detour {
        Some((from, to)) if url.same_origin(from) => (&*to.host, to.port),
        _ => (url.host(), url.port()),
    };
    let stream = connect(&addresses(host, port, terms).await?, terms.deadline).await?;
    if !url.is_https() {
        return Ok(Box::new(stream));
    }
    let stream = within(
        terms.deadline,
        "agreeing on TLS",
        tls::wrap(url.host(), terms.ca, stream),
    )
    .await??;
    Ok(Box::new(stream))
}

/// The addresses of a host that may be connected to.
async fn addresses(host: &str, port: u16, terms: &Terms<'_>) -> Result<Vec<SocketAddr>, Error> {
    let resolve = |cause: String| Error::Resolve {
        host: host.into(),
        cause,
    };
    let found = within(
        terms.deadline,
        "resolving the host's name",
        lookup_host((host, port)),
    )
    .await?;
    let found: Vec<SocketAddr> = found.map_err(|error| resolve(error.to_string()))?.collect();
    let what = |it: &SocketAddr| guard::refused(it.ip(), terms.guard);
    let open: Vec<_> = found
        .iter()
        .copied()
        .filter(|it| what(it).is_none())
        .collect();
    match found.first() {
        Some(first) if open.is_empty() => {
            let what = what(first).unwrap_or_default();
            Err(Error::Guard {
                host: host.into(),
                address: first.ip(),
                what,
            })
        }
        None => Err(resolve("it has no address".into())),
        Some(_) => Ok(open),
    }
}

/// Tries one address after the other. Each gets its share of the time, so that one which swallows packets leaves some
/// for the next.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut last = Error::Timeout("connecting");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let now = Instant::now();
        let share =
            deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                last = Error::Connect {
                    address: address.to_string().into(),
                    cause: error.to_string(),
                };
            }
            Err(_) => last = Error::Timeout("connecting"),
        }
    }
    Err(last)
}
