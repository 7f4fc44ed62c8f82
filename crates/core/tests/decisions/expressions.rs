//! CEL rules among the other stages: what they see, when they are asked, and whose they are.

use countersign_core::authn::{Bad, Family, Missing, Requirement};
use countersign_core::authz::{
    Dialect, Expression, ExpressionRule, Join, Rbac, RuleAction, RuleSet,
};
use countersign_core::id::RbacId;
use countersign_core::listener::Listener;
use countersign_core::route::RouteTable;
use countersign_core::source::Source;
use countersign_core::{Event, Origin};
use countersign_expression::Program;
use countersign_jose::{Claims, Verified};
use serde_json::json;

use crate::world::*;

pub(crate) fn rbac(name: &str, dialect: Dialect, source: &str) -> Rbac {
    let place = Origin {
        kind: "TrafficPolicy",
        ..(*origin(name)).clone()
    };
    let rule = ExpressionRule {
        origin: place.clone().into(),
        action: RuleAction::Allow,
        join: Join::Any,
        dialect,
        expressions: [Expression {
            origin: place.into(),
            program: Program::compile(source, dialect.environment()).unwrap(),
            written: None,
        }]
        .into(),
        allowed: None,
        blocked: None,
    };
    Rbac {
        sets: [RuleSet::new(vec![rule.into()])].into(),
    }
}

