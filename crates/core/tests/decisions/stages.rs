//! The order of stages, missing facts, and routes that claims choose.

use crate::world::*;
use countersign_core::source::Source;
use countersign_core::{
    Event, Need, NoRecord, Outcome, Progress, ProviderId, Request, Trace, UnixTime, decide_with,
};

fn defaults() -> Box<[Source]> {
    Source::defaults().into()
}

fn bearer(token: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {token}"))]
}

fn as_str<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[test]
fn a_stranger_learns_nothing_of_routes() {
    let world = World::new(
        vec![strict(vec![rule(0, defaults())])],
        None,
        Some(0),
        &[Route("/api", None, Some(0))],
    );
    assert_eq!(world.get("/none", &[]).brief(), (401, "Jwt is missing"));
    let known = bearer(&alpha_token("alice"));
    assert_eq!(world.get("/none", &as_str(&known)).status, 404);
    assert_eq!(world.get("/api", &as_str(&known)).status, 200);
}

#[test]
fn istio_and_route_requirements_must_both_pass_for_one_caller() {
    let requirements = vec![
        istio(vec![rule(0, defaults())]),
        strict(vec![rule(1, [header("x-b", "")])]),
    ];
    let world = World::new(requirements, Some(0), None, &[Route("/", None, Some(1))]);
    let (alice, beta_alice) = (
        format!("Bearer {}", alpha_token("alice")),
        beta_token("alice"),
    );
    assert_eq!(
        world.get("/", &[("authorization", &alice)]).brief(),
        (401, "Jwt is missing")
    );
    assert_eq!(world.get("/", &[("x-b", &beta_alice)]).status, 200);
    let both = world.get("/", &[("authorization", &alice), ("x-b", &beta_alice)]);
    assert_eq!(
        both.brief(),
        (401, "Jwt issuer is not configured"),
        "two issuers"
    );
}

#[test]
fn claims_choose_the_route_and_its_policy_must_pass_too() {
    let requirements = vec![
        strict(vec![copies(rule(0, defaults()), &[("x-team", "team")])]),
        strict(vec![rule(1, [header("x-b", "")])]),
    ];
    let routes = [
        Route("/", None, Some(0)),
        Route("/", Some(("x-team", "dev")), Some(1)),
        Route("/", Some(("x-team", "ops")), Some(0)),
    ];
    let world = World::new(requirements, None, Some(0), &routes);
    assert!(world.snap.listeners[0].routes_on_identity);
    let token = bearer(&alpha_token("alice"));
    let answer = world.get("/", &as_str(&token));
    assert_eq!(
        answer.brief(),
        (401, "Jwt is missing"),
        "the dev route wants a second token"
    );

    let mut ops = claims(ALPHA, "alice");
    ops["team"] = "ops".into();
    let token = bearer(&alpha().token(&ops));
    let mut headers = as_str(&token);
    headers.push(("x-team", "dev"));
    assert_eq!(
        world.get("/", &headers).status,
        200,
        "a spoofed header chooses nothing"
    );
}

#[test]
fn a_claim_said_twice_is_told_once_and_keeps_its_route() {
    let team = |provider| copies(rule(provider, defaults()), &[("x-team", "team")]);
    let routes = [
        Route("/", None, Some(0)),
        Route("/dev", Some(("x-team", "dev")), Some(1)),
    ];
    let requirements = vec![strict(vec![team(0)]), strict(vec![team(0)])];
    let world = World::new(requirements, None, Some(0), &routes);
    let alice = alpha_token("alice");
    let token = bearer(&alice);
    let answer = world.get("/dev", &as_str(&token));
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.upstream("x-team"),
        ["dev"],
        "two policies, one claim"
    );

    // Also where one caller shows the same token at two places.
    let answer = world.get(&format!("/?access_token={alice}"), &as_str(&token));
    assert_eq!(answer.upstream("x-team"), ["dev"]);
}

/// One call; the status, or what is missing.
fn step<'r>(
    world: &World,
    progress: &mut Progress<'r>,
    request: &Request<'r>,
    trace: &mut Trace,
) -> Result<u16, Need> {
    match decide_with(
        progress,
        request,
        &world.snap,
        &world.facts,
        UnixTime(NOW),
        trace,
    ) {
        Outcome::Allow(_) => Ok(200),
        Outcome::Deny(denial) => Ok(denial.reason.status().as_u16()),
        Outcome::Need(need) => Err(need),
    }
}

