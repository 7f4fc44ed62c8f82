//! `countersign token`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{self, Key, Kind};
use countersign_testkit::site::Reply;
use serde_json::{Map, Value, json};

use crate::binary::{Ended, Folder, example, golden};
use crate::sample;

const NOON: &str = "2026-11-25T12:00:00Z";
/// The same moment.
const NOON_SECONDS: u64 = 1_795_608_000;

fn decode(args: &[&str], token: &str) -> Ended {
    let args = [&["token", "decode", "--at", NOON][..], args].concat();
    Folder::new().run_with(&args, token)
}

fn ordinary() -> Value {
    json!({
        "iss": "https://issuer.test/", "sub": "alice", "aud": ["api", "web"], "iat": NOON_SECONDS - 7200,
        "nbf": NOON_SECONDS - 7200, "exp": NOON_SECONDS + 3 * 3600 + 120, "groups": ["dev"], "admin": false,
        "level": 7, "address": { "city": null },
    })
}

/// A token whose text is the same in every run, because nobody checks its signature.
fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(claims))
}

#[test]
fn decode_shows_header_claims_and_times() {
    let token = unsigned(
        &json!({ "alg": "RS256", "kid": "key-1", "typ": "JWT" }),
        &ordinary(),
    );
    for (format, name) in [
        ("human", "decode.txt"),
        ("plain", "decode-plain.txt"),
        ("json", "decode.json"),
    ] {
        let ended = decode(&["--format", format], &token);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        golden(name, &ended.stdout);
    }
    assert_eq!(
        decode(&["--json"], &token).stdout,
        decode(&["--format", "json"], &token).stdout
    );
}

#[test]
fn decode_warns_of_what_is_odd() {
    let header = json!({ "alg": "none", "jku": "https://evil.test/keys" });
    let claims =
        json!({ "sub": "alice", "iat": NOON_SECONDS * 1000, "nbf": NOON_SECONDS - 2 * 86_400 });
    let ended = decode(&[], &unsigned(&header, &claims));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("decode-odd.txt", &ended.stdout);
}

