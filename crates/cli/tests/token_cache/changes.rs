//! What was verified ends with the key and with the policy.

use countersign_testkit::idp::Idp;
use countersign_testkit::mint::Key;
use serde_json::{Value, json};

use crate::world::{
    ISSUER, World, agentgateway, authorization, inline, issuer_backend, kgateway, on_gateway,
    on_route, token,
};

const PATH: &str = "/apps/a";

#[test]
fn a_key_that_is_taken_out_of_the_configuration() {
    let [old, new, later] = ["old", "new", "later"].map(Key::rsa);
    let keys = |keys: &[&Key]| on_route("apps", "a", &inline(keys));
    let world = World::start(&keys(&[&old, &new]));
    let [by_old, by_new, by_later] = [&old, &new, &later].map(|it| token(it, ISSUER, &json!({})));
    world.heat(PATH, &by_old);
    world.heat(PATH, &by_new);

    world.reload(&keys(&[&new]));
    assert_eq!(world.status(PATH, &by_old), 401);
    world.heat(PATH, &by_new);

    world.reload(&keys(&[&new, &later]));
    assert_eq!(world.status(PATH, &by_new), 200);
    assert_eq!(world.status(PATH, &by_later), 200);
    assert_eq!(world.status(PATH, &by_old), 401);

    // Another key of the same name.
    let usurper = Key::rsa("usurper").with_kid(Some("new"));
    world.heat(PATH, &by_new);
    world.reload(&keys(&[&usurper]));
    assert_eq!(world.status(PATH, &by_new), 401);
    world.heat(PATH, &token(&usurper, ISSUER, &json!({})));
}

#[test]
fn a_key_that_its_issuer_no_longer_publishes() {
    let [old, new] = ["old", "new"].map(Key::rsa);
    let idp = Idp::start(&[&old]);
    let rule = json!({"issuer": idp.issuer(), "jwksUri": idp.jwks_uri()});
    let world = World::start(&on_gateway(&[rule]));
    let [by_old, by_new] = [&old, &new].map(|it| token(it, idp.issuer(), &json!({})));
    world.heat(PATH, &by_old);

    // The first token by the new key has the keys fetched again.
    idp.publish(&[&new]);
    assert_eq!(world.status(PATH, &by_new), 200);
    assert_eq!(world.status(PATH, &by_old), 401);
    world.heat(PATH, &by_new);

    // A key that is added, and one that comes back.
    idp.publish(&[&new, &old]);
    assert_eq!(world.status(PATH, &by_old), 200);
    world.heat(PATH, &by_new);
    world.heat(PATH, &by_old);
}

/// The keys are the same all the while, and stay where they are.
#[test]
fn an_issuer_of_whom_something_else_is_expected() {
    let key = Key::rsa("k");
    let idp = Idp::start(&[&key]);
    let policies = |fields: &Value| {
        let mut rule = json!({"issuer": idp.issuer(), "jwksUri": idp.jwks_uri()});
        for (name, value) in fields.as_object().expect("fields") {
            rule[name] = value.clone();
        }
        on_gateway(&[rule])
    };
    let world = World::start(&policies(&json!({})));
    let hot = token(&key, idp.issuer(), &json!({}));
    for (fields, status) in [
        (json!({"audiences": ["bank"]}), 403),
        (json!({"audiences": ["shop"]}), 200),
        (json!({"issuer": "https://other.example.com"}), 401),
        (json!({"audiences": ["shop", "bank"]}), 200),
    ] {
        world.heat(PATH, &hot);
        world.reload(&policies(&fields));
        assert_eq!(world.status(PATH, &hot), status, "{fields}");
        world.reload(&policies(&json!({})));
    }
}

#[test]
fn a_policy_that_is_added() {
    let key = Key::rsa("k");
    let idp = Idp::start(&[&key]);
    let rule = json!({"issuer": idp.issuer(), "jwksUri": idp.jwks_uri()});
    let tokens = on_gateway(&[rule]);
    let world = World::start(&tokens);
    let hot = token(&key, idp.issuer(), &json!({}));
    world.heat(PATH, &hot);
    let bytes = world.bytes();
    let misses = world.count("misses");
    let alice = json!([{"when": [{"key": "request.auth.claims[sub]", "values": ["alice"]}]}]);
    let denied = [
        tokens.clone(),
        vec![authorization("no-alice", "DENY", &alice)],
    ]
    .concat();
    for _ in 0..2 {
        world.reload(&denied);
        assert_eq!(
            world.ask(PATH, &hot),
            (403, "RBAC: access denied".to_owned())
        );
        world.reload(&tokens);
        assert_eq!(world.status(PATH, &hot), 200);
    }
    // Nothing changed for the issuer, so the token was never forgotten.
    assert_eq!((world.bytes(), world.count("misses")), (bytes, misses));
}

/// Nobody pays for a signature again and again by asking for what he may not have.
#[test]
fn a_good_token_that_a_policy_refuses() {
    let key = Key::rsa("k");
    let idp = Idp::start(&[&key]);
    let rule = json!({"issuer": idp.issuer(), "jwksUri": idp.jwks_uri()});
    let alice = json!([{"when": [{"key": "request.auth.claims[sub]", "values": ["alice"]}]}]);
    let world = World::start(
        &[
            on_gateway(&[rule]),
            vec![authorization("no-alice", "DENY", &alice)],
        ]
        .concat(),
    );
    let refused = token(&key, idp.issuer(), &json!({}));
    for hits in 0..5 {
        assert_eq!(world.status(PATH, &refused), 403);
        assert_eq!(
            (world.count("misses"), world.count("hits")),
            (1.0, f64::from(hits))
        );
    }
}

/// kgateway takes tokens that never expire, agentgateway does not, and all else of the two providers is the same.
#[test]
fn a_policy_of_another_family() {
    let key = Key::rsa("k");
    let idp = Idp::start(&[&key]);
    let backend = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": "idp"});
    let of_kgateway = json!({
        "name": "idp", "issuer": idp.issuer(),
        "jwks": {"remote": {"url": idp.jwks_uri(), "backendRef": backend}},
    });
    let of_agentgateway = json!({
        "issuer": idp.issuer(),
        "jwks": {"remote": {"jwksPath": "jwks.json", "backendRef": backend}},
    });
    let before = [vec![issuer_backend(&idp)], kgateway(&of_kgateway).into()].concat();
    let world = World::start(&before);
    let forever = token(&key, idp.issuer(), &json!({"exp": null}));
    let ends = token(&key, idp.issuer(), &json!({}));
    world.heat(PATH, &forever);
    world.heat(PATH, &ends);
    let misses = world.count("misses");
    world.reload(&[issuer_backend(&idp), agentgateway(&of_agentgateway)]);
    assert_eq!(world.ask(PATH, &forever), (401, "Jwt is expired".into()));
    assert_eq!(world.status(PATH, &ends), 200);
    let same = world.count("misses") - misses;
    assert!(
        same < 0.5,
        "the two are no longer the same provider, so this proves nothing"
    );
}