#[test]
fn a_missing_fact_stops_and_resumes_without_repeating_a_stage() {
    let mut world = World::istio(vec![
        rule(0, [header("x-a", "")]),
        rule(1, [header("x-b", "")]),
    ]);
    world.facts.sets[0] = ready(&[&alpha(), &beta()], 1);
    world.facts.sets[1] = State::Pending;
    let mut parts = get("/", &[("x-b", &beta_token("alice"))])
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let prepared = world.prepare(&mut parts).unwrap();
    let request = Request::new(&parts, &prepared, CLEAR);
    let (mut progress, mut trace) = (Progress::default(), Trace::default());
    let first = step(&world, &mut progress, &request, &mut trace);
    assert_eq!(first, Err(Need::Keys(ProviderId(1))));

    world.facts.sets[1] = ready(&[&alpha()], 7);
    let second = step(&world, &mut progress, &request, &mut trace);
    assert_eq!(
        second,
        Err(Need::FreshKeys {
            provider: ProviderId(1),
            generation: 7
        })
    );

    world.facts.sets[1] = ready(&[&beta()], 8);
    assert_eq!(step(&world, &mut progress, &request, &mut trace), Ok(200));
    let routes = trace
        .events
        .iter()
        .filter(|it| matches!(it, Event::Route { .. }))
        .count();
    let found = trace
        .events
        .iter()
        .filter(|it| matches!(it, Event::TokenFound { .. }))
        .count();
    assert_eq!((routes, found), (1, 1));
}

#[test]
fn a_fact_is_asked_for_once() {
    let mut world = World::istio(vec![rule(1, defaults())]);
    let token = bearer(&beta_token("alice"));
    world.facts.sets[1] = State::Pending;
    assert_eq!(
        world.get("/", &as_str(&token)).brief(),
        (401, "Jwks remote fetch is failed")
    );
    world.facts.sets[1] = State::Unavailable;
    assert_eq!(
        world.get("/", &as_str(&token)).brief(),
        (401, "Jwks remote fetch is failed")
    );
    world.facts.sets[1] = ready(&[&alpha()], 1);
    let unknown = (401, "Jwks doesn't have key to match kid or alg from Jwt");
    assert_eq!(world.get("/", &as_str(&token)).brief(), unknown);
    let mut old = claims(BETA, "alice");
    old["exp"] = (NOW - 61).into();
    world.facts.sets[1] = State::Unavailable;
    let old = bearer(&beta().token(&old));
    assert_eq!(
        world.get("/", &as_str(&old)).brief(),
        (401, "Jwt is expired"),
        "needs no keys"
    );
}

