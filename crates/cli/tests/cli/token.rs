//! `countersign token`.

use countersign_testkit::mint::{self, Key, Kind};
use serde_json::{Value, json};

use crate::binary::{Ended, Folder, example, golden};

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
    let token = mint::unsigned(claims);
    let payload = token.split('.').nth(1).unwrap();
    let header = mint::unsigned(header);
    let header = header.split('.').nth(1).unwrap();
    format!("{header}.{payload}.c2lnbmF0dXJl")
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
