//! `countersign explain`: the answer, its cause, the steps, and no token anywhere.

use countersign_testkit::mint::{self, Key, Kind};
use serde_json::{Value, json};

use crate::binary::{Ended, Folder, example, golden};
use crate::sample;

const URL: &str = "http://shop.test/orders/7";

fn sample() -> Folder {
    Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", &sample::policy())
}

fn claims(more: &[(&str, Value)]) -> String {
    let mut claims =
        json!({ "iss": sample::ISSUER, "sub": "alice", "aud": "shop", "exp": 2_000_000_000 });
    for (name, value) in more {
        let members = claims.as_object_mut().expect("an object");
        members.insert((*name).to_owned(), value.clone());
    }
    claims.to_string()
}

/// Decided at a moment that stays the same.
fn explain(folder: &Folder, args: &[&str]) -> Ended {
    let args: Vec<&str> = ["explain", "shop", "--time", "1800000000"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    folder.run(&args)
}

#[test]
fn who_may_not_pass_is_told_why() {
    let ended = explain(&sample(), &["--url", URL]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(4), ""));
    golden("explain/denied.txt", &ended.stdout);
}

#[test]
fn who_may_pass_is_told_what_the_backend_gets() {
    let claims = claims(&[]);
    let headers = [
        "-H",
        "X-Debug: 1",
        "-H",
        "te=gzip",
        "-H",
        "cookie: sid=secret",
    ];
    let args = [&["--url", URL, "--claims", &claims], &headers[..]].concat();
    let ended = explain(&sample(), &args);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("explain/allowed.txt", &ended.stdout);
    let ended = explain(&sample(), &[&args[..], &["--json"]].concat());
    golden("explain/allowed.json", &pretty(&ended.stdout));
}

#[test]
fn claims_go_through_all_but_the_signature() {
    for (changed, code, reason) in [
        (("aud", json!("other")), 403, "jwt_audience_refused"),
        (("exp", json!(1_700_000_000)), 401, "jwt_expired"),
        (("nbf", json!(1_900_000_000)), 401, "jwt_not_yet_valid"),
        (
            ("iss", json!("https://else.test")),
            401,
            "jwt_issuer_unknown",
        ),
    ] {
        let claims = claims(&[changed]);
        let ended = explain(&sample(), &["--url", URL, "--claims", &claims, "--json"]);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(ended.code, Some(4), "{}", ended.stdout);
        assert_eq!(
            (&document["reason"], &document["answer"]["status"]),
            (&json!(reason), &json!(code))
        );
        assert_eq!(document["claimsTakenAsVerified"], json!(true));
    }
}

#[test]
fn a_token_is_verified_with_the_keys_in_the_configuration() {
    let own = sample::key().token(&serde_json::from_str(&claims(&[])).unwrap());
    let forged =
        Key::new(Kind::P256, "stranger").token(&serde_json::from_str(&claims(&[])).unwrap());
    for (token, code, cause) in [
        (own, 0, "accepts its token"),
        (forged, 4, "refuses its token: Jw"),
    ] {
        let folder = sample().file("token", &token);
        let ended = explain(&folder, &["--url", URL, "--token-file", "token"]);
        assert_eq!(ended.code, Some(code), "{}", ended.stdout);
        assert!(ended.stdout.contains(cause), "{}", ended.stdout);
        assert!(!ended.stdout.contains("as verified"), "{}", ended.stdout);
        let piped = [
            "explain",
            "shop",
            "--url",
            URL,
            "--token",
            "-",
            "--time",
            "1800000000",
        ];
        let ended = folder.run_with(&piped, &format!("Bearer {token}\n"));
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    }
}

