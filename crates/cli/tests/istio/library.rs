//! The library as a door: a loaded configuration, `prepare` and `decide`, no socket anywhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use countersign_config::compiled::{Compiled, KeyLocation, KeySource};
use countersign_config::source::Text;
use countersign_config::{Loaded, load};
use countersign_core::connection::TlsVersion;
use countersign_core::id::{ListenerId, SocketId};
use countersign_core::{
    Arrival, Connection, Denial, Facts, Keys, Outcome, Presented, ProviderId, Reason, Request,
    decide, headers, prepare,
};
use countersign_jose::{Claims, KeySet, Symmetric, Verified};
use countersign_runtime::clock::now;
use countersign_testkit::agreement::compare;
use countersign_testkit::client::Response;
use countersign_testkit::corpus::{Istio, IstioRequest};
use countersign_testkit::wire::Headers;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;

use crate::certificates::{Certificates, SERVER, names};
use crate::differences::Disagreement;
use crate::group::{Group, Ports, is_parser, level};
use crate::keys::{GOOD, key_set};

/// Nothing listens on any of them.
pub(crate) const PORTS: Ports = Ports {
    gateway: 8080,
    upstream: 8000,
    keys: 8090,
};

/// Loads the configuration of a group.
pub(crate) fn loaded(group: &Group) -> Loaded {
    let files = group.files(PORTS, Certificates::all());
    let texts = files.into_iter().map(|(name, content)| Text {
        name: name.to_owned(),
        content,
    });
    load(texts.collect(), &|_| None)
}

/// How a case disagrees; `None` when it does not.
pub(crate) fn ask(compiled: &Compiled, case: &Istio) -> Option<Disagreement> {
    let (answer, admitted) = match decided(compiled, &case.request) {
        Ok(parts) => (echo(&parts), true),
        Err(denial) => (refusal(&denial, &case.request.method), false),
    };
    let port = PORTS.gateway;
    let why = match is_parser(case) {
        true => admitted.then(|| "admitted".to_owned()),
        false => compare(&case.expect, &answer, admitted, level(case), port),
    };
    Some(Disagreement {
        why: why?,
        status: Some(answer.status),
        admitted,
    })
}

/// What the upstream gets.
fn decided(compiled: &Compiled, case: &IstioRequest) -> Result<Parts, Denial> {
    let mut parts = parts(case)?;
    let address = |text: &Option<String>| -> IpAddr {
        let text = text.as_deref();
        text.map_or(Ipv4Addr::LOCALHOST.into(), |it| {
            it.parse().expect("an address")
        })
    };
    let identity = case.tls.as_ref().and_then(names);
    let is_tls = case.tls.is_some();
    let arrival = Arrival {
        socket: SocketId(0),
        tls: is_tls.then_some(ListenerId(0)),
        connection: Connection {
            peer: SocketAddr::new(address(&case.client_ip), 40_000),
            local: SocketAddr::new(address(&case.connect_ip), PORTS.gateway),
            sni: is_tls.then_some(SERVER),
            tls: is_tls.then_some(TlsVersion::Tls13),
            identity: identity.as_ref(),
        },
    };
    let prepared = prepare(&compiled.snapshot, &arrival, &mut parts)?;
    let request = Request::new(&parts, &prepared, arrival.connection);
    let decision = decide(&request, &compiled.snapshot, &Known::of(compiled), now());
    let grant = match decision.outcome {
        Outcome::Allow(grant) => grant,
        Outcome::Deny(denial) => return Err(denial),
        Outcome::Need(need) => panic!("{need:?} after a whole decision"),
    };
    grant.edits.apply(&mut parts);
    headers::forward(&mut parts.headers, prepared.peer, prepared.scheme, false);
    Ok(parts)
}

/// The head of the request as the server's parser would hand it on.
fn parts(case: &IstioRequest) -> Result<Parts, Denial> {
    let bad = |detail| Denial::because(Reason::BadRequest, detail);
    let target = PORTS.fill(&case.path);
    // What stands after `#` never reaches the core: the server's parser refuses it.
    if target.contains('#') || !target.is_ascii() {
        return Err(bad("the target is no URI"));
    }
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = Method::from_bytes(case.method.as_bytes()).map_err(|_| bad("the method"))?;
    parts.uri = target.parse().map_err(|_| bad("the target"))?;
    let host = ("host", case.host.as_str());
    let others = case
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in [host].into_iter().chain(others) {
        let name = HeaderName::try_from(name).map_err(|_| bad("a name"))?;
        let value = PORTS.fill(value);
        let value = HeaderValue::try_from(value.trim_matches([' ', '\t']));
        parts
            .headers
            .append(name, value.map_err(|_| bad("a value"))?);
    }
    Ok(parts)
}

fn echo(parts: &Parts) -> Response {
    let text = |it: &HeaderValue| {
        it.as_bytes()
            .iter()
            .copied()
            .map(char::from)
            .collect::<String>()
    };
    let pairs = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)));
    let body = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.to_string(),
        "headers": pairs.collect::<Vec<_>>(),
    });
    Response {
        status: 200,
        headers: Headers::default(),
        body: body.to_string().into_bytes(),
        trailers: Headers::default(),
    }
}

fn refusal(denial: &Denial, method: &str) -> Response {
    let body = match method {
        "HEAD" => Vec::new(),
        _ => denial.reason.body().as_bytes().to_vec(),
    };
    let challenge = denial.challenge.iter();
    let challenge = challenge.map(|it| ("www-authenticate".to_owned(), it.to_string()));
    Response {
        status: denial.reason.status().as_u16(),
        headers: Headers(challenge.collect()),
        body,
        trailers: Headers::default(),
    }
}

/// Keys as the running gateway has them once it has tried to fetch them.
struct Known(Vec<Option<Arc<KeySet>>>);

impl Known {
    fn of(compiled: &Compiled) -> Self {
        let fetched = |location: &KeyLocation| match location {
            KeyLocation::Jwks(url) => url.ends_with(GOOD).then(|| {
                Arc::new(
                    KeySet::from_jwks(key_set().as_bytes(), Symmetric::Refuse).expect("a key set"),
                )
            }),
            KeyLocation::Discovery(_) => None,
        };
        let sets = compiled.keys.iter().map(|source| match source {
            KeySource::Inline(set) => Some(Arc::clone(set)),
            KeySource::Remote(remote) => fetched(&remote.location),
        });
        Self(sets.collect())
    }
}

impl Facts for Known {
    fn keys(&self, provider: ProviderId) -> Keys<'_> {
        match self.0.get(provider.0 as usize) {
            Some(Some(set)) => Keys::Ready { set, generation: 1 },
            _ => Keys::Unavailable,
        }
    }

    fn verified(&self, _: ProviderId, _: u64, _: &Presented<'_>) -> Option<Verified<Claims>> {
        None
    }
}
