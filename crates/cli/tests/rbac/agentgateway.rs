//! agentgateway's policies: modes, locations, and actions over several policies and levels.

use countersign_testkit::client::Request;
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::Key;
use serde_json::{Value, json};

use crate::scene::{
    DENIED, ISSUER, OK, Shop, bearer, key, keys, object, reports, token, whole_gateway,
};

fn policy(name: &str, target: Value, traffic: Value) -> Value {
    let spec = json!({"targetRefs": [target], "traffic": traffic});
    object(
        "agentgateway.dev/v1alpha1",
        "AgentgatewayPolicy",
        name,
        spec,
    )
}

fn authentication(fields: Value) -> Value {
    let mut jwt = json!({"providers": [{"issuer": ISSUER, "jwks": {"inline": keys()}}]});
    let fields = fields.as_object().expect("an object").clone();
    jwt.as_object_mut().expect("an object").extend(fields);
    policy("tokens", whole_gateway(), json!({"jwtAuthentication": jwt}))
}

fn authorization(name: &str, target: Value, action: &str, expressions: &[&str]) -> Value {
    let rule = json!({"action": action, "policy": {"matchExpressions": expressions}});
    policy(name, target, json!({"authorization": rule}))
}

const MISSING: (u16, &str) = (401, "Jwt is missing");
const STRANGE: (u16, &str) = (401, "Jwt issuer is not configured");

fn elsewhere() -> Request {
    let claims =
        json!({"iss": "https://elsewhere.test", "sub": "mallory", "exp": 4_102_444_800_u64});
    Request::get("/").bearer(&key().token(&claims))
}

#[test]
fn modes() {
    let alice = bearer("/", &json!({"sub": "alice"}));
    for (mode, missing, strange) in [
        (json!({}), MISSING, STRANGE),
        (json!({"mode": "Strict"}), MISSING, STRANGE),
        (json!({"mode": "Optional"}), OK, STRANGE),
        (json!({"mode": "Permissive"}), OK, OK),
    ] {
        let shop = Shop::open(&[authentication(mode)]);
        shop.all(&[
            (Request::get("/"), missing),
            (elsewhere(), strange),
            (alice.clone(), OK),
        ]);
        assert_eq!(
            shop.last().headers.first("authorization"),
            None,
            "taken away"
        );
    }
}

/// In `Permissive` a bad token makes nobody of its bearer, and stays where it is.
#[test]
fn permissive_with_authorization() {
    let named = authorization("named", reports(), "Require", &["has(jwt.sub)"]);
    let shop = Shop::open(&[authentication(json!({"mode": "Permissive"})), named]);
    let expired = json!({"iss": ISSUER, "sub": "alice", "exp": 1});
    let forever = json!({"iss": ISSUER, "sub": "alice"});
    let with = |target: &str, claims: &Value| Request::get(target).bearer(&key().token(claims));
    shop.all(&[
        (bearer("/reports", &json!({"sub": "alice"})), OK),
        (Request::get("/reports"), DENIED),
        (with("/reports", &expired), DENIED),
        (with("/reports", &forever), DENIED),
        (with("/", &expired), OK),
    ]);
    let kept = format!("Bearer {}", key().token(&expired));
    assert_eq!(shop.last().headers.first("authorization"), Some(&*kept));
}

#[test]
fn a_token_in_a_cookie() {
    let location = json!({"location": {"cookie": {"name": "session"}}});
    let named = authorization("alice", whole_gateway(), "Allow", &["jwt.sub == 'alice'"]);
    let shop = Shop::open(&[authentication(location), named]);
    let cookie = |name: &str, claims: &Value| {
        Request::get("/").header("cookie", &format!("a=b; {name}={}", token(claims)))
    };
    shop.all(&[
        (cookie("session", &json!({"sub": "alice"})), OK),
        (cookie("session", &json!({"sub": "bob"})), DENIED),
        (cookie("other", &json!({"sub": "alice"})), MISSING),
        (bearer("/", &json!({"sub": "alice"})), MISSING),
    ]);
}