/// Attaches expressions to the listener and to routes, by number.
pub(crate) fn attach(
    world: &mut World,
    rbacs: Vec<Rbac>,
    listener: Option<u32>,
    routes: &[Option<u32>],
) {
    let held: &mut Listener = &mut world.snap.listeners[0];
    held.rbac = listener.map(RbacId);
    let mut entries: Vec<_> = held.routes.entries().cloned().collect();
    for entry in &mut entries {
        entry.rbac = routes[entry.rule.0 as usize].map(RbacId);
    }
    held.routes = RouteTable::new(entries);
    world.snap.rbacs = rbacs.into();
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

const DENIED: (u16, &str) = (403, "RBAC: access denied");

#[test]
fn claims_are_those_of_the_accepted_token() {
    let mut world = World::strict(vec![rule(0, Source::defaults())]);
    let source = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['sub'] == 'alice' \
                  && jwt.level == 7 && !has(request.headers.authorization)";
    attach(
        &mut world,
        vec![rbac("p", Dialect::Envoy, source)],
        None,
        &[Some(0)],
    );
    let get = |subject: &str| {
        let token = bearer(&alpha_token(subject));
        world.get("/", &[("authorization", &token)])
    };
    assert_eq!(get("alice").status, 200);
    let bob = get("bob");
    assert_eq!(bob.brief(), DENIED);
    assert_eq!(bob.detail, "the expression is not true");
    assert_eq!(bob.challenge, None, "another token changes nothing");
    // No token: that is told before any expression is asked.
    assert_eq!(world.get("/", &[]).brief(), (401, "Jwt is missing"));
}

#[test]
fn the_route_decides_and_where_none_matches_the_listener() {
    let mut world = World::new(
        vec![],
        None,
        None,
        &[Route("/open", None, None), Route("/own", None, None)],
    );
    let rbacs = vec![
        rbac("listener", Dialect::Envoy, "request.method == 'PUT'"),
        rbac("route", Dialect::Envoy, "request.url_path == '/own/a'"),
    ];
    attach(&mut world, rbacs, Some(0), &[None, Some(1)]);
    assert_eq!(world.get("/open", &[]).status, 200);
    assert_eq!(world.get("/own/a", &[]).status, 200);
    assert_eq!(world.get("/own/b", &[]).brief(), DENIED);
    // Strangers are not told whether a route exists.
    assert_eq!(world.get("/none", &[]).brief(), DENIED);
}

#[test]
fn a_route_that_claims_chose_has_its_own_say() {
    let requirement = strict(vec![copies(
        rule(0, Source::defaults()),
        &[("x-team", "team")],
    )]);
    let routes = [
        Route("/", None, Some(0)),
        Route("/", Some(("x-team", "dev")), Some(0)),
    ];
    let mut world = World::new(vec![requirement], None, Some(0), &routes);
    let rbacs = vec![
        rbac("first", Dialect::Envoy, "true"),
        rbac(
            "second",
            Dialect::Envoy,
            "request.headers['x-team'] == 'dev' && jwt.sub == 'alice'",
        ),
    ];
    attach(&mut world, rbacs, None, &[Some(0), Some(1)]);
    let get = |subject: &str| {
        let token = bearer(&alpha_token(subject));
        world.get("/", &[("authorization", &token), ("x-team", "forged")])
    };
    assert_eq!(get("alice").status, 200);
    assert_eq!(get("bob").brief(), DENIED);
}

#[test]
fn a_set_that_is_gone_closes() {
    let mut world = World::new(vec![], None, None, &[Route("/", None, None)]);
    attach(&mut world, vec![], None, &[Some(3)]);
    assert_eq!(world.get("/", &[]).status, 500);
}

fn agentgateway(missing: Missing, bad: Bad) -> World {
    let rules = vec![
        rule(0, [header("authorization", "Bearer ")]),
        rule(1, [header("authorization", "Bearer ")]),
    ];
    let requirement = Requirement::new(origin("mode"), rules, missing, Family::Agentgateway);
    let mut world = World::new(
        vec![requirement.with_bad(bad)],
        None,
        None,
        &[Route("/", None, Some(0)), Route("/named", None, Some(0))],
    );
    let named = rbac("named", Dialect::Agentgateway, "has(jwt.sub)");
    attach(&mut world, vec![named], None, &[None, Some(0)]);
    world
}

/// Without a token, with a good one, and with bad ones, on a route without and one with expressions.
#[test]
fn modes_of_agentgateway() {
    let good = bearer(&alpha_token("alice"));
    let expired = bearer(&alpha().token(&json!({"iss": ALPHA, "sub": "alice", "exp": 1})));
    let forever = bearer(&alpha().token(&json!({"iss": ALPHA, "sub": "alice"})));
    let strange = bearer(&alpha().token(&json!({"iss": "https://x.test", "exp": NOW + 9})));
    let table = [
        (None, [401, 200, 200], [401, 403, 403]),
        (Some(&good), [200, 200, 200], [200, 200, 200]),
        (Some(&expired), [401, 401, 200], [401, 401, 403]),
        (Some(&forever), [401, 401, 200], [401, 401, 403]),
        (Some(&strange), [401, 401, 200], [401, 401, 403]),
    ];
    let modes = [
        agentgateway(Missing::Refuse, Bad::Refuse),
        agentgateway(Missing::Anonymous, Bad::Refuse),
        agentgateway(Missing::Anonymous, Bad::Disregard),
    ];
    for (token, plain, named) in table {
        let headers: Vec<_> = token
            .map(|it| ("authorization", it.as_str()))
            .into_iter()
            .collect();
        let ask = |target: &str| -> Vec<u16> {
            modes
                .iter()
                .map(|it| it.get(target, &headers).status)
                .collect()
        };
        assert_eq!(ask("/"), plain, "{token:?}");
        assert_eq!(ask("/named"), named, "{token:?}");
    }
    let permissive = &modes[2];
    let passed = permissive.get("/", &[("authorization", &expired)]);
    assert_eq!(
        passed.upstream("authorization"),
        [expired],
        "no rule took it"
    );
    assert!(passed.trace.events.contains(&Event::Disregarded));
    let passed = permissive.get("/", &[("authorization", &good)]);
    assert!(passed.upstream("authorization").is_empty());
}

/// It may have been kept when the same provider stood in a policy of another family.
#[test]
fn a_kept_token_that_never_expires_is_refused_all_the_same() {
    let world = agentgateway(Missing::Refuse, Bad::Refuse);
    let keep = |exp: Option<u64>| {
        let mut claims = json!({"iss": ALPHA, "sub": "alice"});
        if let Some(exp) = exp {
            claims["exp"] = json!(exp);
        }
        let token = alpha().token(&claims);
        let claims = Claims::parse(claims.to_string().as_bytes()).unwrap();
        let kept = Verified::dangerous_unverified(claims);
        let mut cache = world.facts.cache.borrow_mut();
        cache.insert((0, 1, token.clone()), kept);
        bearer(&token)
    };
    for (exp, status) in [(None, 401), (Some(0), 401), (Some(NOW + 9), 200)] {
        let headers = keep(exp);
        let answer = world.get("/", &[("authorization", headers.as_str())]);
        assert_eq!(answer.status, status, "{exp:?}");
    }
}

/// A good token counts beside one that counts as none.
#[test]
fn one_bad_token_beside_a_good_one() {
    let rules = vec![rule(0, [header("x-a", ""), header("x-b", "")])];
    let requirement = Requirement::new(
        origin("mode"),
        rules,
        Missing::Anonymous,
        Family::Agentgateway,
    );
    let mut world = World::new(
        vec![requirement.with_bad(Bad::Disregard)],
        None,
        None,
        &[Route("/", None, Some(0))],
    );
    let alice = rbac("alice", Dialect::Agentgateway, "jwt.sub == 'alice'");
    attach(&mut world, vec![alice], None, &[Some(0)]);
    let good = alpha_token("alice");
    for headers in [
        [("x-a", &*good), ("x-b", "junk")],
        [("x-a", "junk"), ("x-b", &*good)],
    ] {
        let answer = world.get("/", &headers);
        assert_eq!(answer.status, 200, "{headers:?}");
        let junk = headers.iter().find(|it| it.1 == "junk").unwrap().0;
        assert_eq!(answer.upstream(junk), ["junk"]);
    }
    assert_eq!(world.get("/", &[("x-a", "junk")]).status, 403);
}
