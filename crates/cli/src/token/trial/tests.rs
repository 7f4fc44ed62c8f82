use countersign_jose::Symmetric;
use countersign_testkit::mint::{self, Key, Kind};
use serde_json::{Value, json};

use super::*;

const NOW: UnixTime = UnixTime(1_700_000_000);

fn known(keys: &[&Key]) -> Keys {
    let set = KeySet::from_jwks(mint::jwks(keys).as_bytes(), Symmetric::Refuse).unwrap();
    Keys::Known(Arc::new(set))
}

fn expect() -> Expect {
    Expect {
        issuer: Some("https://issuer.test".into()),
        audiences: Audiences::exact(["api", "web"]),
        skew: 60,
        ..Expect::default()
    }
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.test", "aud": ["api"], "exp": NOW.0 + 3600 })
}

/// Whether a check passed, if it was made, and its text.
type Row = (Option<bool>, String);

/// Verdict, and the checks as `name passes detail`.
fn trial(claims: &Value, keys: &Keys) -> (Result<(), TokenError>, Vec<Row>) {
    let text = Key::new(Kind::P256, "one").token(claims);
    let trial = Trial::new(&Token::parse(&text).unwrap(), &expect(), keys, NOW);
    let checks = trial
        .checks
        .into_iter()
        .map(|check| (check.passes, format!("{}: {}", check.name, check.detail)));
    (trial.verdict, checks.collect())
}

#[test]
fn a_good_token_passes_every_check() {
    let (verdict, checks) = trial(&claims(), &known(&[&Key::new(Kind::P256, "one")]));
    assert_eq!(verdict, Ok(()));
    let expected = [
        "issuer: `https://issuer.test`",
        "time: expires in 1 hour (2023-11-14 23:13:20 UTC)",
        "audience: `api`",
        "key: `one` for ES256",
        "signature: made with that key",
    ];
    assert_eq!(checks, expected.map(|text| (Some(true), text.to_owned())));
}

#[test]
fn every_failure_is_told_not_the_first_alone() {
    let claims = json!({ "iss": "https://issuer.test/", "exp": NOW.0 - 86_400 });
    let (verdict, checks) = trial(&claims, &known(&[&Key::new(Kind::Rsa, "two")]));
    assert_eq!(verdict, Err(TokenError::IssuerUnknown));
    let expected = [
        (
            Some(false),
            "issuer: `https://issuer.test/`; `https://issuer.test` is expected, and they differ in the slash at the end",
        ),
        (
            Some(false),
            "time: expired 1 day ago (2023-11-13 22:13:20 UTC), with 1 minute of skew allowed",
        ),
        (
            Some(false),
            "audience: the token has no `aud`; one of these is expected: `api`, `web`",
        ),
        (
            Some(false),
            "key: none is `one` for ES256; the provider has `two` (RSA 2048, RS256)",
        ),
        (None, "signature: not checked"),
    ];
    assert_eq!(
        checks,
        expected.map(|(passes, text)| (passes, text.to_owned()))
    );
}

#[test]
fn a_forged_signature_is_told_from_an_unknown_key() {
    let forged = Key::new(Kind::P256, "other").with_kid(Some("one"));
    let (verdict, checks) = trial(&claims(), &known(&[&forged]));
    assert_eq!(verdict, Err(TokenError::BadSignature));
    assert_eq!(checks[3], (Some(true), "key: `one` for ES256".to_owned()));
    assert_eq!(checks[4].0, Some(false));
}

#[test]
fn keys_that_cannot_be_had_are_no_ground_to_pass() {
    let (verdict, checks) = trial(&claims(), &Keys::Missing("not fetched".to_owned()));
    assert_eq!(verdict, Err(TokenError::KeysUnavailable));
    assert_eq!(checks[3], (Some(false), "key: not fetched".to_owned()));
    assert_eq!(checks[4].0, None);
}

#[test]
fn skew_is_told() {
    let mut late = claims();
    late["exp"] = json!(NOW.0 - 30);
    let (verdict, checks) = trial(&late, &known(&[&Key::new(Kind::P256, "one")]));
    assert_eq!(verdict, Ok(()));
    assert_eq!(
        checks[1].1,
        "time: expired 30 seconds ago (2023-11-14 22:12:50 UTC), within the allowed skew"
    );
}
