//! Whose claims policies and expressions read, where one request stands under several requirements.

use countersign_core::authn::{Missing, Requirement};
use countersign_core::authz::{Action, Dialect, Test};
use countersign_core::source::Source;

use crate::expressions::{attach, bearer, rbac};
use crate::policies::{guarded, policy, texts};
use crate::world::*;

const DENIED: (u16, &str) = (403, "RBAC: access denied");

fn token(audience: &str, roles: &[&str]) -> String {
    let mut claims = claims(ALPHA, "alice");
    claims["aud"] = audience.into();
    claims["roles"] = roles.into();
    claims["team"] = roles[0].into();
    alpha().token(&claims)
}

/// A RequestAuthentication that reads `x-portal`.
fn people() -> Requirement {
    istio(vec![rule(0, [header("x-portal", "")])])
}

fn orders(missing: Missing) -> Requirement {
    let mut requirement = strict(vec![rule(0, Source::defaults())]);
    requirement.missing = missing;
    requirement
}

fn roles(world: World) -> World {
    let admin = Test::Claim(["roles".into()].into(), texts(&["admin"]));
    guarded(world, vec![policy("admins", Action::Allow, false, admin)])
}

const ADMIN: &str = "'admin' in jwt.roles";

/// What stands at the route decides whose claims its expressions read; another token beside it does not.
#[test]
fn expressions_read_the_token_that_their_place_asks_for() {
    let world = |missing, route| {
        let requirements = vec![people(), orders(missing)];
        let mut world = World::new(requirements, Some(0), None, &[Route("/", None, route)]);
        attach(
            &mut world,
            vec![rbac("admins", Dialect::Envoy, ADMIN)],
            None,
            &[Some(0)],
        );
        world
    };
    let (admin, user) = (token("any", &["admin"]), token("any", &["user"]));
    let ask = |world: &World, portal: Option<&str>, own: Option<&str>| {
        let own = own.map(bearer);
        let portal = portal.map(|it| ("x-portal", it));
        let own = own.as_deref().map(|it| ("authorization", it));
        let headers: Vec<_> = portal.into_iter().chain(own).collect();
        world.get("/", &headers).brief().0
    };
    let strict = world(Missing::Refuse, Some(1));
    assert_eq!(ask(&strict, Some(&admin), Some(&user)), 403);
    assert_eq!(ask(&strict, Some(&user), Some(&admin)), 200);
    // Anonymous at the route: nobody's claims, and not somebody else's.
    let optional = world(Missing::Anonymous, Some(1));
    assert_eq!(ask(&optional, Some(&admin), None), 403);
    assert_eq!(ask(&optional, Some(&admin), Some(&user)), 403);
    assert_eq!(ask(&optional, None, Some(&admin)), 200);
    // A route that asks for nothing has the token of the gateway.
    let bare = world(Missing::Refuse, None);
    assert_eq!(ask(&bare, Some(&admin), Some(&user)), 200);
    assert_eq!(ask(&bare, Some(&user), Some(&admin)), 403);
}

#[test]
fn a_route_that_claims_chose_reads_its_own_token() {
    let portal = copies(rule(0, [header("x-portal", "")]), &[("x-team", "team")]);
    let requirements = vec![strict(vec![portal]), orders(Missing::Refuse)];
    let routes = [
        Route("/", None, Some(0)),
        Route("/", Some(("x-team", "admin")), Some(1)),
        Route("/", Some(("x-team", "lost")), None),
    ];
    let mut world = World::new(requirements, None, None, &routes);
    let rbacs = vec![rbac("admins", Dialect::Envoy, ADMIN)];
    attach(&mut world, rbacs, None, &[None, Some(0), Some(0)]);
    let (admin, user) = (token("any", &["admin"]), token("any", &["user"]));
    let get = |portal: &str, own: &str| {
        let own = bearer(own);
        let answer = world.get("/", &[("x-portal", portal), ("authorization", &own)]);
        (answer.brief().0, answer.body)
    };
    assert_eq!(get(&admin, &user).0, DENIED.0);
    assert_eq!(get(&admin, &admin), (200, "/".to_owned()));
    // The token that led to a route which asks for none is not that route's.
    assert_eq!(get(&token("any", &["lost", "admin"]), &admin).0, DENIED.0);
}

#[test]
fn without_a_route_the_listener_s_token_counts() {
    let requirements = vec![people(), orders(Missing::Refuse)];
    let routes = [Route("/only", None, None)];
    let mut world = World::new(requirements, Some(0), Some(1), &routes);
    let rbacs = vec![rbac("admins", Dialect::Envoy, ADMIN)];
    attach(&mut world, rbacs, Some(0), &[None]);
    let (admin, user) = (token("any", &["admin"]), token("any", &["user"]));
    let get = |portal: &str, own: &str| {
        let own = bearer(own);
        let headers = [("x-portal", portal), ("authorization", &*own)];
        world.get("/none", &headers).brief().0
    };
    assert_eq!(get(&admin, &user), 403);
    assert_eq!(get(&user, &admin), 404);
}

/// An AuthorizationPolicy reads what RequestAuthentication accepted; kgateway's tokens only where
/// there is no RequestAuthentication.
#[test]
fn policies_read_the_token_of_request_authentication() {
    let (admin, user) = (token("any", &["admin"]), token("any", &["user"]));
    let requirements = || vec![people(), orders(Missing::Refuse)];
    let both = roles(World::new(
        requirements(),
        Some(0),
        None,
        &[Route("/", None, Some(1))],
    ));
    let own = |token: &str| ("authorization", bearer(token));
    let get = |world: &World, portal: Option<&str>, token: &str| {
        let (name, value) = own(token);
        let portal = portal.map(|it| ("x-portal", it));
        let headers: Vec<_> = portal.into_iter().chain([(name, &*value)]).collect();
        world.get("/", &headers).brief().0
    };
    assert_eq!(get(&both, Some(&admin), &user), 200);
    assert_eq!(get(&both, Some(&user), &admin), 403);
    assert_eq!(get(&both, None, &admin), 403);
    let alone = roles(World::new(
        requirements(),
        None,
        None,
        &[Route("/", None, Some(1))],
    ));
    assert_eq!(get(&alone, None, &admin), 200);
    assert_eq!(get(&alone, Some(&admin), &user), 403);
}
