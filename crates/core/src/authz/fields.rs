//! The headers of a request as its backend will get them, which is what policies and expressions
//! see: without tokens that are taken away, with what claims set, and with what the gateway says
//! itself in place of what the client said.

use std::borrow::Cow;

use http::header::{AsHeaderName, CONNECTION, UPGRADE};
use http::{HeaderName, HeaderValue};

use crate::authn::Edits;
use crate::headers::{self, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::request::Request;

/// The headers of one request.
pub(super) struct Fields<'a> {
    pub(super) request: &'a Request<'a>,
    /// `X-Forwarded-Proto` of this peer is believed.
    pub(super) trusted: bool,
    /// What tokens changed so far.
    pub(super) edits: &'a Edits,
}

impl<'a> Fields<'a> {
    /// Each line of a header, whose name may be in any case.
    pub(super) fn lines<N>(&self, name: N) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a, N>
    where
        N: AsHeaderName + AsRef<str> + Copy,
    {
        let edits = self.edits;
        let is = move |it: &HeaderName| it.as_str().eq_ignore_ascii_case(name.as_ref());
        let own = self.own(name.as_ref());
        let others = own.is_none().then(|| {
            let taken = edits.remove_headers.iter().any(is);
            let sent = (!taken).then(|| self.request.headers.get_all(name).iter());
            let told = edits.identity.iter().filter(move |(it, _)| is(it));
            sent.into_iter().flatten().chain(told.map(|(_, it)| it))
        });
        let others = others.into_iter().flatten();
        own.into_iter()
            .chain(others.map(|it| Cow::Borrowed(it.as_bytes())))
    }

    /// The names of all headers there are, some of them twice.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a HeaderName> + use<'a> {
        let edits = self.edits;
        let sent = self.request.headers.keys();
        let sent = sent.filter(|it| !edits.remove_headers.contains(it));
        let told = edits.identity.iter().map(|(name, _)| name);
        let switch = self.request.upgrade.map(|_| &SWITCH).into_iter().flatten();
        sent.chain(told).chain(&ALWAYS).chain(switch)
    }

    /// What the gateway says, whatever the client has said.
    fn own(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let is = |it: &HeaderName| it.as_str().eq_ignore_ascii_case(name);
        let Request {
            headers,
            connection,
            scheme,
            upgrade,
            ..
        } = *self.request;
        if is(&X_FORWARDED_FOR) {
            let list = headers::forwarded_for(headers, connection.peer.ip());
            return Some(Cow::Owned(list.into_vec()));
        }
        if is(&X_FORWARDED_PROTO) {
            let own = !headers::keeps_proto(headers, self.trusted);
            return own.then_some(Cow::Borrowed(scheme.as_bytes()));
        }
        if is(&UPGRADE) {
            return upgrade.map(lower);
        }
        let switches = is(&CONNECTION) && upgrade.is_some();
        switches.then_some(Cow::Borrowed(b"upgrade"))
    }
}

/// Protocols have no case (RFC 9110 section 7.8).
fn lower(protocol: &HeaderValue) -> Cow<'_, [u8]> {
    let bytes = protocol.as_bytes();
    if bytes.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(bytes.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bytes)
    }
}

/// What a backend is told of every connection.
static ALWAYS: [HeaderName; 2] = [X_FORWARDED_FOR, X_FORWARDED_PROTO];
/// What a request has that asks for another protocol.
static SWITCH: [HeaderName; 2] = [CONNECTION, UPGRADE];