/// The form of an answer hangs on who asks: gRPC, a browser, HEAD.
#[test]
fn a_refusal_has_the_form_that_its_client_reads() {
    let gateway = sample::gateway().replace(
        "        value: /orders\n",
        "        value: /orders\n    filters: [{type: CORS, cors: {allowOrigins: ['https://app.test']}}]\n",
    );
    let folder = Folder::new()
        .file("shop/gateway.yaml", &gateway)
        .file("shop/policy.yaml", &sample::policy());
    let answer = |args: &[&str]| {
        let ended = explain(&folder, &[&["--url", URL, "--json"], args].concat());
        assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        document["answer"].clone()
    };
    let grpc = answer(&["-X", "POST", "-H", "content-type: application/grpc+proto"]);
    assert_eq!((&grpc["status"], &grpc["body"]), (&json!(200), &json!("")));
    let headers = grpc["headers"].as_array().unwrap();
    assert!(
        headers.contains(&json!(["grpc-status", "16"])),
        "{headers:?}"
    );
    assert!(
        headers.contains(&json!(["grpc-message", "Jwt is missing"])),
        "{headers:?}"
    );
    let browser = answer(&["-H", "origin: https://app.test"]);
    let headers = browser["headers"].as_array().unwrap();
    let shared = json!(["access-control-allow-origin", "https://app.test"]);
    assert!(headers.contains(&shared), "{headers:?}");
    let head = answer(&["-X", "HEAD"]);
    assert_eq!((&head["status"], &head["body"]), (&json!(401), &json!("")));
}

#[test]
fn keys_that_are_elsewhere_leave_it_open() {
    let policy = sample::policy();
    let remote = "jwks:\n        remote:\n          url: https://issuer.test/keys\n          backendRef: {group: gateway.kgateway.dev, kind: Backend, name: app}\n";
    let (before, after) = policy.split_once("jwks:\n        local:").unwrap();
    let after = after.split_once("    - name: partners").unwrap().1;
    let policy = format!("{before}{remote}    - name: partners{after}");
    let token = sample::key().token(&serde_json::from_str(&claims(&[])).unwrap());
    let folder = Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", &policy)
        .file("token", &token)
        .file("keys.json", &mint::jwks(&[&sample::key()]))
        .file(
            "others.json",
            &mint::jwks(&[&Key::new(Kind::P256, "stranger")]),
        );
    let ask = |more: &[&str]| {
        explain(
            &folder,
            &[&["--url", URL, "--token-file", "token"], more].concat(),
        )
    };
    let ended = ask(&[]);
    assert_eq!(ended.code, Some(6), "{}{}", ended.stdout, ended.stderr);
    golden("explain/undetermined.txt", &ended.stdout);
    assert_eq!(ask(&["--jwks", "keys.json"]).code, Some(0));
    assert_eq!(
        ask(&["--jwks", "https://issuer.test=keys.json"]).code,
        Some(0)
    );
    assert_eq!(ask(&["--jwks", "others.json"]).code, Some(4));
    assert_eq!(
        ask(&["--jwks", "https://other.test=keys.json"]).code,
        Some(6)
    );
    // Nothing hangs on the keys where the token would be refused all the same.
    let expired = explain(
        &folder,
        &[
            "--url",
            URL,
            "--token-file",
            "token",
            "--time",
            "2100000000",
        ],
    );
    assert_eq!(
        expired.code,
        Some(2),
        "the time is given twice: {}",
        expired.stderr
    );
    let claims = claims(&[]);
    assert_eq!(
        explain(&folder, &["--url", URL, "--claims", &claims]).code,
        Some(0)
    );
}

