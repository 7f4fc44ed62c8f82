//! AuthorizationPolicies among the other stages, and what they see by then.

use crate::world::*;
use countersign_core::authz::{
    Action, Clause, HeaderField, Policy, PolicySet, Remarked, RequestPrincipal, Rule, Test, Text,
};
use countersign_core::id::PolicySetId;
use countersign_core::source::Source;
use countersign_core::{
    Event, Need, NoRecord, Outcome, Progress, Reason, Request, Trace, UnixTime, decide, decide_with,
};
use http::{HeaderName, Method};

fn defaults() -> Box<[Source]> {
    Source::defaults().into()
}

pub(crate) fn texts(values: &[&str]) -> Vec<Text> {
    values.iter().map(|it| Text::parse(it)).collect()
}

pub(crate) fn path(value: &str) -> Test {
    Test::Paths(texts(&[value]), Vec::new())
}

pub(crate) fn header(name: &'static str, value: &str) -> Test {
    Test::Header(
        HeaderField::Named(HeaderName::from_static(name)),
        texts(&[value]),
    )
}

pub(crate) fn caller() -> Test {
    let (issuer, subject) = (Text::Present, Text::Present);
    Test::RequestPrincipals(vec![RequestPrincipal { issuer, subject }])
}

pub(crate) fn clause(negated: bool, test: Test) -> Clause {
    Clause {
        field: "field".into(),
        expanded: false,
        negated,
        test,
    }
}

/// A policy of one rule with one clause.
pub(crate) fn policy(name: &str, action: Action, negated: bool, test: Test) -> Policy {
    let rule = Rule {
        origin: origin(&format!("{name}-rule")),
        from: Vec::new(),
        to: vec![vec![clause(negated, test)]],
        when: Vec::new(),
    };
    Policy {
        origin: origin(name),
        action,
        dry_run: false,
        rules: vec![rule],
    }
}

pub(crate) fn guarded(mut world: World, policies: Vec<Policy>) -> World {
    world.snap.policies = Box::new([PolicySet::new(policies)]);
    world.snap.listeners[0].policies = Some(PolicySetId(0));
    world
}

/// With RequestAuthentication for one issuer, whose token is taken away.
fn behind_tokens(policies: Vec<Policy>) -> World {
    guarded(
        World::istio(vec![copies(rule(0, defaults()), &[("x-user", "sub")])]),
        policies,
    )
}

/// Status, reason and the rule that refused; the same with and without a recorder.
#[track_caller]
pub(crate) fn ask(world: &World, request: http::request::Builder) -> (u16, Reason, String) {
    let mut parts = request.body(()).unwrap().into_parts().0;
    let prepared = world.prepare(&mut parts).unwrap();
    let request = Request::new(&parts, &prepared, CLEAR);
    let told = |outcome: Outcome<'_>| match outcome {
        Outcome::Allow(_) => (200, Reason::Ok, String::new()),
        Outcome::Deny(denial) => {
            let named = denial.origin.as_ref().map(|it| it.name.to_string());
            let status = denial.reason.status().as_u16();
            assert!(denial.challenge.is_none() || status == 401, "{denial:?}");
            (status, denial.reason, named.unwrap_or_default())
        }
        Outcome::Need(need) => panic!("{need:?}"),
    };
    let mut progress = Progress::default();
    let (snap, facts, now) = (&world.snap, &world.facts, UnixTime(NOW));
    let quick = decide_with(&mut progress, &request, snap, facts, now, &mut NoRecord);
    let quick = told(quick);
    let decision = decide(&request, snap, facts, now);
    assert_eq!(decision.remarks[..], *progress.remarks());
    assert_eq!(told(decision.outcome), quick);
    quick
}

pub(crate) fn denied(reason: Reason, rule: &str) -> (u16, Reason, String) {
    (403, reason, rule.to_owned())
}

