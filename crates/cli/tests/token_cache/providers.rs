//! A token that was verified for one provider is nothing to another.

use countersign_testkit::idp::Idp;
use countersign_testkit::mint::Key;
use serde_json::{Value, json};

use crate::world::{ISSUER, World, inline, issuer_backend, on_route, token};

/// The same issuer with other keys, no issuer at all, and the same names in another namespace.
#[test]
fn providers_that_look_alike() {
    let [one, two, three, four] =
        ["one", "two", "three", "four"].map(|it| Key::rsa(it).with_kid(Some("shared")));
    let mut nobody = inline(&[&three]);
    nobody.as_object_mut().expect("a provider").remove("issuer");
    let policies: Vec<Value> = [
        on_route("apps", "a", &inline(&[&one])),
        on_route("apps", "b", &inline(&[&two])),
        on_route("apps", "c", &nobody),
        on_route("more", "a", &inline(&[&four])),
    ]
    .concat();
    let world = World::start(&policies);
    let paths = ["/apps/a", "/apps/b", "/apps/c", "/more/a"];
    let tokens = [&one, &two, &three, &four].map(|it| token(it, ISSUER, &json!({})));
    for (at, (path, own)) in paths.iter().zip(&tokens).enumerate() {
        world.heat(path, own);
        for (other, elsewhere) in paths.iter().enumerate() {
            let due = if other == at { 200 } else { 401 };
            assert_eq!(world.status(elsewhere, own), due, "{path} {elsewhere}");
        }
    }
    // And after all of them are hot.
    for (at, own) in tokens.iter().enumerate() {
        for (other, path) in paths.iter().enumerate() {
            let due = if other == at { 200 } else { 401 };
            assert_eq!(world.status(path, own), due, "{at} {path}");
        }
    }
}

/// One key, as tenants of one identity provider have it: only what is expected differs.
#[test]
fn providers_of_one_key() {
    let key = Key::rsa("tenants");
    let provider = |fields: &Value| {
        let mut provider = inline(&[&key]);
        for (name, value) in fields.as_object().expect("fields") {
            provider[name] = value.clone();
        }
        provider
    };
    let other = json!({"issuer": "https://other.example.com"});
    let mut nobody = inline(&[&key]);
    nobody.as_object_mut().expect("a provider").remove("issuer");
    let world = World::start(
        &[
            on_route("apps", "a", &nobody),
            on_route("apps", "b", &provider(&json!({"audiences": ["bank"]}))),
            on_route("apps", "c", &provider(&other)),
            on_route("more", "a", &inline(&[&key])),
        ]
        .concat(),
    );
    let hot = token(&key, ISSUER, &json!({}));
    world.heat("/apps/a", &hot);
    world.heat("/more/a", &hot);
    assert_eq!(world.status("/apps/b", &hot), 403);
    assert_eq!(world.status("/apps/c", &hot), 401);
    let foreign = token(&key, "https://third.example.com", &json!({}));
    world.heat("/apps/a", &foreign);
    assert_eq!(world.status("/more/a", &foreign), 401);
}

/// The order of providers in a configuration is that of names and files, which people change.
#[test]
fn providers_that_change_places() {
    let keys = ["one", "two"].map(|it| Key::rsa(it).with_kid(Some("shared")));
    let idps = [Idp::start(&[&keys[0]]), Idp::start(&[&keys[1]])];
    let [one, two] = idps.each_ref().map(|idp| {
        let name = format!("idp-{}", idp.address().port());
        let reference = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": name});
        let mut backend = issuer_backend(idp);
        backend["metadata"]["name"] = json!(name);
        let remote = json!({"url": idp.jwks_uri(), "backendRef": reference});
        (
            backend,
            json!({"name": "idp", "issuer": ISSUER, "jwks": {"remote": remote}}),
        )
    });
    let policies = |at_a: &Value, at_b: &Value, turned: bool| {
        let mut all = vec![one.0.clone(), two.0.clone()];
        let [a, b] = [on_route("apps", "a", at_a), on_route("apps", "b", at_b)];
        let order = if turned { [b, a] } else { [a, b] };
        all.extend(order.concat());
        all
    };
    let world = World::start(&policies(&one.1, &two.1, false));
    let [by_one, by_two] = keys.each_ref().map(|it| token(it, ISSUER, &json!({})));
    let check = |of_a: &str, of_b: &str| {
        for (path, token, due) in [
            ("/apps/a", of_a, 200),
            ("/apps/b", of_b, 200),
            ("/apps/a", of_b, 401),
            ("/apps/b", of_a, 401),
        ] {
            assert_eq!(world.status(path, token), due, "{path}");
        }
        world.heat("/apps/a", of_a);
        world.heat("/apps/b", of_b);
    };
    check(&by_one, &by_two);
    world.reload(&policies(&one.1, &two.1, true));
    check(&by_one, &by_two);
    // Now each route has the other's provider.
    world.reload(&policies(&two.1, &one.1, true));
    check(&by_two, &by_one);
    world.reload(&policies(&two.1, &one.1, false));
    check(&by_two, &by_one);
}
