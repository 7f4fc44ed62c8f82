//! Connections that came to nothing before anybody could decide on them:
//! counted by what was wrong, and told where their client cannot find out by
//! itself.

use std::io;
use std::net::SocketAddr;

use countersign_runtime::{Handle, Metrics};
use thiserror::Error;
use tokio::time::error::Elapsed;

use super::handshake::Failed;
use super::proxy_protocol::Bad;

/// Why a connection came to nothing.
#[derive(Debug, Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Proxy(#[from] Bad),
    #[error(transparent)]
    Handshake(#[from] Failed),
    #[error("the certificates of this socket cannot be used")]
    Closed,
    #[error("its socket went away with a reload")]
    Gone,
    #[error("it sent nothing in time")]
    Slow(#[from] Elapsed),
}

impl Unfit {
    /// What was wrong, for the metric.
    fn result(&self) -> &'static str {
        match self {
            Unfit::Io(_) => "broken",
            Unfit::Proxy(_) => "proxy_header",
            Unfit::Handshake(failed) if failed.is_stranger() => "client_certificate",
            Unfit::Handshake(Failed::NoListener(_)) => "no_listener",
            Unfit::Handshake(Failed::Closed) | Unfit::Closed => "closed",
            Unfit::Handshake(_) => "handshake",
            Unfit::Gone => "gone",
            Unfit::Slow(_) => "slow",
        }
    }

    /// Counts it and writes it down. Port scanners are not worth a line; who
    /// is kept out by the configuration is.
    pub(super) fn note(&self, handle: &Handle, peer: SocketAddr) {
        count(handle.metrics(), self.result());
        match self.result() {
            "client_certificate" => {
                tracing::info!(%peer, reason = %self, "client certificate refused");
            }
            "no_listener" | "closed" => {
                tracing::info!(%peer, reason = %self, "connection refused");
            }
            _ => tracing::debug!(%peer, reason = %self, "connection refused"),
        }
    }
}

fn count(metrics: &Metrics, result: &'static str) {
    let help = "Connections that ended before anything was asked on them, by what was wrong.";
    let counter = metrics.counter("countersign_connections_refused_total", result, help);
    counter.add(1);
}
