//! Listeners: one per entry of a Gateway's `spec.listeners`, grouped by the
//! socket they share.

use std::sync::Arc;

use http::HeaderName;

use crate::address::TrustedProxies;
use crate::host::HostPattern;
use crate::id::{ListenerId, PolicySetId, RbacId, RequirementId};
use crate::origin::Origin;
use crate::path::Normalization;
use crate::route::RouteTable;

/// One bound port and the listeners behind it.
#[derive(Debug, Clone)]
pub struct Socket {
    /// The Gateway's port, which is what policies see (decision P10); another
    /// one may be bound.
    pub port: u16,
    /// Whether connections begin with a TLS handshake.
    pub tls: bool,
    /// The listeners, narrowest hostname first.
    pub listeners: Box<[ListenerId]>,
}

/// What a listener makes of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It reads HTTP requests and routes each.
    #[default]
    Http,
    /// It routes whole connections; their TLS ends here, if there is any.
    Stream,
    /// It routes whole connections by server name; their TLS goes on to the backend.
    Passthrough,
}

/// A listener with all that holds for its requests, or for its connections.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The Gateway and `listeners[i]`.
    pub origin: Arc<Origin>,
    /// `namespace/gateway/listener` for logs and metrics.
    pub name: Arc<str>,
    /// Hosts that it answers for.
    pub host: HostPattern,
    /// What it makes of connections.
    pub mode: Mode,
    /// Its routes. Those of connections match on the server name alone.
    pub routes: RouteTable,
    /// Istio's RequestAuthentications that select the gateway, merged.
    pub istio: Option<RequirementId>,
    /// What kgateway policies of gateway and listener demand where no route
    /// matched, so that a 404 tells strangers nothing (decision P1).
    pub jwt: Option<RequirementId>,
    /// Istio's AuthorizationPolicies that select the gateway; for connections
    /// in the form of [`crate::authz::PolicySet::for_connections`].
    pub policies: Option<PolicySetId>,
    /// What kgateway policies of gateway and listener allow where no route matched.
    pub rbac: Option<RbacId>,
    /// Headers that only the gateway may set on requests of this listener.
    pub identity: IdentityHeaders,
    /// Some route matches on an identity header: lookup is done again after
    /// tokens were verified.
    pub routes_on_identity: bool,
    /// How paths are normalised.
    pub normalization: Normalization,
    /// Who may speak for a client's address.
    pub proxies: TrustedProxies,
    /// A policy of the whole listener could not be compiled: every request
    /// gets 500, and this says why (decision P4).
    pub closed: Option<Arc<str>>,
}

/// Names that claims are copied to, compared without regard to case and to
/// `-` or `_` (decision T7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Folded names: lower case, `-` for every symbol. Sorted.
    folded: Box<[Box<str>]>,
}

impl IdentityHeaders {
    /// Collects the names of every rule on a listener.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a HeaderName>) -> IdentityHeaders {
        let mut folded: Vec<Box<str>> = names
            .into_iter()
            .map(|name| {
                name.as_str()
                    .bytes()
                    .map(|it| char::from(fold(it)))
                    .collect::<String>()
                    .into()
            })
            .collect();
        folded.sort_unstable();
        folded.dedup();
        IdentityHeaders {
            folded: folded.into(),
        }
    }

    /// The names, lower case and with `-` for every symbol.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.folded.iter().map(|it| &**it)
    }

    /// Whether no rule sets a header.
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether `name`, in any spelling, is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.folded.iter().any(|it| {
            it.len() == name.len() && it.bytes().zip(name.bytes()).all(|(a, b)| a == fold(b))
        })
    }
}

/// What servers that hand headers on as variables make one of: every symbol.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_headers_in_every_spelling() {
        let names = IdentityHeaders::new([&HeaderName::from_static("x-user_id")]);
        for name in [
            "x-user-id",
            "X_USER_ID",
            "x_user-id",
            "X-User-ID",
            "x.user.id",
        ] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["x-user", "x-user-idx", "xuser-id", ""] {
            assert!(!names.contains(name), "{name}");
        }
    }
}
