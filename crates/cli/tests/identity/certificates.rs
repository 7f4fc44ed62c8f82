//! Client certificates: who comes in, under which names, and what policies say of them.

use std::time::{Duration, SystemTime};

use countersign_testkit::tls::rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use countersign_testkit::tls::{Authority, Identity};
use serde_json::Value;

use crate::world::{ALICE, BOB, Plan, World};

/// Both ports: the status, or `None` where the connection fails.
fn both(world: &World, identity: Option<&Identity>) -> [Option<u16>; 2] {
    [world.strict, world.lenient].map(|port| world.tls(port, identity).ok())
}

fn expired(params: &mut CertificateParams) {
    params.not_before = (SystemTime::now() - Duration::from_secs(7200)).into();
    params.not_after = (SystemTime::now() - Duration::from_secs(3600)).into();
}

#[test]
fn principals_come_from_certificates_that_verify() {
    let world = World::start(&Plan {
        allow: "{from: [{source: {principals: [shop.example/ns/front/sa/alice]}}]}",
        ..Plan::default()
    });
    let stranger = Authority::new("strangers");
    let for_servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let ours = &world.clients;
    for (what, identity, want) in [
        ("alice", Some(ours.issue(&[ALICE])), [Some(200), Some(200)]),
        ("bob", Some(ours.issue(&[BOB])), [Some(403), Some(403)]),
        (
            "two URI names, either of which may match",
            Some(ours.issue(&[BOB, ALICE])),
            [Some(200), Some(200)],
        ),
        (
            "a DNS name beside them is no principal",
            Some(ours.issue(&["alice.test", BOB])),
            [Some(403), Some(403)],
        ),
        ("nobody", None, [None, Some(403)]),
        (
            "another authority's alice",
            Some(stranger.issue(&[ALICE])),
            [None, Some(403)],
        ),
        (
            "alice of yesterday",
            Some(ours.issue_as(&[ALICE], expired)),
            [None, Some(403)],
        ),
        (
            "a server called alice",
            Some(ours.issue_as(&[ALICE], for_servers)),
            [None, Some(403)],
        ),
    ] {
        assert_eq!(both(&world, identity.as_ref()), want, "{what}");
    }
    let line = world.gateway.logs("client certificate refused");
    assert!(line.contains("reason="), "{line}");
}

#[test]
fn namespaces_and_accounts_are_parts_of_names() {
    let world = World::start(&Plan {
        allow: "{from: [{source: {namespaces: [front]}}]}, \
                {from: [{source: {serviceAccounts: [back/bob]}}]}",
        deny: "{from: [{source: {principals: ['*/sa/eve']}}]}",
        ..Plan::default()
    });
    let status = |names: &[&str]| both(&world, Some(&world.clients.issue(names)))[0];
    assert_eq!(status(&[ALICE]), Some(200));
    assert_eq!(status(&[BOB]), Some(200));
    for names in [
        &["spiffe://shop.example/ns/back/sa/alice"][..],
        &["spiffe://shop.example/ns/frontier/sa/alice"],
        &["front.test"],
        &["spiffe://shop.example/ns/front/sa/eve"],
        &[ALICE, "spiffe://shop.example/ns/front/sa/eve"],
    ] {
        assert_eq!(status(names), Some(403), "{names:?}");
    }
}

#[test]
fn without_an_identity_not_principals_match() {
    let world = World::start(&Plan {
        deny: "{from: [{source: {notPrincipals: ['*']}}]}",
        ..Plan::default()
    });
    let alice = world.clients.issue(&[ALICE]);
    assert_eq!(both(&world, Some(&alice)), [Some(200), Some(200)]);
    let nameless = world.clients.issue(&[]);
    assert_eq!(
        both(&world, Some(&nameless)),
        [Some(200), Some(200)],
        "its subject"
    );
    assert_eq!(both(&world, None), [None, Some(403)]);
    let stranger = Authority::new("strangers").issue(&[ALICE]);
    assert_eq!(both(&world, Some(&stranger)), [None, Some(403)]);
}

#[test]
fn the_server_name_of_the_handshake() {
    let world = World::start(&Plan {
        allow: "{when: [{key: connection.sni, values: [shop.example]}]}",
        ..Plan::default()
    });
    assert_eq!(world.tls(world.lenient, None).expect("a connection"), 200);
    let request = countersign_testkit::client::Request::get("/").header("host", "shop.example");
    let plain = world.plainly("127.0.0.1", b"", &request);
    assert_eq!(plain.expect("a connection"), 403, "no TLS, no name");
}

#[test]
fn an_authority_bound_to_trust_domains() {
    let world = World::start(&Plan {
        trust_domains: &["shop.example"],
        deny: "{from: [{source: {notPrincipals: ['*']}}]}",
        ..Plan::default()
    });
    let status = |names: &[&str]| both(&world, Some(&world.clients.issue(names)));
    assert_eq!(status(&[ALICE]), [Some(200), Some(200)]);
    for names in [
        &["spiffe://bank.example/ns/front/sa/alice"][..],
        &[ALICE, "spiffe://bank.example/ns/front/sa/alice"],
        &["alice.test"],
    ] {
        assert_eq!(status(names), [None, Some(403)], "{names:?}");
    }
    let line = world.gateway.logs("client without an identity");
    assert!(line.contains("may not vouch for"), "{line}");
}

/// What clients say of their certificates themselves goes no further.
#[test]
fn no_header_speaks_for_a_certificate() {
    let world = World::start(&Plan::default());
    let claim = format!("By=spiffe://x;URI={ALICE}");
    for name in ["x-forwarded-client-cert", "X_Forwarded_Client_Cert"] {
        let request = countersign_testkit::client::Request::get("/").header(name, &claim);
        let status = world.plainly("127.0.0.1", b"", &request);
        assert_eq!(status.expect("a connection"), 200);
    }
    for seen in world.backend.wait(2) {
        let headers = &seen.headers.0;
        assert!(
            headers.iter().all(|(_, value)| !value.contains("alice")),
            "{headers:?}"
        );
    }
}

/// A reload that takes the authority away ends what was opened under it.
#[test]
fn an_authority_that_goes() {
    let world = World::start(&Plan::default());
    let alice = world.clients.issue(&[ALICE]);
    assert_eq!(both(&world, Some(&alice)), [Some(200), Some(200)]);
    let text = std::fs::read_to_string(world.gateway.folder().join("all.yaml")).expect("a file");
    let documents = text.split("\n---\n").map(|document| {
        let mut value: Value = serde_json::from_str(document).expect("JSON");
        if value["kind"] == "ConfigMap" {
            value["data"]["ca.crt"] = Authority::new("others").pem().into();
        }
        value.to_string()
    });
    let changed = documents.collect::<Vec<_>>().join("\n---\n");
    world.gateway.write("all.yaml", &changed);
    world.gateway.signal("HUP");
    let _line = world.gateway.logs("in force load=2");
    let deadline = SystemTime::now() + Duration::from_secs(10);
    while both(&world, Some(&alice)) != [None, Some(200)] {
        assert!(
            SystemTime::now() < deadline,
            "{:?}",
            both(&world, Some(&alice))
        );
    }
}
