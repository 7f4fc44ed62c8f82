//! What policies and expressions see of headers that the gateway itself writes.

use countersign_core::Reason;
use countersign_core::address::TrustedProxies;
use countersign_core::authz::{Action, Dialect};
use http::HeaderMap;

use crate::expressions::{attach, rbac};
use crate::policies::{allowed, ask, denied, guarded, header, policy};
use crate::world::*;

const DIALECTS: [Dialect; 2] = [Dialect::Envoy, Dialect::Agentgateway];

fn open() -> World {
    World::new(vec![], None, None, &[Route("/", None, None)])
}

/// Whether an expression is true of a request; `hops` proxies are trusted.
#[track_caller]
fn holds(source: &str, hops: u32, headers: &[(&str, &str)]) -> bool {
    let both = DIALECTS.map(|dialect| {
        let mut world = open();
        world.snap.listeners[0].proxies.hops = hops;
        attach(
            &mut world,
            vec![rbac("e", dialect, source)],
            None,
            &[Some(0)],
        );
        match world.get("/", headers).status {
            200 => true,
            403 => false,
            other => panic!("{other}"),
        }
    });
    assert_eq!(both[0], both[1], "{source}");
    both[0]
}

#[test]
fn expressions_see_what_the_gateway_says_of_the_connection() {
    let https = "request.headers['X-Forwarded-Proto'] == 'https'";
    let told = [("x-forwarded-proto", "https")];
    assert!(!holds(https, 0, &told));
    assert!(holds(https, 1, &told));
    assert!(holds(
        "request.headers['x-forwarded-proto'] == 'http'",
        0,
        &[]
    ));
    let odd = [("x-forwarded-proto", "gopher")];
    assert!(holds(
        "request.headers['x-forwarded-proto'] == 'http'",
        1,
        &odd
    ));
    let inner = "request.headers['x-forwarded-for'].startsWith('10.0.0.1')";
    assert!(!holds(
        "request.headers['x-forwarded-for'] == '10.0.0.1'",
        0,
        &[("x-forwarded-for", "10.0.0.1")]
    ));
    assert!(holds(
        "request.headers['x-forwarded-for'] == '10.0.0.1,127.0.0.1'",
        0,
        &[("x-forwarded-for", "10.0.0.1")]
    ));
    assert!(!holds(inner, 0, &[]));
    for name in ["x-forwarded-for", "x-forwarded-proto"] {
        assert!(holds(
            &format!("request.headers.exists_one(it, it == '{name}')"),
            0,
            &[]
        ));
        assert!(holds(&format!("'{name}' in request.headers"), 0, &[]));
    }
}

/// Policies see the same as expressions, which is what the backend gets.
#[test]
fn policies_and_expressions_see_what_the_backend_gets() {
    let headers = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
    ];
    let mut sent = HeaderMap::new();
    sent.insert("x-forwarded-for", "10.0.0.1".parse().unwrap());
    sent.insert("x-forwarded-proto", "https".parse().unwrap());
    countersign_core::headers::forward(&mut sent, CLEAR.peer.ip(), "http", false);
    sent.insert("upgrade", "websocket".parse().unwrap());
    sent.insert("connection", "upgrade".parse().unwrap());
    for (name, value) in &sent {
        let value = value.to_str().unwrap();
        let source = format!("request.headers['{name}'] == '{value}'");
        assert!(holds(&source, 0, &headers), "{source}");
        let name = match name.as_str() {
            "x-forwarded-for" => "x-forwarded-for",
            "x-forwarded-proto" => "x-forwarded-proto",
            "upgrade" => "upgrade",
            _ => "connection",
        };
        let deny = policy("deny", Action::Deny, false, header(name, value));
        let refused = denied(Reason::PolicyDenied, "deny-rule");
        assert_eq!(
            ask(&guarded(open(), vec![deny]), get("/", &headers)),
            refused
        );
    }
}

#[test]
fn a_handshake_is_seen_where_it_goes_on_and_nowhere_else() {
    let many = |one| {
        // So many rules that they are found by an index.
        let others = ["a", "b", "c", "d", "e", "f"];
        let others = others.map(|it| policy(it, Action::Deny, false, header("x-none", it)));
        guarded(open(), others.into_iter().chain([one]).collect())
    };
    let websocket = policy("ws", Action::Deny, false, header("upgrade", "websocket"));
    let any = policy("any", Action::Deny, false, header("connection", "*"));
    let handshake = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let refused = |rule| denied(Reason::PolicyDenied, rule);
    for world in [many(websocket.clone()), guarded(open(), vec![websocket])] {
        assert_eq!(ask(&world, get("/", &handshake)), refused("ws-rule"));
        assert_eq!(ask(&world, get("/", &[])), allowed());
        // Not announced: no switch is asked for, and the header goes.
        assert_eq!(ask(&world, get("/", &handshake[1..])), allowed());
    }
    // Protocols have no case, and rules say it as they like.
    let odd = [("connection", "x, UPGRADE"), ("upgrade", "WebSocket")];
    for (name, value) in [
        ("upgrade", "websocket"),
        ("upgrade", "WebSocket"),
        ("connection", "upgrade"),
        ("connection", "Upgrade"),
    ] {
        let rule = policy("odd", Action::Deny, false, header(name, value));
        assert_eq!(ask(&many(rule), get("/", &odd)), refused("odd-rule"));
    }
    assert!(holds("request.headers.upgrade == 'websocket'", 0, &odd));
    for world in [many(any.clone()), guarded(open(), vec![any])] {
        assert_eq!(ask(&world, get("/", &handshake)), refused("any-rule"));
        // Never passed on.
        let h2c = [("connection", "Upgrade"), ("upgrade", "h2c")];
        assert_eq!(ask(&world, get("/", &h2c)), allowed());
        assert_eq!(ask(&world, get("/", &[("connection", "close")])), allowed());
    }
    let seen = "request.headers.upgrade == 'websocket' && request.headers['Connection'] == 'upgrade' \
                && request.headers.exists_one(it, it == 'upgrade') && 'connection' in request.headers";
    assert!(holds(seen, 0, &handshake));
    let none = "!('upgrade' in request.headers) && !has(request.headers.connection) \
                && !request.headers.exists(it, it == 'upgrade')";
    assert!(holds(none, 0, &[("upgrade", "websocket")]));
}

#[test]
fn a_route_for_https_is_not_chosen_by_who_claims_it() {
    let routes = [
        Route("/a", Some(("x-forwarded-proto", "https")), None),
        Route("/", None, None),
    ];
    let mut world = World::new(vec![], None, None, &routes);
    let claims = [("x-forwarded-proto", "https")];
    assert_eq!(world.get("/a", &claims).body, "/");
    let trusted = TrustedProxies {
        hops: 1,
        addresses: Box::default(),
    };
    world.snap.listeners[0].proxies = trusted;
    assert_eq!(world.get("/a", &claims).body, "/a");
}

#[test]
fn a_method_in_other_letters_is_none() {
    let world = World::new(vec![], None, None, &[Route("/", None, None)]);
    for (method, status) in [
        ("DELETE", 200),
        ("PURGE", 200),
        ("delete", 400),
        ("Get", 400),
        ("connect", 400),
    ] {
        let request = get("/", &[]).method(method);
        assert_eq!(world.ask(request).status, status, "{method}");
    }
}