#[test]
fn a_remembered_token_counts_for_its_provider_and_generation_and_until_it_expires() {
    let world = World::istio(vec![rule(0, defaults()), rule(1, defaults())]);
    let forged = format!("{}x", alpha_token("alice"));
    let headers = bearer(&forged);
    assert_eq!(world.get("/", &as_str(&headers)).status, 401);
    let told = |exp: u64| {
        let json = format!(r#"{{"iss":"{BETA}","sub":"x","exp":{exp}}}"#);
        let claims = countersign_jose::Claims::parse(json.as_bytes()).unwrap();
        countersign_jose::Verified::dangerous_unverified(claims)
    };
    let remember = |provider, generation, exp| {
        let mut cache = world.facts.cache.borrow_mut();
        cache.clear();
        cache.insert((provider, generation, forged.clone()), told(exp));
    };
    remember(1, 2, NOW + 5);
    assert_eq!(
        world.get("/", &as_str(&headers)).status,
        401,
        "another generation"
    );
    remember(1, 1, NOW + 5);
    assert_eq!(world.get("/", &as_str(&headers)).status, 200);
    remember(1, 1, NOW - 61);
    assert_eq!(world.get("/", &as_str(&headers)).status, 401, "expired");
}

#[test]
fn outcomes_are_the_same_with_and_without_a_recorder() {
    let world = World::istio(vec![rule(0, defaults()), rule(1, [header("x-b", "")])]);
    let (good, other) = (
        format!("Bearer {}", alpha_token("alice")),
        beta_token("bob"),
    );
    for headers in [
        vec![],
        vec![("authorization", good.as_str())],
        vec![("x-b", other.as_str())],
        vec![("authorization", "Bearer x")],
        vec![("authorization", &good), ("x-b", &other)],
    ] {
        let mut parts = get("/", &headers).body(()).unwrap().into_parts().0;
        let prepared = world.prepare(&mut parts).unwrap();
        let request = Request::new(&parts, &prepared, CLEAR);
        let quiet = decide_with(
            &mut Progress::default(),
            &request,
            &world.snap,
            &world.facts,
            UnixTime(NOW),
            &mut NoRecord,
        );
        let loud = decide_with(
            &mut Progress::default(),
            &request,
            &world.snap,
            &world.facts,
            UnixTime(NOW),
            &mut Trace::default(),
        );
        match (quiet, loud) {
            (Outcome::Allow(a), Outcome::Allow(b)) => assert_eq!(a.edits, b.edits),
            (Outcome::Deny(a), Outcome::Deny(b)) => assert_eq!(a, b),
            (a, b) => panic!("{a:?} and {b:?}"),
        }
    }
}

#[test]
fn streams_end_with_the_first_token_to_expire() {
    let world = World::istio(vec![rule(0, [header("x-a", ""), header("x-b", "")])]);
    let mut short = claims(ALPHA, "alice");
    short["exp"] = (NOW + 30).into();
    let headers = [
        ("x-a", alpha_token("alice")),
        ("x-b", alpha().token(&short)),
    ];
    let mut parts = get("/", &as_str(&headers)).body(()).unwrap().into_parts().0;
    let prepared = world.prepare(&mut parts).unwrap();
    let request = Request::new(&parts, &prepared, CLEAR);
    let outcome = decide_with(
        &mut Progress::default(),
        &request,
        &world.snap,
        &world.facts,
        UnixTime(NOW),
        &mut NoRecord,
    );
    let Outcome::Allow(grant) = outcome else {
        panic!("refused")
    };
    assert_eq!(grant.ends, Some(UnixTime(NOW + 30 + 60)));
    assert_eq!(grant.accepted.len(), 2);
}

#[test]
fn padded_values_are_refused_and_split_cookies_are_one() {
    let world = World::istio(vec![rule(0, [Source::Cookie("c".into())])]);
    let (good, forged) = (alpha_token("alice"), beta_token("alice"));
    let first = format!("c={good}");
    let h2 = |headers: &[(&str, &str)]| world.ask(get("/", headers).version(http::Version::HTTP_2));
    let joined = h2(&[("cookie", "a=1"), ("cookie", &first), ("cookie", "b=2")]);
    assert_eq!(joined.upstream("cookie"), [format!("a=1; {first}; b=2")]);
    assert_eq!(
        h2(&[("cookie", "a=1"), ("cookie", &format!("c={forged}"))]).status,
        401
    );
    for padded in [" Bearer x", "\tBearer x", "x ", "x\t", " "] {
        assert_eq!(
            h2(&[("authorization", padded)]).brief(),
            (400, "bad request")
        );
    }
    assert_eq!(h2(&[("x-empty", "")]).status, 200);
}

#[test]
fn what_gateways_tell_their_backends_is_not_taken_from_strangers() {
    let world = World::istio(vec![rule(0, defaults())]);
    let said = [
        ("x-forwarded-client-cert", "URI=spiffe://admin"),
        ("X_Forwarded_Client_Cert", "URI=spiffe://admin"),
        ("x-envoy-external-address", "10.0.0.1"),
        ("x_envoy_internal", "true"),
        ("x-envoys", "kept"),
        ("x-forwarded-host", "kept"),
    ];
    let answer = world.get("/", &said);
    for (name, value) in said {
        let kept = if value == "kept" { vec![value] } else { vec![] };
        assert_eq!(answer.upstream(name), kept, "{name}");
    }
}

#[test]
fn an_absolute_target_does_not_make_up_for_a_missing_host() {
    let world = World::istio(vec![rule(0, defaults())]);
    let absolute = || http::Request::builder().uri("http://h.test/a");
    assert_eq!(world.ask(absolute()).status, 400);
    assert_eq!(world.ask(absolute().header("host", "h.test")).status, 200);
    assert_eq!(
        world.ask(absolute().version(http::Version::HTTP_2)).status,
        200
    );
}
