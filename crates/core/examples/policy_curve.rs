//! Decides requests under sets of AuthorizationPolicies of several shapes, to
//! be counted by `scripts/policy-curve`: `policy_curve SHAPE POLICIES DECISIONS`.
//!
//! Each policy has ten rules. Requests are such as the set was made for and all
//! are let in, so that what is counted is the search and nothing that a refusal
//! adds. Without policies it counts the rest of a decision.

#![expect(clippy::print_stdout, reason = "it says what it did")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use countersign_core::authn::{Family, Missing, Requirement, TokenRule};
use countersign_core::authz::{
    Action, Clause, PathTemplate, Policy, PolicySet, RequestPrincipal, Rule, Test, Text,
};
use countersign_core::filter::Filters;
use countersign_core::host::HostPattern;
use countersign_core::id::{BackendId, ListenerId, PolicySetId, RequirementId, RuleId};
use countersign_core::listener::Listener;
use countersign_core::provider::Provider;
use countersign_core::route::{
    Match, RouteEntry, RouteRule, RouteTable, Timeouts, WeightedBackend,
};
use countersign_core::source::Source;
use countersign_core::{
    Connection, Facts, Keys, NoRecord, Origin, Outcome, Presented, Progress, ProviderId, Request,
    Snapshot, UnixTime, decide_with,
};
use countersign_jose::{Claims, Expect, KeySet, Verified};
use http::{HeaderMap, HeaderValue, Method, Version};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shape, policies, decisions] = &arguments[..] else {
        return Err("policy_curve SHAPE POLICIES DECISIONS".to_owned());
    };
    let number = |it: &str| {
        it.parse::<usize>()
            .map_err(|_| format!("`{it}` is no number"))
    };
    let (policies, decisions) = (number(policies)?, number(decisions)?);
    let list: Result<Vec<Policy>, String> = (0..policies).map(|it| policy(shape, it)).collect();
    let list = list?;
    let start = Instant::now();
    let set = PolicySet::new(list);
    let compiled = start.elapsed();
    let snapshot = snapshot(set);
    let callers = Callers::new(policies.max(1))?;
    let requests: Vec<Asked> = (0..CALLERS)
        .map(|it| Asked::new(shape, it, policies.max(1)))
        .collect();
    let allowed = measured(&snapshot, &callers, &requests, decisions);
    println!(
        "compiled in {} us, {allowed} of {decisions} let in",
        compiled.as_micros()
    );
    Ok(())
}

/// What is counted.
#[inline(never)]
fn measured(snapshot: &Snapshot, callers: &Callers, requests: &[Asked], decisions: usize) -> usize {
    let connection = connection();
    let turns = requests.iter().cycle().take(decisions);
    turns
        .filter(|it| {
            let request = it.request(connection);
            let outcome = decide_with(
                &mut Progress::default(),
                &request,
                snapshot,
                callers,
                UnixTime(0),
                &mut NoRecord,
            );
            matches!(outcome, Outcome::Allow(_))
        })
        .count()
}

/// Requests that take turns.
const CALLERS: usize = 16;
const RULES: usize = 10;

fn policy(shape: &str, number: usize) -> Result<Policy, String> {
    let rules: Result<Vec<Rule>, String> = (0..RULES).map(|it| rule(shape, number, it)).collect();
    let action = match shape {
        "path" | "claim" | "template" => Action::Allow,
        _ => Action::Deny,
    };
    Ok(Policy {
        origin: origin(&format!("policy-{number}")),
        action,
        dry_run: false,
        rules: rules?,
    })
}

fn rule(shape: &str, policy: usize, rule: usize) -> Result<Rule, String> {
    let exact = |text: String| vec![Text::Exact(text.into())];
    let tenant = |text: String| Test::Claim(Box::new(["tenant".into()]), exact(text));
    let host = |policy| Test::Hosts(exact(format!("host-{policy}.example.com")));
    let (from, to, when) = match shape {
        // Each policy guards a host of its own against other tenants.
        "host" => {
            let path = Text::Prefix(format!("/{rule}/").into());
            let to = vec![is(host(policy)), is(Test::Paths(vec![path], Vec::new()))];
            (vec![], to, vec![not(tenant(format!("tenant-{policy}")))])
        }
        // Each policy opens a path of its own to one caller.
        "path" => {
            let path = Text::Prefix(format!("/service-{policy}/{rule}/").into());
            let caller = RequestPrincipal {
                issuer: Text::Exact("https://idp.example.com".into()),
                subject: Text::Exact(format!("caller-{policy}").into()),
            };
            let to = vec![is(host(0)), is(Test::Paths(vec![path], Vec::new()))];
            (vec![is(Test::RequestPrincipals(vec![caller]))], to, vec![])
        }
        // Rules differ in one claim alone.
        "claim" => {
            let to = vec![is(host(0)), is(Test::Methods(exact("GET".to_owned())))];
            (
                vec![],
                to,
                vec![is(tenant(format!("tenant-{policy}-{rule}")))],
            )
        }
        "template" => {
            let path = format!("/{{*}}/{policy}-{rule}/{{**}}");
            let path = PathTemplate::parse(&path).map_err(|it| it.to_string())?;
            let to = vec![is(host(0)), is(Test::Paths(Vec::new(), vec![path]))];
            (vec![], to, vec![is(tenant(format!("tenant-{policy}")))])
        }
        // Each policy blocks a network of its own.
        "address" => {
            let [a, b] = u16::try_from(policy)
                .map_err(|it| it.to_string())?
                .to_be_bytes();
            let text = format!("172.{a}.{b}.{rule}/32");
            let network = text
                .parse()
                .map_err(|_| format!("`{text}` is no network"))?;
            (
                vec![is(Test::ClientAddresses(vec![network]))],
                vec![],
                vec![],
            )
        }
        // Nothing by which rules could be told apart: each is looked at.
        "negated" => {
            let others = not(tenant(format!("tenant-{policy}-{rule}")));
            let path = not(Test::Paths(vec![Text::Prefix("/".into())], Vec::new()));
            (vec![], vec![path], vec![others])
        }
        _ => return Err(format!("`{shape}` is no shape")),
    };
    let some = |clauses: Vec<Clause>| {
        if clauses.is_empty() {
            vec![]
        } else {
            vec![clauses]
        }
    };
    Ok(Rule {
        origin: origin(&format!("policy-{policy} rules[{rule}]")),
        from: some(from),
        to: some(to),
        when,
    })
}

