use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_testkit::mint::{self, Alg as MintAlg, Kind};
use serde_json::{Value, json};

use super::*;
use crate::alg::{Alg, AlgSet};
use crate::expect::Audiences;
use crate::jwk::Symmetric;

const KINDS: [Kind; 6] = [
    Kind::Rsa,
    Kind::P256,
    Kind::P384,
    Kind::P521,
    Kind::Ed25519,
    Kind::Secret,
];

const MINT_ALGS: [MintAlg; 13] = [
    MintAlg::Rs256,
    MintAlg::Rs384,
    MintAlg::Rs512,
    MintAlg::Ps256,
    MintAlg::Ps384,
    MintAlg::Ps512,
    MintAlg::Es256,
    MintAlg::Es384,
    MintAlg::Es512,
    MintAlg::EdDsa,
    MintAlg::Hs256,
    MintAlg::Hs384,
    MintAlg::Hs512,
];

/// The order of P-256 (SEC 2 section 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The algorithms of a kind of key, by RFC 7518 and RFC 8037.
fn algs_of(kind: Kind) -> &'static [MintAlg] {
    match kind {
        Kind::Rsa => &MINT_ALGS[..6],
        Kind::P256 => &[MintAlg::Es256],
        Kind::P384 => &[MintAlg::Es384],
        Kind::P521 => &[MintAlg::Es512],
        Kind::Ed25519 => &[MintAlg::EdDsa],
        Kind::Secret => &MINT_ALGS[10..],
    }
}

