//! What a requirement does with the tokens of a request, through `prepare` and `decide`.

use crate::world::*;
use countersign_core::source::Source;
use serde_json::json;

const MISSING: (u16, &str) = (401, "Jwt is missing");
const FORMAT: (u16, &str) = (
    401,
    "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
);
const UNKNOWN: (u16, &str) = (401, "Jwt issuer is not configured");
const FAILS: (u16, &str) = (401, "Jwt verification fails");
const PASS: (u16, &str) = (200, "/");

fn defaults() -> Box<[Source]> {
    Source::defaults().into()
}

#[test]
fn authorization_is_read_as_rfc_9110_says() {
    let world = World::strict(vec![rule(0, defaults())]);
    let token = alpha_token("alice");
    let with = |value: String| world.get("/", &[("authorization", &value)]);
    for good in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER   {token}"),
        format!("Bearer\t{token}"),
    ] {
        assert_eq!(with(good).brief(), PASS);
    }
    for none in [
        token.clone(),
        format!("Basic {token}"),
        format!("xBearer {token}"),
        format!("Basic a, Bearer {token}"),
        "Bearer".into(),
        String::new(),
    ] {
        assert_eq!(with(none).brief(), MISSING);
    }
    for bad in [
        "Bearer ###".into(),
        format!("Bearer {token} x"),
        format!("Bearer ,{token}x.y"),
    ] {
        assert_eq!(with(bad).status, 401);
    }
}

#[test]
fn what_is_not_text_is_a_token_and_a_bad_one() {
    let world = World::strict(vec![rule(0, defaults())]);
    let token = alpha_token("alice");
    for value in [
        [b"Bearer ", token.as_bytes(), b"\xff"].concat(),
        [b"Bearer \xff", token.as_bytes()].concat(),
        [b"Basic \xff", token.as_bytes()].concat(),
        b"\xff".to_vec(),
    ] {
        let mut request = http::Request::builder().uri("/").header("host", "h.test");
        request = request.header("authorization", &value[..]);
        assert_eq!(world.ask(request).brief(), FORMAT, "{value:?}");
    }
}

#[test]
fn two_authorization_headers_never_pass() {
    let world = World::istio(vec![rule(0, defaults())]);
    let (good, basic) = (
        format!("Bearer {}", alpha_token("alice")),
        "Basic YTpi".to_owned(),
    );
    for pair in [[&good, &good], [&good, &basic], [&basic, &good]] {
        let headers = [
            ("authorization", pair[0].as_str()),
            ("authorization", pair[1].as_str()),
        ];
        assert_eq!(world.get("/", &headers).brief(), FORMAT);
    }
}

#[test]
fn every_token_found_must_pass_and_name_one_caller() {
    let sources = [
        header("x-a", ""),
        Source::Query("t".into()),
        Source::Cookie("c".into()),
    ];
    let world = World::istio(vec![rule(0, sources)]);
    let (alice, bob) = (alpha_token("alice"), alpha_token("bob"));
    let cookie = format!("c={alice}");
    assert_eq!(
        world
            .get(
                &format!("/?t={alice}"),
                &[("x-a", &alice), ("cookie", &cookie)]
            )
            .brief(),
        PASS
    );
    assert_eq!(
        world.get(&format!("/?t={bob}"), &[("x-a", &alice)]).brief(),
        FAILS
    );
    assert_eq!(world.get("/?t=rubbish", &[("x-a", &alice)]).brief(), FORMAT);
    assert_eq!(
        world.get(&format!("/?t={alice}&t=rubbish"), &[]).brief(),
        FORMAT
    );
    assert_eq!(
        world.get(&format!("/?t={alice}&%74={bob}"), &[]).brief(),
        FAILS
    );
    assert_eq!(
        world.get("/", &[("x-a", &alice), ("x-a", &bob)]).brief(),
        FAILS
    );
    assert_eq!(
        world
            .get("/", &[("cookie", &cookie), ("cookie", "c=zz")])
            .brief(),
        FORMAT
    );
    assert_eq!(world.get("/?t=", &[]).brief(), FORMAT);
    assert_eq!(world.get("/?t", &[]).brief(), FORMAT);
    assert_eq!(world.get("/", &[("x-a", "")]).brief(), FORMAT);
    assert_eq!(world.get("/", &[]).brief(), PASS, "anonymous");
}

