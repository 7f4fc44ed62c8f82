//! A gateway with one listener, compiled as the configuration would be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use countersign_core::authn::{ClaimHeader, Family, Missing, Requirement, TokenRule};
use countersign_core::authz::{
    Dialect, Expression, ExpressionRule, Join, PolicySet, Rbac, RuleAction, RuleSet,
};
use countersign_core::filter::Filters;
use countersign_core::host::HostPattern;
use countersign_core::id::{
    BackendId, ListenerId, PolicySetId, RbacId, RequirementId, RuleId, SocketId,
};
use countersign_core::listener::{IdentityHeaders, Listener, Socket};
use countersign_core::provider::Provider;
use countersign_core::route::{
    Match, PathMatch, RouteEntry, RouteRule, RouteTable, TextMatch, Timeouts, WeightedBackend,
};
use countersign_core::source::Source;
use countersign_core::{Connection, Origin, ProviderId, Snapshot};
use countersign_expression::Program;
use countersign_jose::{Audiences, Expect};
use http::HeaderName;

use super::requests::ISSUER;

pub(super) const SOCKET: SocketId = SocketId(0);

/// The connection that all requests come in on.
pub(super) const CONNECTION: Connection<'static> = Connection {
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 80),
    sni: None,
    tls: None,
    identity: None,
};

/// What a gateway has; the default has one route for everything.
#[derive(Default)]
pub(super) struct Gateway {
    pub(super) token: Option<Token>,
    pub(super) policies: PolicySet,
    pub(super) expression: Option<&'static str>,
    /// None: one for everything.
    pub(super) routes: Vec<RouteEntry>,
}

/// A token that each request must carry.
pub(super) struct Token {
    /// Whether claims go to headers.
    pub(super) headers: bool,
    /// How many rules may accept it.
    pub(super) rules: usize,
}

impl Gateway {
    pub(super) fn snapshot(self) -> Result<Snapshot, String> {
        let requirement = self.token.as_ref().map(Token::requirement);
        let requirement = requirement.transpose()?;
        let rbac = self.expression.map(rbac).transpose()?;
        let mut entries = self.routes;
        if entries.is_empty() {
            entries.push(entry(HostPattern::Any, Match::default(), 0));
        }
        for entry in &mut entries {
            entry.rbac = rbac.as_ref().map(|_| RbacId(0));
        }
        let rules = (0..entries.len()).map(rule).collect();
        let identity = requirement.iter().flat_map(Requirement::output_headers);
        let listener = Listener {
            origin: origin("Gateway", "gateway"),
            name: "default/gateway/http".into(),
            host: HostPattern::Any,
            mode: Default::default(),
            identity: IdentityHeaders::new(identity),
            routes: RouteTable::new(entries),
            istio: None,
            jwt: None,
            policies: (!self.policies.policies().is_empty()).then_some(PolicySetId(0)),
            rbac: None,
            routes_on_identity: false,
            normalization: Default::default(),
            proxies: Default::default(),
            closed: None,
        };
        let istio = requirement.as_ref().map(|_| RequirementId(0));
        Ok(Snapshot {
            sockets: [Socket {
                port: 80,
                tls: false,
                listeners: [ListenerId(0)].into(),
            }]
            .into(),
            listeners: [Listener { istio, ..listener }].into(),
            rules,
            providers: [provider()].into(),
            requirements: requirement.into_iter().collect(),
            policies: [self.policies].into(),
            rbacs: rbac.into_iter().collect(),
            ..Snapshot::default()
        })
    }
}

