//! What expressions can read of a request: attributes under the names that
//! Envoy and agentgateway have for them, looked up only when they are read.

mod agentgateway;
mod envoy;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use countersign_expression::{Environment, Members, Timestamp, Value};
use countersign_jose::{Claims, UnixTime};
use http::{HeaderName, Version};
use smallvec::SmallVec;

use super::fields::Fields;
use crate::authn::{Edits, without_parameters};
use crate::request::Request;

/// Whose names an expression uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Envoy's attributes, which kgateway's `rbac` has, and `jwt` beside them.
    Envoy,
    /// agentgateway's.
    Agentgateway,
}

impl Dialect {
    /// Which names there are. All others are refused when the configuration loads.
    pub fn environment(self) -> &'static Environment {
        match self {
            Dialect::Envoy => &envoy::ENVIRONMENT,
            Dialect::Agentgateway => &agentgateway::ENVIRONMENT,
        }
    }

    /// Why an attribute that the other system has is none here: `path` as it is written, such as `request.size`.
    pub fn withheld(self, path: &str) -> Option<&'static str> {
        let all = match self {
            Dialect::Envoy => envoy::WITHHELD,
            Dialect::Agentgateway => agentgateway::WITHHELD,
        };
        all.iter().find(|(it, _)| *it == path).map(|(_, why)| *why)
    }
}

/// A request with what is known of its caller.
pub(crate) struct Known<'a> {
    req: &'a Request<'a>,
    claims: Option<&'a Claims>,
    now: UnixTime,
    headers: Headers<'a>,
    jwt: Anonymous,
}

impl<'a> Known<'a> {
    /// `claims` are those of a token that was verified; `edits` what tokens changed about the request so far;
    /// `trusted`: its peer may say `X-Forwarded-Proto`.
    pub(crate) fn new(
        req: &'a Request<'a>,
        trusted: bool,
        edits: &'a Edits,
        claims: Option<&'a Claims>,
        now: UnixTime,
    ) -> Known<'a> {
        let fields = Fields {
            request: req,
            trusted,
            edits,
        };
        Known {
            req,
            claims,
            now,
            headers: Headers(fields),
            jwt: Anonymous,
        }
    }

    /// The client's address, as trusted proxies tell it.
    pub(super) fn client(&self) -> IpAddr {
        self.req.client
    }

    /// Calls `then` with the variables of a dialect.
    pub(super) fn with<T>(&self, dialect: Dialect, then: impl FnOnce(&dyn Members) -> T) -> T {
        match dialect {
            Dialect::Envoy => then(&envoy::Variables::new(self)),
            Dialect::Agentgateway => then(&agentgateway::Variables::new(self)),
        }
    }

    /// `jwt`: the claims, or a group without members, so that `has(jwt.sub)` is false for a caller without a token.
    fn jwt(&self) -> Value<'_> {
        match self.claims {
            Some(claims) => Value::from(claims.root()),
            None => Value::members(&self.jwt),
        }
    }

    fn time(&self) -> Option<Value<'_>> {
        let seconds = i64::try_from(self.now.0).ok()?;
        Timestamp::new(seconds, 0).map(Value::Timestamp)
    }

    fn protocol(&self) -> &'static str {
        match self.req.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }

    /// The client's port, which nobody knows where a proxy told its address: 0 then, as in Envoy.
    fn client_port(&self) -> u16 {
        let peer = self.req.connection.peer;
        let same = peer.ip() == self.req.client;
        if same { peer.port() } else { 0 }
    }
}

/// The headers as the upstream will have them: without tokens that are taken away, with those that claims set.
struct Headers<'a>(Fields<'a>);

impl<'a> Headers<'a> {
    /// The query, without parameters that carried a token which is taken away.
    fn query(&self) -> Option<Cow<'a, str>> {
        let query = self.0.request.query?;
        let names = &self.0.edits.remove_query;
        if names.is_empty() {
            return Some(Cow::Borrowed(query));
        }
        let kept = without_parameters(query, names);
        let pairs: Vec<&str> = kept.map(|(_, pair)| pair).collect();
        (!pairs.is_empty()).then(|| Cow::Owned(pairs.join("&")))
    }

    /// The path with its query.
    fn target(&self) -> Value<'a> {
        let path = self.0.request.path;
        match self.query() {
            None => path.into(),
            Some(query) => format!("{path}?{query}").into(),
        }
    }

    /// A header; of several lines one, joined by commas. Bytes that are no UTF-8 are replaced, never passed over.
    fn get(&self, name: &str) -> Option<Value<'a>> {
        let lines = self.0.lines(name).map(|it| match it {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        });
        let lines: SmallVec<[Cow<'a, str>; 2]> = lines.collect();
        match lines.as_slice() {
            [] => None,
            [Cow::Borrowed(one)] => Some(Value::from(*one)),
            some => Some(some.join(",").into()),
        }
    }
}

impl Members for Headers<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        let req = self.0.request;
        match name {
            ":method" => Some(req.method.as_str().into()),
            ":path" => Some(self.target()),
            ":scheme" => Some(req.scheme.into()),
            ":authority" => Some(req.authority.into()),
            // HTTP/2 has the authority only, and policies must not see a difference.
            _ if name.eq_ignore_ascii_case("host") => Some(req.authority.into()),
            _ => self.get(name),
        }
    }

    fn names(&self) -> Option<Vec<&str>> {
        let mut names: Vec<&str> = self.0.names().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names.dedup();
        Some(names)
    }
}

/// `jwt` of a caller without a token: nothing.
struct Anonymous;

impl Members for Anonymous {
    fn member(&self, _name: &str) -> Option<Value<'_>> {
        None
    }

    fn names(&self) -> Option<Vec<&str>> {
        Some(Vec::new())
    }
}

/// Attributes that stand together, such as `request`.
struct Group<'a> {
    all: &'a Known<'a>,
    read: fn(&'a Known<'a>, &str) -> Option<Value<'a>>,
}

impl<'a> Group<'a> {
    fn new(all: &'a Known<'a>, read: fn(&'a Known<'a>, &str) -> Option<Value<'a>>) -> Group<'a> {
        Group { all, read }
    }
}

impl Members for Group<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        (self.read)(self.all, name)
    }
}

/// Neither claims nor headers.
impl fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
