//! What the gateway would answer, with everything that explains it.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::authz::Remark;
use countersign_core::listener::Listener;
use countersign_core::origin::Origin;
use countersign_core::request::Prepared;
use countersign_core::route::RouteRule;
use countersign_core::{ProviderId, Reason, Trace};
use countersign_jose::Claims;
use http::request::Parts;

/// The answer to one question.
#[derive(Debug)]
pub struct Answer<'c> {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Why, in one word.
    pub reason: Reason,
    /// The rule that refused, where one did.
    pub rule: Option<Arc<Origin>>,
    /// More about a refusal; never a token.
    pub detail: Box<str>,
    /// What the client gets where the gateway itself answers.
    pub reply: Option<Reply>,
    /// The listener, where one was found.
    pub listener: Option<&'c Listener>,
    /// The Gateway's port.
    pub port: u16,
    /// The route rule that was found.
    pub route: Option<&'c RouteRule>,
    /// What a backend gets.
    pub upstream: Option<Upstream>,
    /// Where a connection goes whose bytes are passed on unread; `None` for requests.
    pub passed_to: Option<Vec<(Option<Arc<str>>, u32)>>,
    /// The steps of the decision.
    pub trace: Trace,
    /// What policies under trial would do, and what audits note.
    pub remarks: Vec<Remark>,
    /// The request as policies saw it; `None` where it did not get that far.
    pub seen: Option<Seen>,
    /// Names in the client's certificate that policies look at.
    pub principals: Vec<String>,
    /// How many of them are URIs.
    pub uri_names: usize,
    /// These names were taken as verified, and no certificate was seen.
    pub principals_taken: bool,
    /// Claims of the tokens in the request, whoever wrote them.
    pub claims: Vec<Claims>,
    /// Some claims were taken as verified, and no signature was checked.
    pub stand_in: bool,
    /// Providers whose keys are not known: the answer holds if their signatures are good.
    pub assumed: Vec<ProviderId>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A backend gets it.
    Forward,
    /// A redirect filter answers.
    Redirect,
    /// A CORS filter answers a preflight.
    Preflight,
    /// It is refused.
    Refuse,
}

/// An answer of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers that say something: challenge, location, CORS.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// A request as a backend gets it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Backends with their weights; `None` where a reference did not resolve.
    pub backends: Vec<(Option<Arc<str>>, u32)>,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, in the order of the wire.
    pub headers: Vec<(String, String)>,
    /// Client headers that the backend does not get, each with why.
    pub removed: Vec<(String, Removal)>,
    /// Headers that tokens set.
    pub identity: Vec<String>,
    /// Headers and parameters that may carry a credential: not to be shown.
    pub private: Vec<String>,
}

/// Why a header is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Only the gateway may say who is calling.
    Identity,
    /// It concerns the client's connection alone.
    Connection,
    /// It carried a token that is not to be forwarded.
    Token,
    /// A filter of the route removes it.
    Filter,
}

/// A request after the first steps.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, normal path, remaining headers.
    pub parts: Parts,
    /// Host and addresses.
    pub prepared: Prepared,
    /// The target as the client sent it.
    pub sent: String,
}

impl Seen {
    /// The client's address, as policies see it.
    pub fn client(&self) -> IpAddr {
        self.prepared.client
    }
}

impl Answer<'_> {
    /// The status that the client gets from the gateway; of a backend's own answer nothing is known.
    pub fn status(&self) -> Option<u16> {
        self.reply.as_ref().map(|reply| reply.status)
    }

    /// Whether every policy let the request pass.
    pub fn is_allowed(&self) -> bool {
        self.verdict != Verdict::Refuse
    }
}

impl Verdict {
    /// As JSON says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Redirect => "redirect",
            Self::Preflight => "preflight",
            Self::Refuse => "refuse",
        }
    }
}

impl Removal {
    /// In words.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Identity => "only the gateway may say who is calling",
            Self::Connection => "it concerns the client's connection alone",
            Self::Token => "the token is not forwarded",
            Self::Filter => "a filter of the route removes it",
        }
    }
}
