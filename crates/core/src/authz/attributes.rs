//! What policies see of a request or a connection.

use std::net::IpAddr;

use countersign_jose::Object;
use http::HeaderName;
use http::header::{CONNECTION, UPGRADE};
use smallvec::SmallVec;

use super::fields::Fields;
use super::names::{segments_after, trust_domain};
use super::policy::HeaderField;
use crate::authn::{Caller, Edits, without_parameters};
use crate::connection::Connection;
use crate::host;
use crate::identity::Identity;
use crate::request::Request;

/// Everything that a policy can ask for. Before tokens were verified there is
/// no caller, and headers are as the client sent them; afterwards they are as
/// the upstream will get them.
pub(crate) struct Attributes<'a> {
    connection: &'a Connection<'a>,
    http: Option<Http<'a>>,
}

/// What connections alone do not have.
struct Http<'a> {
    request: &'a Request<'a>,
    fields: Fields<'a>,
    caller: Option<Caller<'a>>,
    /// Authority in lower case.
    authority: Lower<'a>,
    /// It is a name without port and trailing dot: there is no other way to write it.
    is_plain: bool,
}

/// A text of the client's choice, by its kind.
///
/// The last few are no fields of policies: they find rules in an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    /// SPIFFE names, without `spiffe://`.
    Principal,
    /// Server name of the handshake.
    Sni,
    /// Authority in lower case, as sent.
    Host,
    /// Method.
    Method,
    /// Normalised path.
    Path,
    /// Each line of a header.
    Header(HeaderField),
    /// Texts at a path of the claims.
    Claim(Box<[Box<str>]>),
    /// Authority in lower case: as sent, without port, without trailing dot,
    /// and an IPv6 address as usually written.
    HostForms,
    /// `iss`.
    Issuer,
    /// `sub`.
    Subject,
    /// What follows `/ns/` in URI names.
    NamespaceSegment,
    /// What follows `/sa/` in URI names.
    AccountSegment,
    /// Trust domains of names.
    TrustDomain,
    /// Our port, in five digits.
    Port,
}

impl Attribute {
    /// Whether `*` matches an empty value: Envoy asks there whether the header
    /// is present, and elsewhere whether it has a character.
    pub(super) fn may_be_empty(&self) -> bool {
        matches!(
            self,
            Self::Host | Self::HostForms | Self::Method | Self::Header(_)
        )
    }
}

impl<'a> Attributes<'a> {
    /// Of a stream of bytes.
    pub(crate) fn of_connection(connection: &'a Connection<'a>) -> Attributes<'a> {
        Attributes {
            connection,
            http: None,
        }
    }

    /// Of a request: with what its tokens have changed so far, and whose claims
    /// policies read. `trusted`: its peer may say `X-Forwarded-Proto`.
    pub(crate) fn of_request(
        request: &'a Request<'a>,
        trusted: bool,
        edits: &'a Edits,
        caller: Option<Caller<'a>>,
    ) -> Attributes<'a> {
        // The host was made canonical once for all rules, and mostly there was nothing to do.
        let is_canonical = request.authority == request.host;
        Attributes {
            connection: &request.connection,
            http: Some(Http {
                request,
                fields: Fields {
                    request,
                    trusted,
                    edits,
                },
                caller,
                authority: if is_canonical {
                    Lower::Sent(request.authority)
                } else {
                    lower(request.authority)
                },
                is_plain: is_canonical && !request.authority.starts_with('['),
            }),
        }
    }

    /// The caller's claims.
    pub(super) fn caller(&self) -> Option<Caller<'a>> {
        self.http.as_ref().and_then(|it| it.caller)
    }

    /// The connection's other end.
    pub(super) fn peer(&self) -> IpAddr {
        self.connection.peer.ip().to_canonical()
    }

    /// The client, as trusted proxies tell it.
    pub(super) fn client(&self) -> IpAddr {
        let client = self.http.as_ref().map(|it| it.request.client);
        client.map_or_else(|| self.peer(), |it| it.to_canonical())
    }

    /// Our end's address.
    pub(super) fn local(&self) -> IpAddr {
        self.connection.local.ip().to_canonical()
    }

    /// Our end's port.
    pub(super) fn port(&self) -> u16 {
        self.connection.local.port()
    }

    /// The normalised path.
    pub(super) fn path(&self) -> Option<&'a str> {
        self.http.as_ref().map(|it| it.request.path)
    }

    /// Every name of the certificate that counts: URIs, else DNS names, else the subject.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let identity = self.connection.identity;
        identity.into_iter().flat_map(Identity::names)
    }

    /// URI names, which alone say whose namespace and service account it is:
    /// in a name of another kind `/ns/` means nothing.
    pub(super) fn uris(&self) -> impl Iterator<Item = &'a str> {
        let identity = self.connection.identity;
        identity.into_iter().flat_map(|it| &it.uris).map(|it| &**it)
    }

    /// SPIFFE names, without `spiffe://`.
    pub(super) fn spiffe(&self) -> impl Iterator<Item = &'a str> {
        let identity = self.connection.identity;
        identity.into_iter().flat_map(Identity::spiffe)
    }

    /// Gives every value of an attribute to `f` until it says `true`.
    pub(super) fn any(&self, attribute: &Attribute, mut f: impl FnMut(&[u8]) -> bool) -> bool {
        let Some(http) = &self.http else {
            return self.any_of_connection(attribute, &mut f);
        };
        match attribute {
            Attribute::Host => f(http.authority.bytes()),
            Attribute::HostForms => http.host_forms(&mut f),
            Attribute::Method => f(http.request.method.as_str().as_bytes()),
            Attribute::Path => f(http.request.path.as_bytes()),
            Attribute::Header(field) => http.any_header(field, &mut f),
            Attribute::Claim(path) => http
                .caller
                .is_some_and(|it| it.any_text(path, |text| f(text.as_bytes()))),
            Attribute::Issuer => http.text("iss").is_some_and(|it| f(it.as_bytes())),
            Attribute::Subject => http.text("sub").is_some_and(|it| f(it.as_bytes())),
            _ => self.any_of_connection(attribute, &mut f),
        }
    }

    /// How many headers there are, about.
    pub(super) fn header_count(&self) -> usize {
        self.http.as_ref().map_or(0, |it| it.request.headers.len())
    }

    /// Gives the name of every header that may be there to `f` until it says `true`.
    pub(super) fn any_header_name(&self, f: &mut dyn FnMut(&str) -> bool) -> bool {
        self.http.as_ref().is_some_and(|http| {
            let mut names = http.fields.names();
            names.any(|it| f(it.as_str()))
        })
    }

    /// How many claims there are at the top.
    pub(super) fn claim_count(&self) -> usize {
        self.claims().map_or(0, Object::len)
    }

    /// Gives the name of every claim at the top to `f` until it says `true`.
    pub(super) fn any_claim_name(&self, f: &mut dyn FnMut(&str) -> bool) -> bool {
        self.claims().is_some_and(|it| it.names().any(f))
    }

    fn claims(&self) -> Option<Object<'a>> {
        self.caller().and_then(|it| it.claims.root().as_object())
    }

    fn any_of_connection(&self, attribute: &Attribute, f: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let mut text = |it: &str| f(it.as_bytes());
        let mut segment = |label| {
            self.uris()
                .flat_map(|it| segments_after(it, label))
                .any(&mut text)
        };
        match attribute {
            Attribute::NamespaceSegment => segment("ns"),
            Attribute::AccountSegment => segment("sa"),
            Attribute::Principal => self.spiffe().any(text),
            Attribute::TrustDomain => self.spiffe().filter_map(trust_domain).any(text),
            Attribute::Sni => self.connection.sni.is_some_and(text),
            Attribute::Port => f(&port_digits(self.port())),
            _ => false,
        }
    }
}

