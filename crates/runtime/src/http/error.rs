//! Why a document could not be had.

use std::future::Future;
use std::net::IpAddr;

use tokio::time::{Instant, timeout_at};

/// Why a document could not be had. `Display` never shows a body, a query or userinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is not one that can be fetched.
    #[error("{0}")]
    Url(&'static str),
    /// Every address of the host is one that is never connected to (decision T15).
    #[error("`{host}` has the address {address}, which is {what}: no connection is made")]
    Guard {
        /// Name or address as it stands in the URL.
        host: Box<str>,
        /// The address.
        address: IpAddr,
        /// What kind of address that is.
        what: &'static str,
    },
    /// The host's name has no address.
    #[error("the name `{host}` does not resolve: {cause}")]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the resolver said.
        cause: String,
    },
    /// No address of the host took the connection.
    #[error("no connection to {address}: {cause}")]
    Connect {
        /// The last address tried, with its port.
        address: Box<str>,
        /// What the system said.
        cause: String,
    },
    /// TLS could not be agreed on, or the certificate is not that of the host.
    #[error("no TLS with `{host}`: {cause}")]
    Tls {
        /// The name that the certificate must carry.
        host: Box<str>,
        /// What the TLS library said.
        cause: String,
    },
    /// There are no trust anchors.
    #[error("there are no certificates to verify `https` with: {0}")]
    Roots(String),
    /// The deadline has passed.
    #[error("stopped at the time limit while {0}")]
    Timeout(&'static str),
    /// The other side broke off, or what it sent is not HTTP.
    #[error("the answer is broken: {0}")]
    Http(String),
    /// More redirects than are followed.
    #[error("the answer redirects more than three times")]
    Redirects,
    /// A redirect to something that cannot be fetched.
    #[error("the answer redirects to something that is not an `http` or `https` URL")]
    Location,
    /// A redirect from `https` to `http`.
    #[error("the answer redirects from `https` to `http`, which is not followed")]
    Downgrade,
    /// The body is larger than allowed.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The body is compressed although that was not asked for.
    #[error("the answer is compressed, which was not asked for")]
    Encoded,
}

impl Error {
    /// Stable name for metrics and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Guard { .. } => "address_refused",
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Roots(_) => "trust_anchors",
            Self::Timeout(_) => "timeout",
            Self::Http(_) | Self::Encoded => "http",
            Self::Redirects | Self::Location | Self::Downgrade => "redirect",
            Self::TooLarge(_) => "too_large",
        }
    }

    /// What hyper says, with the cause that it keeps behind it.
    pub(super) fn http(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Http(text)
    }
}

/// Gives up at the deadline.
pub(super) async fn within<T>(
    deadline: Instant,
    doing: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    timeout_at(deadline, work)
        .await
        .map_err(|_| Error::Timeout(doing))
}
