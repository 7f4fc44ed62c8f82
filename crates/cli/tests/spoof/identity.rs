//! What upstreams are told about callers comes from verified tokens, or not at all.

use countersign_testkit::client::Request;
use countersign_testkit::mint::{self, Key};
use serde_json::{Value, json};

use crate::world::{
    ISSUER, ROLE, SPELLINGS, WHO, World, extension, istio, kgateway, rule, rule_of, signed, token,
    token_of, told, traffic, yaml,
};

/// The same under both kinds of policy.
fn policies() -> [String; 2] {
    [kgateway("AllowMissing"), istio(&[rule()])]
}

#[test]
fn a_spoofed_identity_reaches_no_upstream_in_any_spelling() {
    for policies in policies() {
        let world = World::start(&policies);
        for spelling in SPELLINGS {
            let spoof = Request::get("/").header(spelling, "mallory");
            let seen = world.seen(&spoof);
            assert!(told(&seen.headers, WHO).is_empty(), "{spelling}: {seen:?}");
            // A good token of somebody else does not help either.
            let seen = world.seen(&spoof.bearer(&token("alice")));
            assert_eq!(told(&seen.headers, WHO), ["alice"], "{spelling}");
        }
        let mut all = Request::get("/").header("x-harmless", "stays");
        for spelling in SPELLINGS {
            all = all.header(spelling, "mallory");
        }
        let seen = world.seen(&all);
        assert!(told(&seen.headers, WHO).is_empty(), "{seen:?}");
        assert_eq!(seen.headers.first("x-harmless"), Some("stays"));
    }
}

#[test]
fn a_claim_that_the_token_lacks_is_not_the_callers_to_give() {
    let world = World::start(&kgateway("AllowMissing"));
    let request = Request::get("/")
        .header(ROLE, "editor")
        .bearer(&token("alice"));
    let seen = world.seen(&request);
    assert_eq!(told(&seen.headers, WHO), ["alice"]);
    assert!(told(&seen.headers, ROLE).is_empty(), "{seen:?}");
}

#[test]
fn connection_takes_no_identity_away_and_brings_none() {
    for policies in policies() {
        let world = World::start(&policies);
        for listed in ["x-user-id", "X_User_Id, close", "keep-alive, X-USER-ID"] {
            let request = Request::get("/").header("Connection", listed);
            let seen = world.seen(&request.clone().bearer(&token("alice")));
            assert_eq!(told(&seen.headers, WHO), ["alice"], "{listed}");
            let seen = world.seen(&request.header(WHO, "mallory"));
            assert!(told(&seen.headers, WHO).is_empty(), "{listed}: {seen:?}");
        }
        // What is listed and no identity goes, as RFC 9110 section 7.6.1 has it.
        let listed = Request::get("/")
            .header("Connection", "x-hop")
            .header("X-Hop", "1");
        assert_eq!(world.seen(&listed).headers.first("x-hop"), None);
    }
}

#[test]
fn a_trailer_carries_no_identity() {
    for policies in policies() {
        let world = World::start(&policies);
        for spelling in SPELLINGS {
            let seen = world.seen_raw(&format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: {spelling}, X-Sum\r\n\
                 Transfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n{spelling}: mallory\r\nX-Sum: 1\r\n\r\n"
            ));
            assert_eq!(seen.body, b"hello");
            assert!(told(&seen.trailers, WHO).is_empty(), "{spelling}: {seen:?}");
            assert_eq!(seen.trailers.first("x-sum"), Some("1"), "others do come");
            assert!(told(&seen.headers, WHO).is_empty(), "{spelling}: {seen:?}");
        }
    }
}

#[test]
fn a_spoofed_identity_picks_no_route() {
    let world = World::start(&kgateway("AllowMissing"));
    for spelling in ["x-user-role", "X-User-Role", "X_User_Role", "x-user_role"] {
        world.seen(&Request::get("/").header(spelling, "admin"));
        world.seen(
            &Request::get("/")
                .header(spelling, "admin")
                .bearer(&token("alice")),
        );
    }
    assert!(world.admin.seen().is_empty());
}

#[test]
fn a_claim_picks_the_route_whose_own_policy_must_pass_too() {
    let admin = json!({
        "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "all", "sectionName": "admin",
    });
    let provider = json!({
        "name": "strict", "issuer": ISSUER, "audiences": ["admin-area"],
        "claimsToHeaders": [{"name": "role", "header": ROLE}],
        "jwks": {"local": {"inline": mint::jwks(&[&Key::rsa("idp")])}},
    });
    let own = yaml(&[
        extension("strict", "Strict", &provider),
        traffic("admin-area", "strict", &admin),
    ]);
    let world = World::start(&(kgateway("AllowMissing") + "---\n" + &own));

    let claims = |audience: Value| json!({"sub": "root", "role": "admin", "aud": audience});
    let admitted = Request::get("/").bearer(&token_of(&claims(json!("admin-area"))));
    assert_eq!(admitted.send(world.address).status, 200);
    assert_eq!(world.admin.seen().len(), 1);
    let elsewhere = Request::get("/").bearer(&token_of(&claims(json!("shop"))));
    assert_eq!(world.refused(&elsewhere).status, 403);
}

#[test]
fn two_identities_in_one_request_are_refused() {
    let world = World::start(&kgateway("AllowMissing"));
    let twice = |first: &str, second: &str| {
        Request::get("/")
            .bearer(&token(first))
            .bearer(&token(second))
    };
    let both = |first: &str, second: &str| {
        Request::get(&format!("/?access_token={}", token(second))).bearer(&token(first))
    };
    for (first, second) in [("alice", "bob"), ("bob", "alice")] {
        assert_eq!(world.refused(&both(first, second)).status, 401);
        let status = world.refused(&twice(first, second)).status;
        assert!(matches!(status, 400 | 401), "{status}");
    }
    let seen = world.seen(&both("alice", "alice"));
    assert_eq!(told(&seen.headers, WHO), ["alice"]);
    // Nor does a bad token pass in the shadow of a good one.
    let shadow = Request::get("/?access_token=a.b.c").bearer(&token("alice"));
    assert_eq!(world.refused(&shadow).status, 401);
}

#[test]
fn two_issuers_may_not_speak_for_one_request() {
    let other = Key::rsa("other");
    let mut own = rule();
    own["fromHeaders"] = json!([{"name": "x-own"}]);
    let mut foreign = rule_of(&other, "https://other.example.com");
    foreign["fromHeaders"] = json!([{"name": "x-foreign"}]);
    let world = World::start(&istio(&[own, foreign]));
    let mine = token("alice");
    let theirs = signed(
        &other,
        "https://other.example.com",
        &json!({"sub": "alice"}),
    );

    let alone = world.seen(&Request::get("/").header("x-own", &mine));
    assert_eq!(told(&alone.headers, WHO), ["alice"]);
    let together = Request::get("/")
        .header("x-own", &mine)
        .header("x-foreign", &theirs);
    assert_eq!(world.refused(&together).status, 401);
    let half_bad = Request::get("/")
        .header("x-own", &mine)
        .header("x-foreign", "a.b.c");
    assert_eq!(world.refused(&half_bad).status, 401);
}
