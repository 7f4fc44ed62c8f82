//! kgateway's `rbac`: actions, alternatives, addresses, levels, and what fails.

use countersign_testkit::client::Request;
use serde_json::{Value, json};

use crate::scene::{DENIED, ISSUER, OK, Shop, bearer, keys, object, reports, whole_gateway};

const PAYLOAD: &str = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']";

/// Asks for tokens on the whole Gateway, in this mode.
fn tokens(mode: &str) -> Vec<Value> {
    let provider = json!({"name": "idp", "issuer": ISSUER, "jwks": {"local": {"inline": keys()}}});
    let jwt = json!({"jwt": {"validationMode": mode, "providers": [provider]}});
    vec![
        object(
            "gateway.kgateway.dev/v1alpha1",
            "GatewayExtension",
            "idp",
            jwt,
        ),
        traffic(
            "tokens",
            whole_gateway(),
            "jwtAuth",
            json!({"extensionRef": {"name": "idp"}}),
        ),
    ]
}

fn traffic(name: &str, target: Value, field: &str, value: Value) -> Value {
    let spec = json!({"targetRefs": [target], field: value});
    object("gateway.kgateway.dev/v1alpha1", "TrafficPolicy", name, spec)
}

fn rbac(name: &str, target: Value, action: &str, policy: Value) -> Value {
    traffic(
        name,
        target,
        "rbac",
        json!({"action": action, "policy": policy}),
    )
}

fn any_of(expressions: &[&str]) -> Value {
    json!({"matchExpressions": expressions})
}

#[test]
fn allow_by_claims_as_kgateway_names_them() {
    let admins = format!("'admins' in {PAYLOAD}['groups']");
    let senior = format!("has({PAYLOAD}.level) && {PAYLOAD}['level'] > 5");
    let policy = rbac(
        "admins",
        whole_gateway(),
        "Allow",
        any_of(&[&senior, &admins]),
    );
    let shop = Shop::open(&[tokens("Strict"), vec![policy]].concat());
    shop.all(&[
        (
            bearer("/", &json!({"sub": "a", "groups": ["admins", "x"]})),
            OK,
        ),
        (
            bearer("/", &json!({"sub": "b", "level": 6, "groups": []})),
            OK,
        ),
        (
            bearer("/", &json!({"sub": "c", "level": 5, "groups": ["x"]})),
            DENIED,
        ),
        // What is not there cannot be compared: that denies (decision P2).
        (bearer("/", &json!({"sub": "d"})), DENIED),
        (Request::get("/"), (401, "Jwt is missing")),
    ]);
    assert_eq!(shop.reached(), 2);
}

#[test]
fn deny_and_the_plain_name_for_claims() {
    let bots = "has(jwt.sub) && jwt.sub.startsWith('bot-')";
    let writes = "request.method != 'GET' && request.headers['x-team'] != 'ops'";
    let policy = rbac("no-bots", whole_gateway(), "Deny", any_of(&[bots, writes]));
    let shop = Shop::open(&[tokens("AllowMissing"), vec![policy]].concat());
    let put = |team: &str| Request::new("PUT", "/").header("x-team", team);
    shop.all(&[
        (bearer("/", &json!({"sub": "alice"})), OK),
        (bearer("/", &json!({"sub": "bot-7"})), DENIED),
        (Request::get("/"), OK),
        (put("ops"), OK),
        (put("web"), DENIED),
        (put("ops").header("x-team", "web"), DENIED),
        (Request::new("PUT", "/"), DENIED),
    ]);
}

/// The closest level decides alone (decision P3), and where no route matches, the Gateway's.
#[test]
fn a_rule_of_a_route_replaces_the_gateways() {
    let policies = [
        tokens("Strict"),
        vec![
            rbac(
                "people",
                whole_gateway(),
                "Allow",
                any_of(&["jwt.sub == 'alice'"]),
            ),
            rbac(
                "auditors",
                reports(),
                "Allow",
                any_of(&["jwt.sub == 'eve'"]),
            ),
        ],
    ];
    let shop = Shop::open(&policies.concat());
    let (alice, eve) = (json!({"sub": "alice"}), json!({"sub": "eve"}));
    shop.all(&[
        (bearer("/", &alice), OK),
        (bearer("/", &eve), DENIED),
        (bearer("/reports/1", &alice), DENIED),
        (bearer("/reports/1", &eve), OK),
    ]);
}

/// Addresses as a proxy of ours tells them: others are believed for nothing.
#[test]
fn addresses() {
    let policy = json!({
        "matchExpressions": ["request.url_path.startsWith('/')"],
        "allowedCIDRs": ["10.0.0.0/8", "127.0.0.0/8"], "blockedCIDRs": ["10.66.0.0/16"],
    });
    let shop = Shop::open(&[rbac("office", whole_gateway(), "Allow", policy)]);
    let from = |address: &str| Request::get("/").header("x-forwarded-for", address);
    shop.all(&[
        (from("10.1.2.3"), OK),
        (from("::ffff:10.1.2.3"), OK),
        (from("10.66.1.1"), DENIED),
        (from("192.0.2.1"), DENIED),
        (from("2001:db8::1"), DENIED),
        // The entry from the right is what our proxy saw.
        (from("10.1.2.3, 192.0.2.1"), DENIED),
        (Request::get("/"), OK),
    ]);
}

#[test]
fn what_envoy_knows_of_a_request() {
    let all = "request.host == 'shop.test' && request.path == '/a?b=1' && request.url_path == '/a' \
               && request.query == 'b=1' && request.scheme == 'http' && request.protocol == 'HTTP/1.1' \
               && request.useragent == 'curl' && !connection.mtls && !has(connection.tls_version) \
               && source.address.startsWith('127.0.0.1:') && source.port > 0 \
               && destination.address == '127.0.0.1:' + string(destination.port) \
               && request.time > timestamp('2024-01-01T00:00:00Z')";
    let shop = Shop::open(&[rbac("all", whole_gateway(), "Allow", any_of(&[all]))]);
    let get = |target: &str| Request::get(target).header("user-agent", "curl");
    shop.all(&[
        (get("/a?b=1"), OK),
        (get("/a/../a?b=1"), OK),
        (get("/a?b=2"), DENIED),
        (Request::get("/a?b=1"), DENIED),
    ]);
}

/// A token that is taken away is not there for expressions either, wherever it stood.
#[test]
fn tokens_that_are_taken_away_are_not_seen() {
    let clean = "!('authorization' in request.headers) && request.query == 'a=1'";
    let policy = rbac("clean", whole_gateway(), "Allow", any_of(&[clean]));
    let shop = Shop::open(&[tokens("Strict"), vec![policy]].concat());
    let token = crate::scene::token(&json!({"sub": "alice"}));
    let by_query = format!("/?a=1&access_token={token}");
    shop.all(&[
        (bearer("/?a=1", &json!({"sub": "alice"})), OK),
        (Request::get(&by_query), OK),
    ]);
    assert_eq!(shop.last().target, "/?a=1");
}

#[test]
fn mistakes_stop_the_start() {
    let policy = any_of(&["jwt.sub = 'a'", "request.size > 3 && nobody == 1"]);
    let ended = Shop::refused(&[rbac("typo", whole_gateway(), "Allow", policy)]);
    assert_eq!(ended.code, Some(3));
    for said in [
        "error[invalid-expression]: unexpected `=`",
        "`request` has no field `size`",
        "it is not known before the body has arrived",
        "unknown variable `nobody`",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
}
