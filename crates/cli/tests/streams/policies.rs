//! AuthorizationPolicies on connections: what they can look at, and what becomes of rules that ask for more.

use serde_json::json;

use crate::tls::{hello, inside};
use crate::world::{Plan, World};

const ALICE: &str = "spiffe://shop.example/ns/front/sa/alice";

#[test]
fn addresses_decide_before_a_byte_reaches_the_backend() {
    let world = World::start(&Plan {
        policies: &[
            (
                "ALLOW",
                "{from: [{source: {ipBlocks: [127.0.0.0/8]}}], to: [{operation: {ports: ['5432']}}]}",
            ),
            ("DENY", "{from: [{source: {ipBlocks: [127.0.0.3]}}]}"),
        ],
        ..Plan::default()
    });
    assert!(world.passes("127.0.0.2"));
    assert_eq!(world.plain.taken(), 1);
    assert!(!world.passes("127.0.0.3"));
    let hello = hello(&world.server.client(None), "a.test");
    let elsewhere = world.exchange("127.0.0.2", world.tls, &hello);
    assert!(
        elsewhere.is_empty(),
        "another port than the one that is allowed"
    );
    assert_eq!((world.plain.taken(), world.sealed.taken()), (1, 0));

    let line = world.line(&[("reason", json!("policy_denied"))]);
    assert_eq!(line["client"], "127.0.0.3");
    assert_eq!(line["bytes_out"], 0);
    let rule = line["rule"].as_str().expect("a rule");
    assert!(
        rule.starts_with("AuthorizationPolicy default/p1 rules[0]"),
        "{rule}"
    );
    let line = world.line(&[("reason", json!("policy_not_allowed"))]);
    assert_eq!(line["sni"], "a.test");
    let series = "countersign_streams_total{listener=\"default/edge/tcp\",route=\"default/plain/0\",reason=\"policy_denied\"}";
    assert_eq!(world.gateway.metric(series), Some(1.0));
    let metrics = world.gateway.admin("/metrics").text();
    let denials =
        "countersign_policy_denials_total{kind=\"AuthorizationPolicy\",policy=\"default/p1\"";
    assert!(metrics.contains(denials), "{metrics}");
}

#[test]
fn a_trusted_proxy_says_whose_connection_it_is() {
    let world = World::start(&Plan {
        policies: &[("ALLOW", "{from: [{source: {ipBlocks: [192.0.2.7]}}]}")],
        parameters: ", proxyProtocol: {from: [127.0.0.2]}",
    });
    let behind = |from: &str, client: &str| {
        let bytes = format!("PROXY TCP4 {client} 10.0.0.1 4000 5432\r\nping");
        world.exchange(from, world.tcp, bytes.as_bytes())
    };
    assert_eq!(behind("127.0.0.2", "192.0.2.7"), b"plain pingbye");
    assert!(behind("127.0.0.2", "192.0.2.8").is_empty());
    assert!(
        behind("127.0.0.1", "192.0.2.7").is_empty(),
        "nobody believes the others"
    );
    assert!(!world.passes("127.0.0.2"), "who must say it and does not");
    assert_eq!(world.plain.taken(), 1);
}

#[test]
fn server_names() {
    let world = World::start(&Plan {
        policies: &[("ALLOW", "{when: [{key: connection.sni, values: [a.test]}]}")],
        ..Plan::default()
    });
    let config = world.server.client(None);
    let passes = |name: &str| {
        let hello = hello(&config, name);
        !world.exchange("127.0.0.1", world.tls, &hello).is_empty()
    };
    assert!(passes("a.test") && passes("A.test"));
    assert!(!passes("x.b.test"));
    assert!(!world.passes("127.0.0.1"), "without TLS there is no name");
}

#[test]
fn identities_come_from_handshakes_that_end_here() {
    let world = World::start(&Plan {
        policies: &[("ALLOW", "{from: [{source: {namespaces: [front]}}]}")],
        ..Plan::default()
    });
    let alice = world.clients.issue(&[ALICE]);
    let bob = world
        .clients
        .issue(&["spiffe://shop.example/ns/back/sa/bob"]);
    let config = world.server.client(Some(&alice));
    assert_eq!(
        inside(&world, config.clone()).as_deref(),
        Some("plain ping")
    );
    for stranger in [Some(&bob), None] {
        assert_eq!(inside(&world, world.server.client(stranger)), None);
    }
    let hello = hello(&config, "a.test");
    let passed = world.exchange("127.0.0.1", world.tls, &hello);
    assert!(passed.is_empty(), "what is passed on names nobody");
}

#[test]
fn rules_that_ask_for_requests_let_fewer_in_and_keep_more_out() {
    let world = World::start(&Plan {
        policies: &[(
            "ALLOW",
            "{to: [{operation: {paths: [/a], ports: ['5432']}}]}",
        )],
        ..Plan::default()
    });
    assert!(!world.passes("127.0.0.1"));
    let line = world.gateway.logs("rule-not-on-streams");
    assert!(line.contains("lets nobody in"), "{line}");

    let world = World::start(&Plan {
        policies: &[(
            "DENY",
            "{to: [{operation: {methods: [POST], ports: ['5432']}}]}",
        )],
        ..Plan::default()
    });
    assert!(!world.passes("127.0.0.1"));
    let hello = hello(&world.server.client(None), "a.test");
    assert!(
        !world.exchange("127.0.0.1", world.tls, &hello).is_empty(),
        "another port"
    );
    let line = world.gateway.logs("rule-not-on-streams");
    assert!(line.contains("is for more, as DENY"), "{line}");
}
