//! `examples/kgateway`: a GatewayExtension in its variants, as their page describes them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_testkit::client::Request;
use countersign_testkit::mint::{self, Key, Kind};
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use serde_json::json;

use crate::scene::{Scene, alice, read};

const MISSING: &str = "Jwt is missing";

/// The token with another name in it, under the signature that it had.
fn tampered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        panic!("three parts");
    };
    let claims = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims = String::from_utf8(claims).expect("text");
    assert!(claims.contains(r#""sub":"alice""#), "{claims}");
    let forged = claims.replace(r#""sub":"alice""#, r#""sub":"admin""#);
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(forged))
}

#[test]
fn strict_lets_in_who_brings_a_good_token() {
    for variant in ["jwt-strict.yaml", "jwt-validation-mode-strict.yaml"] {
        let (Some(scene), Some(alice)) = (Scene::start(variant), alice()) else {
            return;
        };
        let refused = scene.ask(&Request::get("/headers"));
        assert_eq!((refused.status, refused.text().as_str()), (401, MISSING));
        let challenge = refused.headers.first("www-authenticate");
        assert_eq!(
            challenge,
            Some("Bearer realm=\"http://www.example.com/headers\"")
        );
        assert_eq!(scene.reached(), 0);

        let passed = scene.ask(&Request::get("/headers").bearer(&alice));
        assert_eq!(passed.status, 200, "{}", passed.text());
        assert_eq!(
            scene.upstream_saw("authorization"),
            None,
            "the token is not forwarded"
        );

        let cut = alice.rsplit_once('.').expect("three parts").0;
        for bad in [
            &tampered(&alice),
            &mint::unsigned(&json!({ "iss": "solo.io" })),
            cut,
            "x",
        ] {
            let refused = scene.ask(&Request::get("/headers").bearer(bad));
            assert_eq!(refused.status, 401, "{}", refused.text());
            let challenge = refused
                .headers
                .first("www-authenticate")
                .expect("a challenge");
            assert!(
                challenge.ends_with(", error=\"invalid_token\""),
                "{challenge}"
            );
        }
        let stranger =
            Key::rsa("solo-public-key-001").token(&json!({ "iss": "solo.io", "sub": "alice" }));
        let refused = scene.ask(&Request::get("/headers").bearer(&stranger));
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (401, "Jwt verification fails")
        );
        assert_eq!(scene.reached(), 1);
    }
}

#[test]
fn claims_become_headers_that_clients_cannot_set() {
    let (Some(scene), Some(alice)) = (Scene::start("jwt-claims-to-headers.yaml"), alice()) else {
        return;
    };
    let request = Request::get("/headers")
        .bearer(&alice)
        .header("X-Team", "root")
        .header("X_Org", "evil");
    let passed = scene.ask(&request);
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(scene.upstream_saw("x-team").as_deref(), Some("dev"));
    assert_eq!(scene.upstream_saw("x-org").as_deref(), Some("solo.io"));
    assert_eq!(scene.upstream_saw("x_org"), None);

    let refused = scene.ask(&Request::get("/headers").header("X-Team", "dev"));
    assert_eq!((refused.status, refused.text().as_str()), (401, MISSING));
}

#[test]
fn allow_missing_lets_in_who_brings_no_token_and_no_bad_one() {
    let variant = "jwt-validation-mode-allow-missing.yaml";
    let (Some(scene), Some(alice)) = (Scene::start(variant), alice()) else {
        return;
    };
    assert_eq!(scene.ask(&Request::get("/headers")).status, 200);
    assert_eq!(
        scene.ask(&Request::get("/headers").bearer(&alice)).status,
        200
    );
    let refused = scene.ask(&Request::get("/headers").bearer(&tampered(&alice)));
    assert_eq!((refused.status, scene.reached()), (401, 2));
}

#[test]
fn audiences_refuse_a_token_without_one() {
    let (Some(scene), Some(alice)) = (Scene::start("jwt-audiences.yaml"), alice()) else {
        return;
    };
    let refused = scene.ask(&Request::get("/headers").bearer(&alice));
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (403, "Audiences in Jwt are not allowed")
    );
    assert_eq!(scene.ask(&Request::get("/headers")).text(), MISSING);
    assert_eq!(scene.reached(), 0);
}