#[test]
fn a_good_token_of_one_rule_does_not_carry_a_bad_one_of_another() {
    let rules = || vec![rule(0, [header("x-a", "")]), rule(1, [header("x-b", "")])];
    let world = World::istio(rules());
    let (good, other) = (alpha_token("alice"), beta_token("alice"));
    assert_eq!(
        world
            .get("/", &[("x-a", &good), ("x-b", "rubbish")])
            .brief(),
        FORMAT
    );
    assert_eq!(
        world.get("/", &[("x-a", &good), ("x-b", &good)]).brief(),
        UNKNOWN
    );
    assert_eq!(
        world.get("/", &[("x-a", &good), ("x-b", &other)]).brief(),
        UNKNOWN,
        "two issuers"
    );
    assert_eq!(world.get("/", &[("x-b", &other)]).brief(), PASS);
}

#[test]
fn of_several_rules_any_may_accept_and_the_telling_error_is_reported() {
    let world = World::istio(vec![rule(0, defaults()), rule(1, defaults())]);
    let bearer = |token: &str| world.get("/", &[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(bearer(&alpha_token("a")).brief(), PASS);
    assert_eq!(bearer(&beta_token("b")).brief(), PASS);
    let mut old = claims(ALPHA, "a");
    old["exp"] = json!(NOW - 100);
    assert_eq!(
        bearer(&alpha().token(&old)).brief(),
        (401, "Jwt is expired")
    );
    assert_eq!(
        bearer(&alpha().token(&claims("https://other.test", "a"))).brief(),
        UNKNOWN
    );
}

#[test]
fn kgateway_tells_the_last_telling_error_and_istio_the_first() {
    let mut old = claims(ALPHA, "a");
    old["exp"] = json!(NOW - 100);
    let bearer = format!("Bearer {}", alpha().token(&old));
    let rules = || {
        let mut later = rule(1, defaults());
        later.provider = countersign_core::ProviderId(2);
        vec![rule(0, defaults()), later]
    };
    // Provider 2 expects the same issuer and another audience, and lets time pass.
    let with_third = |mut world: World| {
        let mut third = world.snap.providers[0].clone();
        third.expect.skew = 1000;
        third.expect.audiences = countersign_jose::Audiences::exact(["api"]);
        let mut all = world.snap.providers.to_vec();
        all.push(third);
        world.snap.providers = all.into();
        world
    };
    let istio = with_third(World::istio(rules()));
    assert_eq!(
        istio.get("/", &[("authorization", &bearer)]).brief(),
        (401, "Jwt is expired")
    );
    let kgateway = with_third(World::strict(rules()));
    let refused = (403, "Audiences in Jwt are not allowed");
    assert_eq!(
        kgateway.get("/", &[("authorization", &bearer)]).brief(),
        refused
    );
}

#[test]
fn tokens_are_taken_away_unless_forwarded() {
    let sources = [
        header("x-a", ""),
        Source::Query("t".into()),
        Source::Cookie("c".into()),
    ];
    let mut keep = rule(0, sources.clone());
    keep.forward = true;
    let token = alpha_token("alice");
    let (target, cookie) = (
        format!("/p?q=a%26b%3Dc&t={token}&x=%20&y"),
        format!("z=1; c={token}"),
    );
    let headers = [("x-a", token.as_str()), ("cookie", cookie.as_str())];

    let gone = World::istio(vec![rule(0, sources)]).get(&target, &headers);
    assert_eq!(gone.target(), "/p?q=a%26b%3Dc&x=%20&y");
    assert!(gone.upstream("x-a").is_empty());
    assert_eq!(gone.upstream("cookie"), [cookie.as_str()], "cookies stay");

    let kept = World::istio(vec![keep]).get(&target, &headers);
    assert_eq!(
        (kept.target(), kept.upstream("x-a")),
        (target, vec![token.clone()])
    );

    let alone =
        World::istio(vec![rule(0, defaults())]).get(&format!("/p?access_token={token}"), &[]);
    assert_eq!(alone.target(), "/p");
}

#[test]
fn claims_become_headers_and_nobody_else_can_set_them() {
    let pairs = [
        ("x-user", "sub"),
        ("x-team", "team"),
        ("x-level", "level"),
        ("x-roles", "roles"),
        ("x-org", "org.name"),
        ("x-none", "absent"),
    ];
    let mut copying = copies(rule(0, defaults()), &pairs);
    copying.payload_header = Some("x-payload".parse().unwrap());
    let world = World::istio(vec![
        copying,
        copies(rule(1, [header("x-b", "")]), &[("x-beta", "sub")]),
    ]);
    let spoofs = [
        ("x-user", "root"),
        ("X_User", "root"),
        ("x_user", "root"),
        ("x-beta", "root"),
        ("x-none", "root"),
        ("X-PAYLOAD", "root"),
        ("x-usér", "kept"),
    ];
    let spoofs: Vec<(&str, &str)> = spoofs.into_iter().filter(|it| it.0.is_ascii()).collect();

    let anonymous = world.get("/", &spoofs);
    for (name, _) in &spoofs {
        assert!(anonymous.upstream(name).is_empty(), "{name}");
    }
    let token = alpha_token("alice");
    let bearer = format!("Bearer {token}");
    let mut headers = spoofs.clone();
    headers.push(("authorization", &bearer));
    headers.push(("connection", "x-user, x-team, authorization"));
    let known = world.get("/", &headers);
    let one = |name: &str| known.upstream(name).join("|");
    assert_eq!(one("x-user"), "alice");
    assert_eq!(one("x-team"), "dev");
    assert_eq!(one("x-level"), "7");
    assert_eq!(one("x-roles"), "WyJhIiwiYiJd");
    assert_eq!(one("x-org"), "acme");
    assert_eq!(one("x-payload"), token.split('.').nth(1).unwrap());
    for absent in ["x-none", "x_user", "x-beta", "authorization", "connection"] {
        assert_eq!(one(absent), "", "{absent}");
    }
}

#[test]
fn a_claim_that_is_no_header_value_refuses_the_request() {
    let world = World::istio(vec![copies(rule(0, defaults()), &[("x-user", "sub")])]);
    let token = alpha().token(&claims(ALPHA, "a\r\nx-admin: 1"));
    assert_eq!(
        world
            .get("/", &[("authorization", &format!("Bearer {token}"))])
            .brief(),
        FAILS
    );
}

#[test]
fn preflights_pass_istio_and_not_kgateway() {
    let preflight = || {
        http::Request::builder()
            .method("OPTIONS")
            .uri("/")
            .header("host", "h.test")
            .header("origin", "https://app.test")
            .header("access-control-request-method", "POST")
            .header("authorization", "Bearer rubbish")
    };
    assert_eq!(
        World::istio(vec![rule(0, defaults())])
            .ask(preflight())
            .brief(),
        PASS
    );
    assert_eq!(
        World::strict(vec![rule(0, defaults())])
            .ask(preflight())
            .brief(),
        FORMAT
    );
    let plain = preflight().header("origin", "");
    assert_eq!(
        World::istio(vec![rule(0, defaults())]).ask(plain).brief(),
        PASS
    );
    let no_origin = http::Request::builder()
        .method("OPTIONS")
        .uri("/")
        .header("host", "h.test");
    let bad = no_origin.header("authorization", "Bearer rubbish");
    assert_eq!(
        World::istio(vec![rule(0, defaults())]).ask(bad).brief(),
        FORMAT
    );
}

#[test]
fn a_required_rule_wants_its_own_token() {
    let mut must = rule(0, defaults());
    must.required = true;
    let world = World::istio(vec![must, rule(1, [header("x-b", "")])]);
    assert_eq!(world.get("/", &[]).brief(), MISSING);
    assert_eq!(
        world.get("/", &[("x-b", &beta_token("alice"))]).brief(),
        MISSING
    );
    let bearer = format!("Bearer {}", alpha_token("alice"));
    assert_eq!(world.get("/", &[("authorization", &bearer)]).brief(), PASS);
}

#[test]
fn challenges_are_envoys() {
    let world = World::strict(vec![rule(0, defaults())]);
    let missing = world.get("/a/../b%61?x=%221", &[]);
    assert_eq!(
        missing.challenge.as_deref(),
        Some(r#"Bearer realm="http://h.test/ba?x=%221""#)
    );
    let steps: Vec<String> = missing
        .trace
        .events
        .iter()
        .map(ToString::to_string)
        .collect();
    let place = "RequestAuthentication test";
    let wanted = [
        format!("listener: {place}/listener (test.yaml:1), client 127.0.0.1"),
        format!("route: {place}// (test.yaml:1)"),
        format!("tokens: {place}/strict (test.yaml:1)"),
        "no token found".to_owned(),
        format!("denied by {place}/strict (test.yaml:1): jwt_missing"),
    ];
    assert_eq!(steps, wanted);
    let bad = world.get("/", &[("authorization", "Bearer x")]);
    let wanted = r#"Bearer realm="http://h.test/", error="invalid_token""#;
    assert_eq!(bad.challenge.as_deref(), Some(wanted));
    let long = world.get(&format!("/{}", "a".repeat(400)), &[]);
    assert_eq!(
        long.challenge.map(|it| it.len()),
        Some(r#"Bearer realm="http://h.test""#.len() + 256)
    );
}

#[test]
fn the_log_is_told_what_to_compare() {
    let mut refusing = rule(0, defaults());
    refusing.provider = countersign_core::ProviderId(0);
    let mut world = World::strict(vec![refusing]);
    let told = |world: &World, token: String| {
        let answer = world.get("/", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(answer.denied_route.map(|it| it.0), Some(0));
        assert!(answer.status >= 401 && !answer.body.contains('`'));
        answer.detail
    };
    let mut other = claims("https://alpha.test/", "alice");
    assert_eq!(
        told(&world, alpha().token(&other)),
        "the token's issuer is `https://alpha.test/`"
    );
    other["iss"] = json!("x".repeat(5000));
    assert!(told(&world, alpha().token(&other)).len() < 300);
    let mut old = claims(ALPHA, "alice");
    old["exp"] = json!(NOW - 100);
    assert_eq!(
        told(&world, alpha().token(&old)),
        format!("the token expired at {}", NOW - 100)
    );
    let foreign = told(&world, beta().token(&claims(ALPHA, "alice")));
    assert_eq!(
        foreign,
        format!(
            "the token's `kid` is `{}`, its `alg` ES256",
            beta().kid().unwrap()
        )
    );
    let mut providers = world.snap.providers.to_vec();
    providers[0].expect.audiences = countersign_jose::Audiences::exact(["api"]);
    world.snap.providers = providers.into();
    let mut wrong = claims(ALPHA, "alice");
    assert_eq!(
        told(&world, alpha().token(&wrong)),
        "the token names no audience"
    );
    wrong["aud"] = json!(["a", "b"]);
    assert_eq!(
        told(&world, alpha().token(&wrong)),
        "the token is for `a`, `b`"
    );
    assert_eq!(told(&world, "rubbish".into()), "");
}