#[test]
fn decode_tells_that_a_token_has_expired() {
    let claims = json!({ "iss": "i", "exp": NOON_SECONDS - 2 * 86_400 });
    let ended = decode(
        &[],
        &unsigned(&json!({ "alg": "RS256", "kid": "k" }), &claims),
    );
    assert!(
        ended
            .stdout
            .contains("expired 2 days ago (2026-11-23 12:00:00 UTC)\n"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("not verified"));
}

#[test]
fn decode_reads_arguments_files_and_standard_input() {
    let token = unsigned(&json!({ "alg": "RS256" }), &ordinary());
    let folder = Folder::new().file("token.jwt", &format!("Bearer {token}\n"));
    let bearer = format!("bearer {token}");
    for (args, stdin) in [
        (&[token.as_str()][..], ""),
        (&[&bearer], ""),
        (&["Bearer", &token], ""),
        (&["-"], &token),
        (&[], &bearer),
        (&["--file", "token.jwt"], ""),
    ] {
        let args = [&["token", "decode", "--json"][..], args].concat();
        let ended = folder.run_with(&args, stdin);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let read: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(read["claims"], ordinary());
    }
}

#[test]
fn what_is_no_token_is_refused_and_never_shown() {
    let token = unsigned(&json!({ "alg": "RS256" }), &ordinary());
    let middle = token.split('.').nth(1).unwrap();
    for (args, code) in [
        (&["token", "decode", "not-a-token"][..], 4),
        (&["token", "decode", middle], 4),
        (&["token", "decode", ""], 2),
        (&["token", "decode", "--file", "missing"], 1),
        (&["token", "decode", "--file", &token], 1),
        (&["token", "decode", &token, "and", "more"], 2),
        (&["token", "decode", "--colour", &token], 2),
        (&["token", &token], 2),
        (&[&token], 2),
    ] {
        let ended = Folder::new().run(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(code), ""),
            "{args:?}"
        );
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert!(
            !ended.stderr.contains(middle) && !ended.stderr.contains("not-a-token"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn verify_holds_a_token_against_the_keys_of_a_file() {
    let key = Key::new(Kind::P256, "key-1");
    let (good, forged) = (
        key.token(&ordinary()),
        Key::new(Kind::P256, "other").with_kid(Some("key-1")),
    );
    let folder = Folder::new().file("keys.json", &mint::jwks(&[&key]));
    let verify = |token: &str, extra: &[&str]| {
        let args = [
            &["token", "verify", "--jwks", "keys.json", "--at", NOON][..],
            extra,
        ]
        .concat();
        folder.run_with(&args, token)
    };
    let ended = verify(&good, &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("verify-keys.txt", &ended.stdout);

    let ended = verify(&forged.token(&ordinary()), &["--format", "plain"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(4), ""));
    golden("verify-forged.txt", &ended.stdout);

    let ended = verify(&mint::unsigned(&ordinary()), &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""));
    assert!(ended.stderr.contains("jwt_format"), "{}", ended.stderr);
}

#[test]
fn verify_needs_something_to_verify_against() {
    let ended = Folder::new().run_with(&["token", "verify"], "a.b.c");
    assert_eq!(ended.code, Some(2));
    let folder = Folder::new().file("keys.json", "{}");
    let ended = folder.run_with(&["token", "verify", "--jwks", "keys.json"], "a.b.c");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let ended = folder.run_with(&["token", "verify", "--jwks", "missing.json"], "a.b.c");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

#[test]
fn the_token_of_the_documents_verifies_under_their_key() {
    let (Some(token), Some(keys)) = (
        example("kgateway/alice.jwt"),
        example("kgateway/solo.io.jwks"),
    ) else {
        return;
    };
    let folder = Folder::new().file("solo.io.jwks", &keys);
    let ended = folder.run_with(
        &["token", "verify", "--jwks", "solo.io.jwks", "--at", NOON],
        &token,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .ends_with("accepted by 1 of 1 provider, as `alice`\n"),
        "{}",
        ended.stdout
    );
    // Ten years later it has expired.
    let late = folder.run_with(
        &[
            "token",
            "verify",
            "--jwks",
            "solo.io.jwks",
            "--at",
            "2036-11-25T12:00:00Z",
        ],
        &token,
    );
    assert_eq!(late.code, Some(4));
    assert!(late.stdout.contains("jwt_expired"), "{}", late.stdout);
}

/// A token of the sample configuration's issuer with these claims on top of, or in place of, its own.
fn customer(claims: &[(&str, Value)]) -> String {
    let own = [
        ("iss", json!(sample::ISSUER)),
        ("sub", json!("alice")),
        ("aud", json!("shop")),
        ("iat", json!(NOON_SECONDS - 60)),
        ("exp", json!(NOON_SECONDS + 3600)),
    ];
    let all: Map<_, _> = own
        .iter()
        .chain(claims)
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    sample::key().token(&Value::Object(all))
}

fn verify(extra: &[&str], token: &str) -> Ended {
    let folder = Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", &sample::policy());
    let args = [
        &["token", "verify", "--config", "shop", "--at", NOON][..],
        extra,
    ]
    .concat();
    folder.run_with(&args, token)
}

#[test]
fn verify_asks_every_provider_of_a_configuration() {
    let ended = verify(&[], &customer(&[]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("verify.txt", &ended.stdout);

    let claims = [
        ("iss", json!("https://partners.test")),
        ("aud", json!("web")),
        ("exp", json!(NOON_SECONDS - 3600)),
    ];
    let ended = verify(&[], &customer(&claims));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(4), ""));
    golden("verify-refused.txt", &ended.stdout);

    let ended = verify(&["--format", "json"], &customer(&claims));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (ended.code, &document["accepted"]),
        (Some(4), &json!(false))
    );
    assert_eq!(document["subject"], Value::Null);
    assert_eq!(document["providers"][1]["code"], "jwt_issuer_unknown");
}

#[test]
fn verify_can_be_held_to_one_provider() {
    let token = customer(&[]);
    for (provider, code) in [
        ("shop/customers", 0),
        ("shop/customers/main", 0),
        ("shop/customers/partners", 4),
        ("shop/custom", 2),
        ("elsewhere", 2),
    ] {
        let ended = verify(&["--provider", provider], &token);
        assert_eq!(
            ended.code,
            Some(code),
            "{provider}: {}{}",
            ended.stdout,
            ended.stderr
        );
    }
}

#[test]
fn verify_fetches_remote_keys_unless_told_not_to() {
    let key = sample::key();
    let idp = Idp::start(&[&key]);
    let remote = format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata:\n  name: remote\n  namespace: shop\n\
         spec:\n  jwtRules:\n  - issuer: {}\n    jwksUri: {}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let folder = Folder::new().file("istio.yaml", &remote);
    let token = idp.token(&key, &json!({ "sub": "bob" }));
    let verify = |extra: &[&str]| {
        let args = [&["token", "verify", "--config", "istio.yaml"][..], extra].concat();
        folder.run_with(&args, &token)
    };
    let ended = verify(&["--offline"]);
    assert_eq!((ended.code, idp.fetches()), (Some(4), 0));
    assert!(
        ended.stdout.contains("not fetched, because of `--offline`"),
        "{}",
        ended.stdout
    );

    let ended = verify(&[]);
    assert_eq!(
        (ended.code, idp.fetches()),
        (Some(0), 1),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    assert!(ended.stdout.contains("as `bob`"), "{}", ended.stdout);

    idp.fail(Reply::new(503));
    let ended = verify(&[]);
    assert_eq!(ended.code, Some(4));
    assert!(
        ended.stdout.contains("answered with status 503"),
        "{}",
        ended.stdout
    );
}

#[test]
fn verify_needs_a_configuration_without_errors_and_with_providers() {
    let token = customer(&[]);
    let broken = sample::policy().replace("issuer:", "isuer:");
    let folder = Folder::new()
        .file("gateway.yaml", &sample::gateway())
        .file("policy.yaml", &broken);
    let ended = folder.run_with(&["token", "verify", "--config", "."], &token);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    assert!(ended.stderr.contains("isuer"), "{}", ended.stderr);
    let ended = folder.run_with(&["token", "verify", "--config", "gateway.yaml"], &token);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""));
    assert!(
        ended.stderr.contains("the configuration has no provider"),
        "{}",
        ended.stderr
    );
}
