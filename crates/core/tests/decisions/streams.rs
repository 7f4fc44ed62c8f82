//! Connections whose bytes are passed on unread: policies first, then the route by server name.

use countersign_core::authz::{Action, Clause, Policy, PolicySet, Rule, Test, Text};
use countersign_core::connection::TlsVersion;
use countersign_core::host::HostPattern;
use countersign_core::id::{BackendId, ListenerId, PolicySetId, RuleId};
use countersign_core::listener::{Listener, Mode};
use countersign_core::route::{Match, RouteEntry, RouteRule, RouteTable, WeightedBackend};
use countersign_core::{Connection, NoRecord, Reason, Snapshot, Trace, decide_stream};

use super::world::origin;

fn rule(name: &str, weight: u32) -> RouteRule {
    RouteRule {
        origin: origin(name),
        name: name.into(),
        filters: Default::default(),
        backends: Box::new([WeightedBackend {
            backend: Some(BackendId(0)),
            weight,
            filters: Default::default(),
        }]),
        timeouts: Default::default(),
        closed: None,
    }
}

/// A listener with a route for each host, the last of which goes nowhere.
fn snapshot(hosts: &[&str], policies: &[Policy]) -> Snapshot {
    let entries = (0u32..).zip(hosts).map(|(index, host)| RouteEntry {
        host: HostPattern::new(host),
        matches: Match::default(),
        rule: RuleId(index),
        jwt: None,
        rbac: None,
        age: index.into(),
    });
    let listener = Listener {
        origin: origin("listener"),
        name: "test/gateway/tls".into(),
        host: HostPattern::Any,
        mode: Mode::Passthrough,
        routes: RouteTable::new(entries.collect()),
        istio: None,
        jwt: None,
        policies: (!policies.is_empty()).then_some(PolicySetId(0)),
        rbac: None,
        identity: Default::default(),
        routes_on_identity: false,
        normalization: Default::default(),
        proxies: Default::default(),
        closed: None,
    };
    let rules = hosts
        .iter()
        .map(|host| rule(host, u32::from(!host.starts_with("empty"))));
    Snapshot {
        listeners: Box::new([listener]),
        rules: rules.collect(),
        policies: Box::new([PolicySet::for_connections(policies)]),
        ..Snapshot::default()
    }
}

fn connection(sni: Option<&str>) -> Connection<'_> {
    Connection {
        peer: ([192, 0, 2, 1], 4000).into(),
        local: ([192, 0, 2, 9], 443).into(),
        sni,
        tls: None::<TlsVersion>,
        identity: None,
    }
}

fn ask(snapshot: &Snapshot, sni: Option<&str>) -> Result<String, Reason> {
    let mut trace = Trace::default();
    let connection = connection(sni);
    let recorded = decide_stream(snapshot, ListenerId(0), &connection, &mut trace);
    let plain = decide_stream(snapshot, ListenerId(0), &connection, &mut NoRecord);
    let name = |it: &(RuleId, &RouteRule)| it.1.name.to_string();
    let outcome = plain.outcome.as_ref().map(name);
    assert_eq!(
        outcome,
        recorded.outcome.as_ref().map(name),
        "a recorder changes nothing"
    );
    outcome.map_err(|it| it.reason.clone())
}

#[test]
fn the_narrowest_route_by_server_name() {
    let snapshot = snapshot(&["a.test", "*.test", "*.b.test", "empty.test"], &[]);
    for (sni, want) in [
        (Some("a.test"), Ok("a.test")),
        (Some("c.test"), Ok("*.test")),
        (Some("a.b.test"), Ok("*.b.test")),
        (Some("empty.test"), Err(Reason::NoBackend)),
        (Some("test"), Err(Reason::RouteNotFound)),
        (Some("other"), Err(Reason::RouteNotFound)),
        (None, Err(Reason::RouteNotFound)),
    ] {
        assert_eq!(ask(&snapshot, sni), want.map(str::to_owned), "{sni:?}");
    }
}

#[test]
fn a_route_for_any_name_takes_those_without_one() {
    let snapshot = snapshot(&[""], &[]);
    assert!(ask(&snapshot, None).is_ok() && ask(&snapshot, Some("a.test")).is_ok());
}

fn policy(action: Action, test: Test) -> Policy {
    let clause = Clause {
        field: "from[0]".into(),
        expanded: false,
        negated: false,
        test,
    };
    Policy {
        origin: origin("policy"),
        action,
        dry_run: false,
        rules: vec![Rule {
            origin: origin("rule"),
            from: Vec::new(),
            to: Vec::new(),
            when: vec![clause],
        }],
    }
}

#[test]
fn policies_speak_before_routes() {
    let named = |name: &str| Test::Sni(vec![Text::parse(name)]);
    let deny = snapshot(&["a.test"], &[policy(Action::Deny, named("a.test"))]);
    assert_eq!(ask(&deny, Some("a.test")), Err(Reason::PolicyDenied));
    let allow = snapshot(&["*.test"], &[policy(Action::Allow, named("a.test"))]);
    assert_eq!(ask(&allow, Some("a.test")), Ok("*.test".to_owned()));
    for sni in [Some("b.test"), Some("unknown"), None] {
        assert_eq!(ask(&allow, sni), Err(Reason::PolicyNotAllowed), "{sni:?}");
    }
    let paths = Test::Paths(vec![Text::parse("/a")], Vec::new());
    let wider = snapshot(&["a.test"], &[policy(Action::Deny, paths.clone())]);
    assert_eq!(ask(&wider, Some("a.test")), Err(Reason::PolicyDenied), "P6");
    let fewer = snapshot(&["a.test"], &[policy(Action::Allow, paths)]);
    assert_eq!(
        ask(&fewer, Some("a.test")),
        Err(Reason::PolicyNotAllowed),
        "P6"
    );
}

#[test]
fn what_is_missing_is_closed() {
    let mut snapshot = snapshot(
        &["a.test"],
        &[policy(Action::Allow, Test::Ports(vec![443]))],
    );
    assert!(ask(&snapshot, Some("a.test")).is_ok());
    snapshot.policies = Box::default();
    assert_eq!(
        ask(&snapshot, Some("a.test")),
        Err(Reason::PolicyConfiguration)
    );
    snapshot.listeners[0].policies = None;
    snapshot.rules[0].closed = Some("no".into());
    assert_eq!(
        ask(&snapshot, Some("a.test")),
        Err(Reason::PolicyConfiguration)
    );
    snapshot.rules[0].closed = None;
    snapshot.listeners[0].closed = Some("no".into());
    assert_eq!(
        ask(&snapshot, Some("a.test")),
        Err(Reason::PolicyConfiguration)
    );
    snapshot.listeners[0].mode = Mode::Http;
    assert_eq!(ask(&snapshot, Some("a.test")), Err(Reason::NoListener));
    snapshot.listeners = Box::default();
    assert_eq!(ask(&snapshot, Some("a.test")), Err(Reason::NoListener));
}