fn is(test: Test) -> Clause {
    Clause {
        field: "field".into(),
        expanded: false,
        negated: false,
        test,
    }
}

fn not(test: Test) -> Clause {
    Clause {
        negated: true,
        ..is(test)
    }
}

/// A request that a policy of the set was made for.
struct Asked {
    authority: String,
    path: String,
    headers: HeaderMap,
}

impl Asked {
    fn new(shape: &str, number: usize, policies: usize) -> Asked {
        let policy = number % policies;
        let path = match shape {
            "path" => format!("/service-{policy}/7/things"),
            "template" => format!("/eu/{policy}-7/things"),
            _ => "/7/things".to_owned(),
        };
        let host = if shape == "host" { policy } else { 0 };
        let mut headers = HeaderMap::new();
        let token = HeaderValue::try_from(format!("Bearer {number}")).ok();
        headers.extend(token.map(|it| (http::header::AUTHORIZATION, it)));
        Asked {
            authority: format!("host-{host}.example.com"),
            path,
            headers,
        }
    }

    fn request<'a>(&'a self, connection: Connection<'a>) -> Request<'a> {
        Request {
            listener: ListenerId(0),
            scheme: "https",
            method: &Method::GET,
            authority: &self.authority,
            host: &self.authority,
            path: &self.path,
            query: None,
            headers: &self.headers,
            connection,
            version: Version::HTTP_11,
            upgrade: None,
            client: connection.peer.ip(),
        }
    }
}

fn connection() -> Connection<'static> {
    let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port);
    Connection {
        peer: at(40_000),
        local: at(443),
        sni: None,
        tls: None,
        identity: None,
    }
}

/// Tokens that were verified before, by their number.
struct Callers {
    keys: KeySet,
    claims: Vec<Verified<Claims>>,
}

impl Callers {
    fn new(policies: usize) -> Result<Callers, String> {
        let claims = (0..CALLERS).map(|number| {
            let policy = number % policies;
            let json = format!(
                r#"{{"iss":"https://idp.example.com","sub":"caller-{policy}","tenant":["tenant-{policy}","tenant-{policy}-7"]}}"#
            );
            let claims = Claims::parse(json.as_bytes()).map_err(|it| it.code().to_owned())?;
            Ok(Verified::dangerous_unverified(claims))
        });
        Ok(Callers {
            keys: KeySet::empty(),
            claims: claims.collect::<Result<_, String>>()?,
        })
    }
}

impl Facts for Callers {
    fn keys(&self, _: ProviderId) -> Keys<'_> {
        Keys::Ready {
            set: &self.keys,
            generation: 0,
        }
    }

    fn verified(&self, _: ProviderId, _: u64, token: &Presented<'_>) -> Option<Verified<Claims>> {
        self.claims
            .get(token.text().parse::<usize>().ok()?)
            .cloned()
    }
}

fn snapshot(set: PolicySet) -> Snapshot {
    let rule = TokenRule {
        origin: origin("jwt"),
        provider: ProviderId(0),
        sources: Source::defaults().into(),
        forward: false,
        payload_header: None,
        claim_headers: Box::default(),
        space_delimited: Box::default(),
        required: false,
    };
    let requirement =
        Requirement::new(origin("jwt"), vec![rule], Missing::Anonymous, Family::Istio);
    let entry = RouteEntry {
        host: HostPattern::Any,
        matches: Match::default(),
        rule: RuleId(0),
        jwt: None,
        rbac: None,
        age: 0,
    };
    let listener = Listener {
        origin: origin("listener"),
        name: "default/gateway/http".into(),
        host: HostPattern::Any,
        mode: Default::default(),
        routes: RouteTable::new(vec![entry]),
        istio: Some(RequirementId(0)),
        jwt: None,
        policies: (!set.policies().is_empty()).then_some(PolicySetId(0)),
        rbac: None,
        identity: Default::default(),
        routes_on_identity: false,
        normalization: Default::default(),
        proxies: Default::default(),
        closed: None,
    };
    let route = RouteRule {
        origin: origin("route"),
        name: "default/route/0".into(),
        filters: Filters::default(),
        backends: Box::new([WeightedBackend {
            backend: Some(BackendId(0)),
            weight: 1,
            filters: Filters::default(),
        }]),
        timeouts: Timeouts::default(),
        closed: None,
    };
    let provider = Provider {
        origin: origin("provider"),
        name: "idp".into(),
        expect: Expect::default(),
        remote: false,
        unavailable: "",
    };
    Snapshot {
        listeners: Box::new([listener]),
        rules: Box::new([route]),
        providers: Box::new([provider]),
        requirements: Box::new([requirement]),
        policies: Box::new([set]),
        ..Snapshot::default()
    }
}

fn origin(name: &str) -> Arc<Origin> {
    Arc::new(Origin {
        kind: "AuthorizationPolicy",
        namespace: "default".into(),
        name: name.into(),
        part: "".into(),
        file: "policies.yaml".into(),
        line: 1,
    })
}
