//! A small world for decisions: one listener, two issuers, and facts that the test sets.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use countersign_core::authn::{ClaimHeader, Family, Missing, Requirement, TokenRule};
use countersign_core::backend::{AppProtocol, Backend, Endpoint};
use countersign_core::filter::Filters;
use countersign_core::host::HostPattern;
use countersign_core::id::{BackendId, ListenerId, RequirementId, RuleId, SocketId};
use countersign_core::listener::{IdentityHeaders, Listener, Socket};
use countersign_core::provider::Provider;
use countersign_core::route::{
    Match, PathMatch, RouteEntry, RouteRule, RouteTable, TextMatch, Timeouts, WeightedBackend,
};
use countersign_core::source::Source;
use countersign_core::{
    Arrival, Connection, Decision, Denial, Facts, Keys, Origin, Outcome, Prepared, Presented,
    ProviderId, Request, Snapshot, Trace, UnixTime, decide, prepare,
};
use countersign_jose::{Claims, Expect, KeySet, Symmetric, Verified};
use countersign_testkit::mint::{Key, Kind, jwks};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

pub const NOW: u64 = 1_800_000_000;
pub const ALPHA: &str = "https://alpha.test";
pub const BETA: &str = "https://beta.test";

/// A cleartext connection from this machine.
pub const CLEAR: Connection<'static> = Connection {
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
    sni: None,
    tls: None,
    identity: None,
};

pub fn origin(name: &str) -> Arc<Origin> {
    let text = |it: &str| Arc::from(it);
    Arc::new(Origin {
        kind: "RequestAuthentication",
        namespace: text("test"),
        name: text(name),
        part: text(""),
        file: text("test.yaml"),
        line: 1,
    })
}

pub fn alpha() -> Key {
    Key::new(Kind::P256, "alpha")
}

pub fn beta() -> Key {
    Key::new(Kind::P256, "beta")
}

pub fn claims(issuer: &str, subject: &str) -> Value {
    json!({"iss": issuer, "sub": subject, "exp": NOW + 600, "team": "dev", "level": 7,
           "roles": ["a", "b"], "org": {"name": "acme"}})
}

pub fn alpha_token(subject: &str) -> String {
    alpha().token(&claims(ALPHA, subject))
}

pub fn beta_token(subject: &str) -> String {
    beta().token(&claims(BETA, subject))
}

fn provider(issuer: &str, remote: bool) -> Provider {
    let expect = Expect {
        issuer: Some(issuer.into()),
        skew: 60,
        ..Expect::default()
    };
    let unavailable = "Jwks remote fetch is failed";
    Provider {
        origin: origin(issuer),
        name: issuer.into(),
        expect,
        remote,
        unavailable,
    }
}

pub fn rule(provider: u32, sources: impl Into<Box<[Source]>>) -> TokenRule {
    TokenRule {
        origin: origin(&format!("rule-{provider}")),
        provider: ProviderId(provider),
        sources: sources.into(),
        forward: false,
        payload_header: None,
        claim_headers: Box::default(),
        space_delimited: Box::default(),
        required: false,
    }
}

pub fn copies(mut rule: TokenRule, pairs: &[(&str, &str)]) -> TokenRule {
    rule.claim_headers = pairs
        .iter()
        .map(|(header, claim)| ClaimHeader {
            header: HeaderName::try_from(*header).unwrap(),
            path: claim.split('.').map(Into::into).collect(),
        })
        .collect();
    rule
}

pub fn header(name: &str, prefix: &str) -> Source {
    Source::Header {
        name: name.into(),
        prefix: prefix.into(),
    }
}

pub fn istio(rules: Vec<TokenRule>) -> Requirement {
    Requirement::new(origin("istio"), rules, Missing::Anonymous, Family::Istio)
}

pub fn strict(rules: Vec<TokenRule>) -> Requirement {
    Requirement::new(origin("strict"), rules, Missing::Refuse, Family::Kgateway)
}