/// All expressions of one policy must be true.
#[test]
fn expressions_of_one_policy() {
    let both = &[
        "request.method == 'GET'",
        "request.path.startsWith('/reports')",
    ];
    for (action, get_reports, get_root, put_reports) in [
        ("Allow", OK, DENIED, DENIED),
        ("Require", OK, DENIED, DENIED),
        ("Deny", DENIED, OK, OK),
    ] {
        let shop = Shop::open(&[authorization("p", whole_gateway(), action, both)]);
        shop.all(&[
            (Request::get("/reports"), get_reports),
            (Request::get("/"), get_root),
            (Request::new("PUT", "/reports"), put_reports),
        ]);
    }
}

/// Rules of all levels hold together: any `Deny`, every `Require`, one of the `Allow`s.
#[test]
fn policies_of_several_levels() {
    let shop = Shop::open(&[
        authentication(json!({"mode": "Optional"})),
        authorization(
            "alice",
            whole_gateway(),
            "Allow",
            &["has(jwt.sub) && jwt.sub == 'alice'"],
        ),
        authorization(
            "eve",
            reports(),
            "Allow",
            &["has(jwt.sub) && jwt.sub == 'eve'"],
        ),
        authorization(
            "read-only",
            reports(),
            "Require",
            &["request.method == 'GET'"],
        ),
        authorization(
            "no-tests",
            whole_gateway(),
            "Deny",
            &["'x-test' in request.headers"],
        ),
    ]);
    let (alice, eve) = (json!({"sub": "alice"}), json!({"sub": "eve"}));
    let put = |claims: &Value| Request::new("PUT", "/reports").bearer(&token(claims));
    shop.all(&[
        (bearer("/", &alice), OK),
        (bearer("/", &eve), DENIED),
        (bearer("/reports", &alice), OK),
        (bearer("/reports", &eve), OK),
        (put(&alice), DENIED),
        (bearer("/", &alice).header("x-test", "1"), DENIED),
        (bearer("/reports", &eve).header("x-test", "1"), DENIED),
        (Request::get("/"), DENIED),
    ]);
}

/// Keys are fetched from the backend that the policy names.
#[test]
fn remote_keys() {
    let rotated = Key::rsa("remote");
    let idp = Idp::start(&[&rotated]);
    let uri = idp.jwks_uri();
    let (host, path) = url(&uri);
    let (name, port) = host.rsplit_once(':').expect("a port");
    let port: u16 = port.parse().expect("a port");
    let backend = object(
        "gateway.kgateway.dev/v1alpha1",
        "Backend",
        "idp",
        json!({"static": {"hosts": [{"host": name, "port": port}]}}),
    );
    let reference = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": "idp"});
    let keys = json!({"remote": {"jwksPath": path, "backendRef": reference}});
    let jwt = json!({"providers": [{"issuer": idp.issuer(), "jwks": keys}]});
    let shop = Shop::open(&[
        backend,
        policy("tokens", whole_gateway(), json!({"jwtAuthentication": jwt})),
    ]);
    let claims = json!({"iss": idp.issuer(), "sub": "alice", "exp": 4_102_444_800_u64});
    shop.all(&[
        (Request::get("/").bearer(&rotated.token(&claims)), OK),
        (
            Request::get("/").bearer(&Key::rsa("other").token(&claims)),
            (401, "Jwks doesn't have key to match kid or alg from Jwt"),
        ),
        (Request::get("/"), MISSING),
    ]);
}

/// Host and path of a URL.
fn url(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("http");
    rest.split_once('/').expect("a path")
}

#[test]
fn what_is_not_enforced_stops_the_start() {
    let exchange = object(
        "enterpriseagentgateway.solo.io/v1alpha1",
        "EnterpriseAgentgatewayPolicy",
        "impersonation",
        json!({
            "targetRefs": [{"kind": "AgentgatewayBackend", "group": "agentgateway.dev", "name": "mcp"}],
            "backend": {"tokenExchange": {"mode": "ExchangeOnly"}},
        }),
    );
    let ended = Shop::refused(&[exchange]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended
            .stderr
            .contains("field `backend` of `AgentgatewayPolicy.spec` is not supported"),
        "{}",
        ended.stderr
    );
}