#[test]
fn audiences_accept_theirs_under_a_key_of_ours() {
    let key = Key::new(Kind::P256, "ours");
    let Some(yaml) = read("jwt-audiences.yaml") else {
        return;
    };
    let (before, _) = yaml.split_once("inline: ").expect("an inline key set");
    let Some(scene) = Scene::with(&format!("{before}inline: '{}'\n", mint::jwks(&[&key])), &[])
    else {
        return;
    };
    let token = |audience| {
        key.token(&json!({ "iss": "solo.io", "aud": audience, "exp": 4_000_000_000_u64 }))
    };
    for (audience, status) in [
        (json!("my-api"), 200),
        (json!(["other", "my-api"]), 200),
        (json!("other"), 403),
        (json!([]), 403),
    ] {
        let answer = scene.ask(&Request::get("/headers").bearer(&token(audience.clone())));
        assert_eq!(answer.status, status, "{audience}: {}", answer.text());
    }
}

#[test]
fn a_token_source_of_its_own_replaces_authorization() {
    let (Some(scene), Some(alice)) = (Scene::start("jwt-token-source.yaml"), alice()) else {
        return;
    };
    for missing in [
        Request::get("/headers"),
        Request::get("/headers").bearer(&alice),
        Request::get("/headers").header("x-jwt", &alice),
    ] {
        let refused = scene.ask(&missing);
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (401, MISSING),
            "{missing:?}"
        );
    }
    let passed = scene.ask(&Request::get("/headers").header("X-JWT", &format!("Bearer {alice}")));
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(
        scene.upstream_saw("x-jwt"),
        None,
        "the token is not forwarded"
    );
}

#[test]
fn forward_token_leaves_it_in_place() {
    let (Some(scene), Some(alice)) = (Scene::start("jwt-forward-token.yaml"), alice()) else {
        return;
    };
    let passed = scene.ask(&Request::get("/headers").bearer(&alice));
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(
        scene.upstream_saw("authorization"),
        Some(format!("Bearer {alice}"))
    );
}

#[test]
fn remote_keys_are_fetched_from_the_backend() {
    let key = Key::rsa("keycloak-key");
    let keycloak = Upstream::start("keycloak");
    let certs = "/realms/master/protocol/openid-connect/certs";
    keycloak.answer(certs, Reply::json(mint::jwks(&[&key])));
    let Some(yaml) = read("jwt-remote-jwks.yaml") else {
        return;
    };
    let port = keycloak.address().port().to_string();
    let url = format!("http://127.0.0.1:{port}");
    let env = [
        ("HOST_KEYCLOAK", "127.0.0.1"),
        ("PORT_KEYCLOAK", port.as_str()),
        ("KEYCLOAK_URL", &url),
    ];
    let Some(scene) = Scene::with(&yaml, &env) else {
        return;
    };
    let token = |issuer: &str| {
        let claims = json!({ "iss": issuer, "sub": "alice", "exp": 4_000_000_000_u64 });
        key.token(&claims)
    };
    let good = token(&format!("{url}/realms/master"));
    let passed = scene.ask(&Request::get("/headers").bearer(&good));
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(scene.ask(&Request::get("/headers")).text(), MISSING);
    let refused = scene.ask(&Request::get("/headers").bearer(&token("https://elsewhere.test")));
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (401, "Jwt issuer is not configured")
    );
    let fetches = keycloak
        .seen()
        .iter()
        .filter(|seen| seen.path() == certs)
        .count();
    assert_eq!(fetches, 1, "requests fetch nothing");
}

#[test]
fn two_variants_at_once_are_an_error() {
    let (Some(one), Some(two)) = (read("jwt-strict.yaml"), read("jwt-audiences.yaml")) else {
        return;
    };
    let ended = Scene::refused(&format!("{one}\n---\n{two}"));
    assert_eq!(ended.code, Some(3));
    assert!(
        ended
            .stderr
            .contains("GatewayExtension kgateway-system/selfminted-jwt is here twice"),
        "{}",
        ended.stderr
    );
}