/// A route of the world: path prefix, header condition, requirement.
pub struct Route<'a>(pub &'a str, pub Option<(&'a str, &'a str)>, pub Option<u32>);

/// A listener with these requirements and routes; `gateway` holds where no route says otherwise.
pub struct World {
    pub snap: Snapshot,
    pub facts: Knowledge,
}

impl World {
    pub fn new(
        requirements: Vec<Requirement>,
        istio: Option<u32>,
        gateway: Option<u32>,
        routes: &[Route<'_>],
    ) -> World {
        let identity =
            IdentityHeaders::new(requirements.iter().flat_map(Requirement::output_headers));
        let routes_on_identity = routes
            .iter()
            .any(|it| it.1.is_some_and(|(name, _)| identity.contains(name)));
        let entries = routes
            .iter()
            .enumerate()
            .map(|(index, it)| entry(index, it))
            .collect();
        let listener = Listener {
            origin: origin("listener"),
            name: "test/gateway/http".into(),
            host: HostPattern::Any,
            mode: Default::default(),
            routes: RouteTable::new(entries),
            istio: istio.map(RequirementId),
            jwt: gateway.map(RequirementId),
            policies: None,
            rbac: None,
            identity,
            routes_on_identity,
            normalization: Default::default(),
            proxies: Default::default(),
            closed: None,
        };
        let snap = Snapshot {
            sockets: [Socket {
                port: 80,
                tls: false,
                listeners: [ListenerId(0)].into(),
            }]
            .into(),
            listeners: [listener].into(),
            rules: routes.iter().map(|it| route_rule(it.0)).collect(),
            backends: [backend()].into(),
            providers: [provider(ALPHA, false), provider(BETA, true)].into(),
            requirements: requirements.into(),
            policies: Box::default(),
            rbacs: Box::default(),
        };
        World {
            snap,
            facts: Knowledge::default(),
        }
    }

    /// One requirement for the whole gateway and one route for everything.
    pub fn istio(rules: Vec<TokenRule>) -> World {
        World::new(vec![istio(rules)], Some(0), None, &[Route("/", None, None)])
    }

    pub fn strict(rules: Vec<TokenRule>) -> World {
        World::new(
            vec![strict(rules)],
            None,
            Some(0),
            &[Route("/", None, Some(0))],
        )
    }

    pub fn prepare(&self, parts: &mut Parts) -> Result<Prepared, Denial> {
        let arrival = Arrival {
            socket: SocketId(0),
            tls: None,
            connection: CLEAR,
        };
        prepare(&self.snap, &arrival, parts)
    }

    pub fn ask(&self, request: http::request::Builder) -> Answer {
        let mut parts = request.body(()).unwrap().into_parts().0;
        let prepared = match self.prepare(&mut parts) {
            Ok(prepared) => prepared,
            Err(denial) => return Answer::refused(denial, Trace::default()),
        };
        let request = Request::new(&parts, &prepared, CLEAR);
        let Decision { outcome, trace, .. } =
            decide(&request, &self.snap, &self.facts, UnixTime(NOW));
        match outcome {
            Outcome::Allow(grant) => {
                let rule = grant.rule.name.to_string();
                grant.edits.apply(&mut parts);
                Answer {
                    status: 200,
                    body: rule,
                    parts: Some(parts),
                    challenge: None,
                    detail: String::new(),
                    denied_route: None,
                    trace,
                }
            }
            Outcome::Deny(denial) => Answer::refused(denial, trace),
            Outcome::Need(need) => panic!("decide() asked for {need:?}"),
        }
    }

    pub fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(get(target, headers))
    }
}