#[test]
fn a_request_as_tools_show_it() {
    let token = sample::key().token(&serde_json::from_str(&claims(&[])).unwrap());
    let curl = format!(
        "* Connected to shop.test\n> GET /orders/7 HTTP/1.1\n> Host: shop.test\n> Authorization: Bearer {token}\n> \n< HTTP/1.1 200\n"
    );
    let browser = format!(
        ":authority: shop.test\n:method: GET\n:path: /orders/7\nauthorization: Bearer {token}\n"
    );
    let case = format!(
        "request:\n  url: {URL}\n  claims: {{iss: {}, sub: alice, aud: [shop]}}\n",
        sample::ISSUER
    );
    for text in [&curl, &browser, &case] {
        let folder = sample().file("request", text);
        let ended = explain(&folder, &["--request", "request"]);
        assert_eq!(
            ended.code,
            Some(0),
            "{text}\n{}{}",
            ended.stdout,
            ended.stderr
        );
        let ended = explain(
            &folder,
            &[
                "--request",
                "request",
                "-X",
                "POST",
                "--path",
                "/orders/7/x",
            ],
        );
        assert!(
            ended.stdout.contains("POST /orders/7/x"),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn what_cannot_be_asked() {
    let both = sample::gateway().replace(
        "port: 8080",
        "port: 8080\n  - name: other\n    protocol: HTTP\n    port: 8081",
    );
    for (gateway, args, message) in [
        (
            sample::gateway(),
            &["--url", "shop.test/x"][..],
            "is no URL of a request",
        ),
        (
            sample::gateway(),
            &["--url", URL, "--port", "9"],
            "no listener is as you say",
        ),
        (both, &["--host", "shop.test"], "several listeners"),
        (
            sample::gateway(),
            &["--url", URL, "--principal", "a/ns/b/sa/c"],
            "has no TLS",
        ),
        (
            sample::gateway(),
            &["--url", URL, "--claims", "[1]"],
            "the claims are not those of a token",
        ),
        (
            sample::gateway(),
            &["--url", URL, "--claims", "@missing"],
            "`missing` cannot be read",
        ),
        (
            sample::gateway(),
            &["--url", URL, "--claims", "{}", "-H", "authorization: x"],
            "`Authorization` header as well",
        ),
        (
            sample::gateway(),
            &["--url", URL, "-H", "nonsense"],
            "write a name and a value",
        ),
        (
            sample::gateway(),
            &["--request", "missing"],
            "`missing` cannot be read",
        ),
    ] {
        let folder = Folder::new()
            .file("shop/gateway.yaml", &gateway)
            .file("shop/policy.yaml", &sample::policy());
        let ended = explain(&folder, args);
        assert!(
            matches!(ended.code, Some(1 | 2)),
            "{args:?}: {:?}",
            ended.code
        );
        assert_eq!(ended.stdout, "", "{args:?}");
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
    }
    let broken = Folder::new().file(
        "shop/gateway.yaml",
        &sample::gateway().replace("8080", "eighty"),
    );
    let ended = explain(&broken, &["--url", URL]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains("shop/gateway.yaml:11"),
        "{}",
        ended.stderr
    );
}

/// Wherever somebody puts a token, it is not printed again, nor what a terminal would obey.
#[test]
fn no_token_and_no_escape_is_printed() {
    let token = sample::key().token(&serde_json::from_str(&claims(&[])).unwrap());
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let header = format!("authorization: Bearer {token}");
    let odd = format!("x-odd: {token}");
    let url = format!("{URL}?access_token={token}&page=2");
    let path = format!("/orders/{token}");
    let request = format!("GET /orders/7 HTTP/1.1\nHost: shop.test\n{header}\n");
    let lost = format!("{token}\nGET / HTTP/1.1\n");
    let case = format!("request: {{url: \"{URL}\", token: {token}, tokn: {token}}}");
    let folder = sample()
        .file("request", &request)
        .file("lost", &lost)
        .file("case.yaml", &case);
    for args in [
        &["--url", URL, "-H", &header][..],
        &["--url", URL, "-H", &odd],
        &["--url", &url],
        &["--host", "shop.test", "--path", &path],
        &["--url", URL, "--token", &token],
        &["--url", URL, "--claims", &token],
        &["--url", &token],
        &["--request", "request"],
        &["--request", "lost"],
        &["--request", "case.yaml"],
    ] {
        for format in ["human", "plain", "json"] {
            let ended = explain(&folder, &[args, &["--format", format]].concat());
            let all = ended.stdout + &ended.stderr;
            assert!(
                !all.contains(payload) && !all.contains(signature),
                "{args:?}: {all}"
            );
        }
    }
    let hostile = claims(&[("sub", json!("\u{1b}[31m\u{202e}x"))]);
    for format in ["human", "plain", "json"] {
        let ended = explain(
            &sample(),
            &["--url", URL, "--claims", &hostile, "--format", format],
        );
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            !ended.stdout.contains(['\u{1b}', '\u{202e}']),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn claims_that_are_none_end_it_in_words() {
    let deep = "[".repeat(5000);
    let long = format!("{{\"iss\":\"{}\"}}", "x".repeat(100_000));
    for text in [
        "",
        "{",
        "null",
        "{\"iss\":1}",
        "{\"iss\":\"a\",\"iss\":\"b\"}",
        &deep,
        &long,
    ] {
        let folder = sample().file("claims.json", text);
        let ended = explain(&folder, &["--url", URL, "--claims", "@claims.json"]);
        assert!(
            matches!(ended.code, Some(2 | 4)),
            "{:?} {}",
            ended.code,
            ended.stderr
        );
        assert!(ended.stderr.len() < 400, "{}", ended.stderr);
    }
}

/// The documents' examples, as they are.
#[test]
fn examples_of_the_documents() {
    let istio = [
        "gateway",
        "request-authentication-single",
        "authorization-policy-allow-groups",
    ];
    let istio: Option<Vec<String>> = istio
        .iter()
        .map(|it| example(&format!("istio/{it}.yaml")))
        .collect();
    let kgateway = [
        "gateway.yaml",
        "policy.yaml",
        "jwt-strict.yaml",
        "alice.jwt",
    ];
    let kgateway: Option<Vec<String>> = kgateway
        .iter()
        .map(|it| example(&format!("kgateway/{it}")))
        .collect();
    let (Some(istio), Some(kgateway)) = (istio, kgateway) else {
        return;
    };
    let mut folder = Folder::new();
    for (index, text) in istio.iter().enumerate() {
        folder = folder.file(&format!("shop/{index}.yaml"), text);
    }
    let token = |groups: &str| json!({"iss": "https://example.okta.com/oauth2/default", "sub": "a", "aud": "api://payments", "groups": [groups]});
    let url = ["--url", "http://payments.test/"];
    for (groups, code) in [("payments-admin", 0), ("other", 4)] {
        let claims = token(groups).to_string();
        let ended = explain(&folder, &[&url[..], &["--claims", &claims]].concat());
        assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    }
    let ended = explain(&folder, &url);
    assert!(
        ended.stdout.contains("requestPrincipals wants"),
        "{}",
        ended.stdout
    );

    let mut folder = Folder::new();
    for (name, text) in ["shop/a.yaml", "shop/b.yaml", "shop/c.yaml", "alice.jwt"]
        .iter()
        .zip(&kgateway)
    {
        folder = folder.file(name, text);
    }
    let url = ["--url", "http://www.example.com/headers"];
    assert_eq!(explain(&folder, &url).code, Some(4));
    let ended = explain(
        &folder,
        &[&url[..], &["--token-file", "alice.jwt"]].concat(),
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

fn pretty(json: &str) -> String {
    let document: Value = serde_json::from_str(json).expect("one JSON document");
    serde_json::to_string_pretty(&document).unwrap() + "\n"
}

/// The first line for a request that gets in where these policies hold.
fn headline(policy: &str, args: &[&str]) -> String {
    let folder = Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", policy);
    let ended = explain(&folder, &[&["--url", URL], args].concat());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended.stdout.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn an_expression_that_refuses_nothing_was_asked_all_the_same() {
    let policy = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: writes, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  rbac: {action: Deny, policy: {matchExpressions: [\"request.method == 'PUT'\"]}}
";
    let line = headline(policy, &[]);
    assert_eq!(line, "allowed, because no expression refuses it");
}

#[test]
fn a_token_that_counts_as_none_is_no_missing_token() {
    let jwks = mint::jwks(&[&Key::new(Kind::P256, "one")]);
    let policy = format!(
        "apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayPolicy
metadata: {{name: people, namespace: shop}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  traffic:
    jwtAuthentication:
      mode: Permissive
      providers:
      - issuer: {}
        jwks: {{inline: '{jwks}'}}
",
        sample::ISSUER
    );
    let line = headline(&policy, &["-H", "Authorization: Bearer x.y.z"]);
    assert!(
        line.contains("its token is no good and counts as none"),
        "{line}"
    );
    let line = headline(&policy, &[]);
    assert!(line.contains("it brings no token"), "{line}");
}
