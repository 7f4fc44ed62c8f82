//! What is kept, for whom, and what cannot push it out.

use countersign_testkit::client::{Client, Request};
use countersign_testkit::mint::{Key, Kind};
use serde_json::json;

use crate::world::{ISSUER, World, inline, on_route, token};

const PATH: &str = "/apps/a";

fn tokens(key: &Key, count: usize) -> Vec<String> {
    let one = |number: usize| token(key, ISSUER, &json!({"sub": format!("user-{number}")}));
    (0..count).map(one).collect()
}

/// Sends all of them, each of which must get this.
fn send(world: &World, tokens: &[String], status: u16) {
    let mut client = Client::connect(world.address).expect("a listener");
    for token in tokens {
        let answer = client.send(&Request::get(PATH).bearer(token));
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text());
        if answer.headers.lists("connection", "close") {
            client = Client::connect(world.address).expect("a listener");
        }
    }
}

#[test]
fn a_flood_of_bad_tokens_pushes_no_good_one_out() {
    let key = Key::new(Kind::P256, "k");
    let forger = Key::new(Kind::P256, "forger").with_kid(Some("k"));
    let world = World::start(&on_route("apps", "a", &inline(&[&key])));
    let good = tokens(&key, 1000);
    send(&world, &good, 200);
    let kept = (world.count("misses"), world.bytes());
    assert!(kept.0 > 999.5 && kept.1 > 300_000.0, "{kept:?}");

    send(&world, &tokens(&forger, 10_000), 401);
    // The good ones, each cut short by a little of its signature.
    let torn: Vec<String> = good
        .iter()
        .map(|it| it.split_at(it.len() - 4).0.to_owned())
        .collect();
    send(&world, &torn, 401);
    assert_eq!((world.count("misses"), world.bytes()), kept);

    let hits = world.count("hits");
    send(&world, &good, 200);
    assert_eq!(world.count("misses"), kept.0, "some were verified again");
    assert_eq!(world.count("hits") - hits, 1000.0);
}

/// Connections go to both workers.
#[test]
fn workers_share_what_they_verified() {
    let key = Key::rsa("k");
    let world = World::start(&on_route("apps", "a", &inline(&[&key])));
    let hot = token(&key, ISSUER, &json!({}));
    for _ in 0..20 {
        assert_eq!(world.status(PATH, &hot), 200);
    }
    assert_eq!((world.count("misses"), world.count("hits")), (1.0, 19.0));
}

#[test]
fn its_size_is_what_the_parameters_say() {
    let key = Key::new(Kind::P256, "k");
    let policies = on_route("apps", "a", &inline(&[&key]));
    let world = World::with(&json!({"tokenCacheBytes": 0}), &policies);
    let some = tokens(&key, 300);
    send(&world, &some, 200);
    send(&world, &some, 200);
    assert_eq!((world.count("hits"), world.bytes()), (0.0, 0.0));

    world.set(&json!({"tokenCacheBytes": 1_000_000}));
    send(&world, &some, 200);
    send(&world, &some, 200);
    assert_eq!(world.count("hits"), 300.0);
    assert!(world.bytes() > 90_000.0, "{}", world.bytes());

    world.set(&json!({"tokenCacheBytes": 20_000}));
    send(&world, &some, 200);
    assert!(world.bytes() < 20_100.0, "{}", world.bytes());

    // With the cache goes what each worker has of it.
    world.heat(PATH, &some[0]);
    world.set(&json!({"tokenCacheBytes": 0}));
    let hits = world.count("hits");
    for _ in 0..6 {
        assert_eq!(world.status(PATH, &some[0]), 200);
    }
    assert_eq!((world.count("hits"), world.bytes()), (hits, 0.0));
}