pub fn get(target: &str, headers: &[(&str, &str)]) -> http::request::Builder {
    let request = http::Request::builder()
        .method(Method::GET)
        .uri(target)
        .header("host", "h.test");
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

fn entry(index: usize, route: &Route<'_>) -> RouteEntry {
    let headers = route.1.map(|(name, value)| {
        (
            HeaderName::try_from(name).unwrap(),
            TextMatch::Exact(value.into()),
        )
    });
    RouteEntry {
        host: HostPattern::Any,
        matches: Match {
            path: PathMatch::Prefix(route.0.trim_end_matches('/').into()),
            headers: headers.into_iter().collect(),
            ..Match::default()
        },
        rule: RuleId(index as u32),
        jwt: route.2.map(RequirementId),
        rbac: None,
        age: 0,
    }
}

fn route_rule(name: &str) -> RouteRule {
    let backend = WeightedBackend {
        backend: Some(BackendId(0)),
        weight: 1,
        filters: Filters::default(),
    };
    RouteRule {
        origin: origin(name),
        name: name.into(),
        filters: Filters::default(),
        backends: [backend].into(),
        timeouts: Timeouts::default(),
        closed: None,
    }
}

fn backend() -> Backend {
    let endpoint = Endpoint {
        host: "127.0.0.1".into(),
        port: 1,
    };
    Backend {
        origin: origin("backend"),
        name: "test/backend".into(),
        protocol: AppProtocol::Http,
        endpoints: [endpoint].into(),
        tls: None,
    }
}

/// What came of a request.
pub struct Answer {
    pub status: u16,
    /// Body of a refusal, or the rule's name.
    pub body: String,
    pub challenge: Option<String>,
    /// What only the log is told.
    pub detail: String,
    /// The route that a refused request had found.
    pub denied_route: Option<RuleId>,
    pub parts: Option<Parts>,
    pub trace: Trace,
}

impl Answer {
    fn refused(denial: Denial, trace: Trace) -> Answer {
        Answer {
            status: denial.reason.status().as_u16(),
            body: denial.reason.body().into_owned(),
            challenge: denial.challenge.map(Into::into),
            detail: denial.detail.into(),
            denied_route: denial.route,
            parts: None,
            trace,
        }
    }

    /// Status and body, for tables.
    pub fn brief(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    /// All values of a header that the upstream would see.
    pub fn upstream(&self, name: &str) -> Vec<String> {
        let parts = self.parts.as_ref().expect("the request was let through");
        let values = parts.headers.get_all(name).iter();
        values
            .map(|it: &HeaderValue| String::from_utf8_lossy(it.as_bytes()).into_owned())
            .collect()
    }

    pub fn target(&self) -> String {
        self.parts
            .as_ref()
            .expect("the request was let through")
            .uri
            .to_string()
    }
}

/// Facts in a test's hand.
pub struct Knowledge {
    pub sets: [State; 2],
    pub cache: RefCell<HashMap<(u32, u64, String), Verified<Claims>>>,
}

pub enum State {
    Ready(KeySet, u64),
    Pending,
    Unavailable,
}

impl Default for Knowledge {
    fn default() -> Self {
        Knowledge {
            sets: [ready(&[&alpha()], 1), ready(&[&beta()], 1)],
            cache: RefCell::default(),
        }
    }
}

pub fn ready(keys: &[&Key], generation: u64) -> State {
    let set = KeySet::from_jwks(jwks(keys).as_bytes(), Symmetric::Refuse).unwrap();
    State::Ready(set, generation)
}

impl Facts for Knowledge {
    fn keys(&self, provider: ProviderId) -> Keys<'_> {
        match &self.sets[provider.0 as usize % 2] {
            State::Ready(set, generation) => Keys::Ready {
                set,
                generation: *generation,
            },
            State::Pending => Keys::Pending,
            State::Unavailable => Keys::Unavailable,
        }
    }

    fn verified(
        &self,
        provider: ProviderId,
        generation: u64,
        token: &Presented<'_>,
    ) -> Option<Verified<Claims>> {
        self.cache
            .borrow()
            .get(&(provider.0, generation, token.text().to_owned()))
            .cloned()
    }
}