pub(crate) fn allowed() -> (u16, Reason, String) {
    (200, Reason::Ok, String::new())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn custom_before_tokens_and_tokens_before_all_else() {
    let world = behind_tokens(vec![
        policy("custom", Action::Custom, false, path("/custom")),
        policy("deny", Action::Deny, false, path("/deny")),
        policy("allow", Action::Allow, false, caller()),
    ]);
    let (good, bad) = (bearer(&alpha_token("a")), "Bearer x.y.z");
    let at = |path: &str, token: &str| ask(&world, get(path, &[("authorization", token)]));
    assert_eq!(
        at("/custom", bad),
        denied(Reason::PolicyCustom, "custom-rule")
    );
    assert_eq!(at("/deny", bad).0, 401);
    assert_eq!(
        at("/deny", &good),
        denied(Reason::PolicyDenied, "deny-rule")
    );
    assert_eq!(at("/", &good), allowed());
    assert_eq!(
        ask(&world, get("/", &[])),
        denied(Reason::PolicyNotAllowed, "allow")
    );
    let answer = world.get("/", &[]);
    assert_eq!(answer.brief(), (403, "RBAC: access denied"));
    assert_eq!(
        answer.detail,
        "none of 1 rule in 1 ALLOW policy matches: test/allow"
    );
}

#[test]
fn a_stranger_learns_nothing_of_routes_from_policies() {
    let world = World::new(vec![], None, None, &[Route("/api", None, None)]);
    let world = guarded(
        world,
        vec![policy("allow", Action::Allow, false, path("/api/*"))],
    );
    assert_eq!(ask(&world, get("/api/x", &[])).0, 200);
    assert_eq!(ask(&world, get("/none", &[])).0, 403);
    let world = World::new(vec![], None, None, &[Route("/api", None, None)]);
    let world = guarded(
        world,
        vec![policy("deny", Action::Deny, false, path("/api"))],
    );
    assert_eq!(ask(&world, get("/none", &[])).0, 404);
}

#[test]
fn policies_see_headers_as_the_upstream_will() {
    let token = bearer(&alpha_token("alice"));
    let headers = &[("authorization", &*token), ("x-user", "mallory")];
    for (action, test, refused) in [
        (Action::Deny, header("authorization", "*"), false),
        (Action::Deny, header("x-user", "alice"), true),
        (Action::Deny, header("x-user", "mallory"), false),
        // Before tokens were looked at it is still there, and what only the gateway may say is not.
        (Action::Custom, header("authorization", "Bearer *"), true),
        (Action::Custom, header("x-user", "*"), false),
    ] {
        let world = behind_tokens(vec![policy("p", action, false, test.clone())]);
        assert_eq!(
            ask(&world, get("/", headers)).0 == 403,
            refused,
            "{action} {test:?}"
        );
    }
    let mut forwards = rule(0, defaults());
    forwards.forward = true;
    let policies = vec![policy(
        "p",
        Action::Deny,
        false,
        header("authorization", "*"),
    )];
    let world = guarded(World::istio(vec![forwards]), policies);
    assert_eq!(ask(&world, get("/", headers)).0, 403);

    let target = Test::Header(HeaderField::Path, texts(&["/?a=1"]));
    let world = behind_tokens(vec![policy("p", Action::Deny, false, target)]);
    let query = format!("/?a=1&access_token={}", alpha_token("alice"));
    assert_eq!(ask(&world, get(&query, &[])).0, 403);
}

#[test]
fn a_preflight_has_no_claims_and_meets_policies_all_the_same() {
    let token = bearer(&alpha_token("alice"));
    let preflight = || {
        get(
            "/",
            &[
                ("authorization", &token),
                ("origin", "https://a.test"),
                ("access-control-request-method", "GET"),
            ],
        )
        .method(Method::OPTIONS)
    };
    let world = behind_tokens(vec![policy("p", Action::Allow, false, caller())]);
    assert_eq!(ask(&world, preflight()).0, 403);
    let world = behind_tokens(vec![policy("p", Action::Deny, true, caller())]);
    assert_eq!(ask(&world, preflight()).0, 403);
    assert_eq!(ask(&world, get("/", &[("authorization", &token)])).0, 200);
}

/// As in Envoy: the first rule that succeeds says whose claims count, and of
/// its tokens the first place.
#[test]
fn claims_are_those_of_the_first_rule_that_accepts() {
    let said = |team: &str| {
        let mut claims = claims(ALPHA, "alice");
        claims["team"] = team.into();
        alpha().token(&claims)
    };
    let team = |value: &str| Test::Claim(Box::new(["team".into()]), texts(&[value]));
    let places = |first: &str, second: &str| {
        vec![
            rule(0, [crate::world::header(first, "")]),
            rule(0, [crate::world::header(second, "")]),
        ]
    };
    for (rules, wins) in [
        (
            vec![rule(
                0,
                [
                    crate::world::header("x-a", ""),
                    crate::world::header("x-b", ""),
                ],
            )],
            "a",
        ),
        (places("x-a", "x-b"), "a"),
        (places("x-b", "x-a"), "b"),
    ] {
        let world = guarded(
            World::istio(rules),
            vec![policy("p", Action::Allow, false, team(wins))],
        );
        let (a, b) = (said("a"), said("b"));
        assert_eq!(
            ask(&world, get("/", &[("x-a", &a), ("x-b", &b)])).0,
            200,
            "{wins}"
        );
    }
    // Words of claims that this rule splits.
    let mut splits = rule(0, defaults());
    splits.space_delimited = Box::new(["team".into()]);
    let world = guarded(
        World::istio(vec![splits]),
        vec![policy("p", Action::Allow, false, team("dev"))],
    );
    let token = bearer(&said("ops dev"));
    assert_eq!(ask(&world, get("/", &[("authorization", &token)])).0, 200);
}

#[test]
fn tokens_of_a_route_speak_for_the_caller_too() {
    let world = World::strict(vec![rule(0, defaults())]);
    let world = guarded(world, vec![policy("p", Action::Allow, false, caller())]);
    let token = bearer(&alpha_token("alice"));
    assert_eq!(ask(&world, get("/", &[("authorization", &token)])).0, 200);
    assert_eq!(ask(&world, get("/", &[])).0, 401);
}

#[test]
fn a_missing_fact_evaluates_no_policy_twice() {
    let rules = vec![rule(1, defaults())];
    let policies = vec![
        policy("custom", Action::Custom, false, path("/x")),
        policy("audit", Action::Audit, false, path("/*")),
    ];
    let mut world = guarded(World::istio(rules), policies);
    world.facts.sets[1] = State::Pending;
    let token = bearer(&beta_token("alice"));
    let mut parts = get("/", &[("authorization", &token)])
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let prepared = world.prepare(&mut parts).unwrap();
    let request = Request::new(&parts, &prepared, CLEAR);
    let (mut progress, mut trace) = (Progress::default(), Trace::default());
    let now = UnixTime(NOW);
    let first = decide_with(
        &mut progress,
        &request,
        &world.snap,
        &world.facts,
        now,
        &mut trace,
    );
    assert!(matches!(first, Outcome::Need(Need::Keys(_))));
    assert!(progress.remarks().is_empty());
    world.facts.sets[1] = ready(&[&beta()], 1);
    let second = decide_with(
        &mut progress,
        &request,
        &world.snap,
        &world.facts,
        now,
        &mut trace,
    );
    assert!(matches!(second, Outcome::Allow(_)));
    let stages = trace
        .events
        .iter()
        .filter(|it| matches!(it, Event::Policies { .. }));
    assert_eq!(stages.count(), 2);
    let remarks: Vec<_> = progress
        .remarks()
        .iter()
        .map(|it| (it.outcome, &*it.origin.name))
        .collect();
    assert_eq!(remarks, [(Remarked::Audited, "audit-rule")]);
}

#[test]
fn a_refused_request_leaves_its_remarks() {
    let mut trial = policy("trial", Action::Deny, false, path("/*"));
    trial.dry_run = true;
    let world = behind_tokens(vec![trial, policy("deny", Action::Deny, false, path("/x"))]);
    assert_eq!(
        ask(&world, get("/x", &[])),
        denied(Reason::PolicyDenied, "deny-rule")
    );
    let mut parts = get("/x", &[]).body(()).unwrap().into_parts().0;
    let prepared = world.prepare(&mut parts).unwrap();
    let request = Request::new(&parts, &prepared, CLEAR);
    let decision = decide(&request, &world.snap, &world.facts, UnixTime(NOW));
    assert_eq!(decision.remarks.len(), 1);
    assert_eq!(decision.remarks[0].outcome, Remarked::WouldDeny);
}

#[test]
fn a_set_that_is_gone_closes_the_listener() {
    let mut world = World::istio(vec![]);
    world.snap.listeners[0].policies = Some(PolicySetId(3));
    assert_eq!(ask(&world, get("/", &[])).0, 500);
}