impl Token {
    fn requirement(&self) -> Result<Requirement, String> {
        let pairs: &[(&str, &str)] = if self.headers { &CLAIM_HEADERS } else { &[] };
        let copies = pairs.iter().map(|(header, claim)| {
            let header = HeaderName::try_from(*header).map_err(|it| it.to_string())?;
            let path = claim.split('.').map(Into::into).collect();
            Ok(ClaimHeader { header, path })
        });
        let rule = TokenRule {
            origin: origin("RequestAuthentication", "jwt"),
            provider: ProviderId(0),
            sources: Source::defaults().into(),
            forward: false,
            payload_header: None,
            claim_headers: copies.collect::<Result<_, String>>()?,
            space_delimited: Box::default(),
            required: true,
        };
        let origin = rule.origin.clone();
        Ok(Requirement::new(
            origin,
            vec![rule; self.rules],
            Missing::Refuse,
            Family::Istio,
        ))
    }
}

const CLAIM_HEADERS: [(&str, &str); 4] = [
    ("x-user", "sub"),
    ("x-email", "email"),
    ("x-role", "role"),
    ("x-groups", "groups"),
];

fn provider() -> Provider {
    Provider {
        origin: origin("RequestAuthentication", "jwt"),
        name: ISSUER.into(),
        expect: Expect {
            issuer: Some(ISSUER.into()),
            audiences: Audiences::istio(["api"]),
            skew: 60,
            ..Expect::default()
        },
        remote: false,
        unavailable: "",
    }
}

/// The condition of a route as kgateway would have it.
fn rbac(source: &str) -> Result<Rbac, String> {
    let environment = Dialect::Envoy.environment();
    let program = Program::compile(source, environment).map_err(|it| format!("{it:?}"))?;
    let origin = origin("TrafficPolicy", "rbac");
    let rule = ExpressionRule {
        origin: origin.clone(),
        action: RuleAction::Allow,
        join: Join::Any,
        dialect: Dialect::Envoy,
        expressions: [Expression {
            origin,
            program,
            written: None,
        }]
        .into(),
        allowed: None,
        blocked: None,
    };
    Ok(Rbac {
        sets: [RuleSet::new(vec![Arc::new(rule)])].into(),
    })
}

/// Routes that differ in one thing: `host`, `path` (a prefix each) or `header` (one value each, on one path).
pub(crate) fn routes(kind: &str, number: usize) -> Result<Vec<RouteEntry>, String> {
    let host = |number| HostPattern::Exact(format!("host-{number}.example.com").into());
    let prefix = |text: String| PathMatch::Prefix(text.into());
    let one = |number: usize| {
        let (host, matches) = match kind {
            "host" => (host(number), Match::default()),
            "path" => {
                let path = prefix(format!("/service-{number}"));
                let matches = Match {
                    path,
                    ..Match::default()
                };
                (host(0), matches)
            }
            "header" => {
                let value = TextMatch::Exact(number.to_string().into());
                let matches = Match {
                    headers: [(HeaderName::from_static("x-number"), value)].into(),
                    ..Match::default()
                };
                (host(0), matches)
            }
            _ => return Err(format!("`{kind}` is no kind of route")),
        };
        Ok(entry(host, matches, number))
    };
    (0..number).map(one).collect()
}

fn entry(host: HostPattern, matches: Match, rule: usize) -> RouteEntry {
    RouteEntry {
        host,
        matches,
        rule: RuleId(u32::try_from(rule).unwrap_or(u32::MAX)),
        jwt: None,
        rbac: None,
        age: 0,
    }
}

fn rule(number: usize) -> RouteRule {
    RouteRule {
        origin: origin("HTTPRoute", "route"),
        name: format!("default/route/{number}").into(),
        filters: Filters::default(),
        backends: [WeightedBackend {
            backend: Some(BackendId(0)),
            weight: 1,
            filters: Filters::default(),
        }]
        .into(),
        timeouts: Timeouts::default(),
        closed: None,
    }
}

pub(super) fn origin(kind: &'static str, name: &str) -> Arc<Origin> {
    Arc::new(Origin {
        kind,
        namespace: "default".into(),
        name: name.into(),
        part: "".into(),
        file: "gateway.yaml".into(),
        line: 1,
    })
}