impl<'a> Http<'a> {
    fn text(&self, claim: &str) -> Option<&'a str> {
        self.caller.and_then(|it| it.text(claim))
    }

    fn host_forms(&self, f: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let whole = self.authority.bytes();
        if self.is_plain {
            return f(whole);
        }
        let bare = host::without_port(self.request.authority).len();
        let bare = whole.get(..bare).unwrap_or(whole);
        let dotless = bare.strip_suffix(b".").unwrap_or(bare);
        let mut address = || {
            let usual = host::usual_address(self.request.authority)?;
            let bare = host::without_port(&usual).len();
            let bare = usual.get(..bare).unwrap_or_default();
            Some(f(usual.as_bytes()) || f(bare.as_bytes()))
        };
        address().unwrap_or_default()
            || f(whole)
            || (bare.len() < whole.len() && f(bare))
            || (dotless.len() < bare.len() && f(dotless))
    }

    fn any_header(&self, field: &HeaderField, f: &mut impl FnMut(&[u8]) -> bool) -> bool {
        match field {
            HeaderField::Named(name) => self.any_line(name, f),
            HeaderField::Method => f(self.request.method.as_str().as_bytes()),
            HeaderField::Authority => f(self.request.authority.as_bytes()),
            HeaderField::Path => f(&self.target()),
            HeaderField::Scheme => f(self.request.scheme.as_bytes()),
        }
    }

    fn any_line(&self, name: &HeaderName, f: &mut impl FnMut(&[u8]) -> bool) -> bool {
        self.fields.lines(name).any(|it| f(&it)) || self.any_spelling(name, f)
    }

    /// What asks for another protocol has no case, and rules are written as
    /// clients write it.
    fn any_spelling(&self, name: &HeaderName, f: &mut impl FnMut(&[u8]) -> bool) -> bool {
        self.request.upgrade.is_some_and(|protocol| match *name {
            UPGRADE => f(protocol.as_bytes()),
            CONNECTION => f(b"Upgrade"),
            _ => false,
        })
    }

    /// Path and query, without parameters that carried a token.
    fn target(&self) -> SmallVec<[u8; 512]> {
        let mut target = SmallVec::from_slice(self.request.path.as_bytes());
        if let Some(query) = self.request.query {
            for (separator, pair) in without_parameters(query, &self.fields.edits.remove_query) {
                // Both separators are ASCII.
                target.push(separator as u8);
                target.extend_from_slice(pair.as_bytes());
            }
        }
        target
    }
}

/// A port as texts are filed: five digits.
pub(super) fn port_digits(port: u16) -> [u8; 5] {
    [10_000, 1_000, 100, 10, 1].map(|unit| b'0' + (port / unit % 10) as u8)
}

/// A text in lower case, which it usually is.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives on the stack for one decision; a box would be an allocation"
)]
enum Lower<'a> {
    Sent(&'a str),
    Made(SmallVec<[u8; 256]>),
}

impl Lower<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Lower::Sent(text) => text.as_bytes(),
            Lower::Made(text) => text,
        }
    }
}

fn lower(text: &str) -> Lower<'_> {
    if text.bytes().any(|it| it.is_ascii_uppercase()) {
        let mut lower = SmallVec::from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        Lower::Made(lower)
    } else {
        Lower::Sent(text)
    }
}