/// The key's JWK with members replaced; `null` takes one away.
fn jwk(key: &mint::Key, changes: &Value) -> Value {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::from_jwks(
        json!({ "keys": keys }).to_string().as_bytes(),
        Symmetric::Allow,
    )
    .unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<Verified<Claims>, TokenError> {
    Token::parse(token)?
        .check(&Expect::default(), UnixTime(0))?
        .verify(keys)
}

#[test]
fn every_algorithm_verifies_with_a_key_of_its_kind() {
    for kind in KINDS {
        let key = mint::Key::new(kind, "k1");
        let keys = set(&[jwk(&key, &json!({ "alg": null }))]);
        for alg in algs_of(kind) {
            let header = json!({ "alg": alg.name(), "kid": "k1" }).to_string();
            let token = key.sign(*alg, &header, br#"{"sub":"alice"}"#);
            let claims = verify(&token, &keys).unwrap();
            assert_eq!(claims.subject(), Some("alice"), "{alg:?}");
        }
    }
}

#[test]
fn a_key_serves_only_algorithms_of_its_kind_whatever_the_header_says() {
    for kind in KINDS {
        let key = mint::Key::new(kind, "k1");
        let keys = set(&[jwk(&key, &json!({ "alg": null }))]);
        for alg in MINT_ALGS.iter().filter(|alg| !algs_of(kind).contains(alg)) {
            let token = key.token_with(&json!({ "alg": alg.name() }), &json!({}));
            assert_eq!(
                verify(&token, &keys),
                Err(TokenError::BadSignature),
                "{kind:?} {alg:?}"
            );
        }
    }
}

#[test]
fn a_key_that_states_an_algorithm_serves_no_other() {
    let key = mint::Key::rsa("k1");
    for stated in algs_of(Kind::Rsa) {
        let keys = set(&[jwk(&key, &json!({ "alg": stated.name() }))]);
        for alg in algs_of(Kind::Rsa) {
            let token = key.sign(*alg, &json!({ "alg": alg.name() }).to_string(), b"{}");
            let verdict = verify(&token, &keys).map(drop);
            let expected = if alg == stated {
                Ok(())
            } else {
                Err(TokenError::NoMatchingKey)
            };
            assert_eq!(verdict, expected, "{alg:?} with a key for {stated:?}");
        }
    }
}

#[test]
fn a_public_key_is_never_an_hmac_secret() {
    for kind in [Kind::Rsa, Kind::P256, Kind::Ed25519] {
        let key = mint::Key::new(kind, "k1");
        let published = key.jwk();
        let text = published.to_string();
        for secret in ["n", "x"]
            .iter()
            .filter_map(|name| published.get(name))
            .filter_map(Value::as_str)
            .chain([&*text])
        {
            let forger = mint::Key::secret(secret.as_bytes()).with_kid(Some("k1"));
            let token = forger.token_with(&json!({ "alg": "HS256" }), &json!({ "sub": "admin" }));
            for changes in [json!({}), json!({ "alg": null })] {
                assert!(
                    verify(&token, &set(&[jwk(&key, &changes)])).is_err(),
                    "{kind:?}"
                );
            }
        }
    }
}

#[test]
fn keys_are_chosen_by_kid_and_alg() {
    let (one, two, curve) = (
        mint::Key::rsa("one"),
        mint::Key::rsa("two"),
        mint::Key::new(Kind::P256, "curve"),
    );
    let both = set(&[one.jwk(), two.jwk()]);
    let nameless = set(&[one.with_kid(None).jwk(), curve.jwk()]);
    let twins = set(&[two.with_kid(Some("one")).jwk(), one.jwk()]);
    let claims = json!({});
    let cases = [
        ("its own kid", verify(&one.token(&claims), &both), None),
        (
            "no kid: all are tried",
            verify(&two.with_kid(None).token(&claims), &both),
            None,
        ),
        (
            "another's kid",
            verify(&one.with_kid(Some("two")).token(&claims), &both),
            Some(TokenError::BadSignature),
        ),
        (
            "unknown kid",
            verify(&one.with_kid(Some("three")).token(&claims), &both),
            Some(TokenError::NoMatchingKey),
        ),
        (
            "kid in other case",
            verify(&one.with_kid(Some("ONE")).token(&claims), &both),
            Some(TokenError::NoMatchingKey),
        ),
        (
            "a key without kid fits any",
            verify(&one.with_kid(Some("x")).token(&claims), &nameless),
            None,
        ),
        (
            "one kid twice: both are tried",
            verify(&one.token(&claims), &twins),
            None,
        ),
        (
            "no keys at all",
            verify(&one.token(&claims), &KeySet::empty()),
            Some(TokenError::NoMatchingKey),
        ),
    ];
    for (what, verdict, error) in cases {
        assert_eq!(verdict.err(), error, "{what}");
    }
}

#[test]
fn degenerate_ecdsa_signatures_never_verify() {
    let number = |low: u8| [vec![0; 31], vec![low]].concat();
    let key = mint::Key::new(Kind::P256, "k1");
    let good = key.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let forged = [
        vec![0; 64],
        [number(0), number(1)].concat(),
        [number(1), number(0)].concat(),
        [number(1), number(1)].concat(),
        [P256_ORDER, P256_ORDER].concat(),
        [&P256_ORDER[..], &number(0)].concat(),
        vec![0xff; 64],
        vec![0; 63],
        vec![0; 65],
        vec![0; 128],
        vec![0],
        [s, r].concat(),
        [&raw[..], &[0]].concat(),
        [&[0], &raw[..]].concat(),
        [&[0x30, 0x44, 2, 0x20], r, &[2, 0x20], s].concat(),
    ];
    for changes in [json!({}), json!({ "alg": null })] {
        let keys = set(&[jwk(&key, &changes)]);
        assert!(verify(&good, &keys).is_ok());
        for signature in &forged {
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(
                verify(&token, &keys),
                Err(TokenError::BadSignature),
                "{signature:02x?}"
            );
        }
    }
}

#[test]
fn three_parts_and_nothing_else() {
    let good = mint::Key::rsa("k1").token(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{good}")
    };
    let format = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!(".{good}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.a.b.c.{signature}"),
        "opaque-token".into(),
    ];
    for token in format {
        assert_eq!(
            Token::parse(&token).err(),
            Some(TokenError::Format),
            "{token}"
        );
    }
    let mangled = [
        (
            format!("{header}.{payload}.{signature} "),
            TokenError::NotCanonical,
        ),
        (
            format!(" {header}.{payload}.{signature}"),
            TokenError::NotCanonical,
        ),
        (
            format!("{header}.+/+/.{signature}"),
            TokenError::PayloadBase64,
        ),
        (
            format!("{header}.{payload}.+/"),
            TokenError::SignatureBase64,
        ),
        (format!("{header}.bnVsbA.+/"), TokenError::PayloadJson),
    ];
    for (token, error) in mangled {
        assert_eq!(Token::parse(&token).err(), Some(error), "{token}");
    }
    let long = format!(
        "{header}.{}.{signature}",
        "A".repeat(crate::MAX_TOKEN_BYTES)
    );
    assert_eq!(Token::parse(&long).err(), Some(TokenError::TooLarge));
}

#[test]
fn the_algorithm_must_be_allowed_before_anything_else_is_looked_at() {
    let token = mint::Key::rsa("k1").token(&json!({ "iss": "you" }));
    let expect = Expect {
        issuer: Some("me".into()),
        algs: [Alg::ES256].into_iter().collect(),
        ..Expect::default()
    };
    let refuse = |expect: &Expect| {
        Token::parse(&token)
            .unwrap()
            .check(expect, UnixTime(0))
            .err()
    };
    assert_eq!(refuse(&expect), Some(TokenError::AlgNotAllowed));
    assert_eq!(
        refuse(&Expect {
            algs: AlgSet::from_iter([]),
            ..expect.clone()
        }),
        Some(TokenError::AlgNotAllowed)
    );
    assert_eq!(
        refuse(&Expect {
            algs: AlgSet::all(),
            ..expect
        }),
        Some(TokenError::IssuerUnknown)
    );
}

#[test]
fn a_wrong_audience_is_reported_before_a_wrong_signature() {
    let token = mint::Key::rsa("other")
        .with_kid(Some("k1"))
        .token(&json!({ "aud": "x" }));
    let expect = Expect {
        audiences: Audiences::exact(["api"]),
        ..Expect::default()
    };
    assert_eq!(
        Token::parse(&token)
            .unwrap()
            .check(&expect, UnixTime(0))
            .err(),
        Some(TokenError::AudienceRefused)
    );
    assert_eq!(
        verify(&token, &set(&[mint::Key::rsa("k1").jwk()])),
        Err(TokenError::BadSignature)
    );
}

#[test]
fn verified_claims_can_be_held_against_a_later_time() {
    let key = mint::Key::rsa("k1");
    let token = key.token(&json!({ "exp": 1000, "nbf": 500 }));
    let token = Token::parse(&token).unwrap();
    let checked = token.check(&Expect::default(), UnixTime(700)).unwrap();
    assert_eq!(
        checked.verify(&KeySet::empty()),
        Err(TokenError::NoMatchingKey)
    );
    let claims = checked.verify(&set(&[key.jwk()])).unwrap();
    assert_eq!(claims.check_time(60, UnixTime(1060)), Ok(()));
    assert_eq!(
        claims.check_time(60, UnixTime(1061)),
        Err(TokenError::Expired)
    );
    assert_eq!(
        claims.check_time(0, UnixTime(499)),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(claims.clone().into_inner().expires(), Some(1000));
}

#[test]
fn the_payload_is_handed_on_as_sent() {
    let token = mint::Key::rsa("k1").token(&json!({ "sub": "alice" }));
    let parsed = Token::parse(&token).unwrap();
    assert_eq!(parsed.payload_segment(), token.split('.').nth(1).unwrap());
    assert_eq!(parsed.unverified().subject(), Some("alice"));
    assert_eq!(
        (parsed.header().kid(), parsed.header().alg()),
        (Some("k1"), Alg::RS256)
    );
}

#[test]
fn debug_shows_neither_token_nor_values() {
    let key = mint::Key::new(Kind::Secret, "k1");
    let token = key.token(&json!({ "sub": "alice" }));
    let keys = set(&[key.jwk()]);
    let parsed = Token::parse(&token).unwrap();
    let checked = parsed.check(&Expect::default(), UnixTime(0)).unwrap();
    let shown = format!(
        "{parsed:?} {checked:?} {:?} {keys:?}",
        checked.verify(&keys).unwrap()
    );
    let secret = key.jwk()["k"].as_str().unwrap().to_owned();
    for hidden in token.split('.').chain(["alice", &secret]) {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(
        shown.contains("k1") && shown.contains("symmetric"),
        "{shown}"
    );
}

#[test]
fn claims_nobody_verified_can_be_passed_off_only_by_name() {
    let claims = Claims::parse(br#"{"sub":"alice"}"#).unwrap();
    assert_eq!(
        Verified::dangerous_unverified(claims).subject(),
        Some("alice")
    );
}
