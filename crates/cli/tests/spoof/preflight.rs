//! A preflight gets past RequestAuthentication, as in Istio, and past nothing else.

use countersign_testkit::client::Request;

use crate::world::{World, istio, kgateway, rule};

fn preflight() -> Request {
    Request::new("OPTIONS", "/")
        .header("Origin", "https://shop.example.com")
        .header("Access-Control-Request-Method", "DELETE")
}

#[test]
fn strict_refuses_a_preflight_without_a_token() {
    let world = World::start(&kgateway("Strict"));
    assert_eq!(world.refused(&preflight()).status, 401);
    let spoof = preflight().header("x-user-id", "mallory");
    assert_eq!(world.refused(&spoof).status, 401);
}

#[test]
fn a_bad_token_on_a_preflight_is_kgateways_to_refuse() {
    let world = World::start(&kgateway("AllowMissing"));
    assert_eq!(world.refused(&preflight().bearer("a.b.c")).status, 401);
}

#[test]
fn request_authentication_lets_a_preflight_pass_unread() {
    let world = World::start(&istio(&[rule()]));
    let seen = world.seen(&preflight().bearer("a.b.c").header("x-user-id", "mallory"));
    assert_eq!(seen.headers.first("x-user-id"), None);
    // Only a real one: without the method that is asked for it is a request like any other.
    let plain = Request::new("OPTIONS", "/")
        .header("Origin", "https://shop.example.com")
        .bearer("a.b.c");
    assert_eq!(world.refused(&plain).status, 401);
}
