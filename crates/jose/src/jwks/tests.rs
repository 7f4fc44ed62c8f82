use countersign_testkit::corpus;
use countersign_testkit::mint::{self, Kind};
use serde_json::{Value as Json, json};

use super::*;

fn read(document: &Json, symmetric: Symmetric) -> KeySet {
    KeySet::from_jwks(document.to_string().as_bytes(), symmetric).unwrap()
}

/// The reason why the only entry is skipped; empty when it is used.
fn reason(entry: &Json) -> String {
    let set = read(&json!({ "keys": [entry] }), Symmetric::Allow);
    assert_eq!(set.len() + set.skipped().len(), 1);
    set.skipped()
        .first()
        .map_or_else(String::new, |skipped| skipped.reason.clone())
}

fn with(key: &mint::Key, changes: &Json) -> Json {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    jwk
}

#[test]
fn bad_entries_are_skipped_and_reported() {
    let good = mint::Key::new(Kind::P256, "good");
    let document = json!({
        "keys": ["text", { "kty": "AKP", "kid": "pq" }, good.jwk(), { "kid": 7 }],
        "other": { "anything": [1.5, null] },
    });
    let set = read(&document, Symmetric::Refuse);
    let keys: Vec<_> = set
        .keys()
        .map(|key| (key.kid(), key.kind(), key.alg()))
        .collect();
    assert_eq!(keys, [(Some("good"), "EC P-256", Some(Alg::ES256))]);
    let skipped: Vec<_> = set
        .skipped()
        .iter()
        .map(|entry| (entry.index, entry.kid.as_deref(), &*entry.reason))
        .collect();
    assert_eq!(
        skipped,
        [
            (0, None, "an entry must be an object, not a string"),
            (1, Some("pq"), "the key type `AKP` is not supported"),
            (3, None, "`kty` is missing"),
        ]
    );
    assert_eq!(
        format!("{set:?}"),
        r#"[Key { kid: Some("good"), kind: "EC P-256", alg: Some(ES256) }]"#
    );
}

#[test]
fn what_a_key_was_published_for_is_respected() {
    let key = mint::Key::rsa("k");
    let cases = [
        (json!({ "use": null, "alg": null }), ""),
        (json!({ "use": "enc" }), "`use` is `enc`, not `sig`"),
        (json!({ "use": ["sig"] }), "`use` is not a string"),
        (json!({ "key_ops": ["verify"] }), ""),
        (json!({ "key_ops": ["sign", "verify"] }), ""),
        (
            json!({ "key_ops": [] }),
            "`key_ops` does not include `verify`",
        ),
        (
            json!({ "key_ops": ["encrypt"] }),
            "`key_ops` does not include `verify`",
        ),
        (
            json!({ "key_ops": "verify" }),
            "`key_ops` is a string, not a list",
        ),
        (
            json!({ "alg": "RSA-OAEP" }),
            "`alg` is `RSA-OAEP`, which is not a supported signature algorithm",
        ),
        (json!({ "alg": 256 }), "`alg` is a number, not a string"),
        (
            json!({ "alg": "ES256" }),
            "`alg` is `ES256`, which a key of type RSA 2048 cannot be used with",
        ),
        (
            json!({ "alg": "HS256" }),
            "`alg` is `HS256`, which a key of type RSA 2048 cannot be used with",
        ),
        (json!({ "kid": 5 }), ""),
        (json!({ "x5c": ["junk"], "ext": true }), ""),
    ];
    for (changes, expected) in cases {
        assert_eq!(reason(&with(&key, &changes)), expected, "{changes}");
    }
}

#[test]
fn malformed_and_weak_rsa_keys_are_skipped() {
    const EXPONENT: &str = "the RSA exponent is not an odd number over 1 of at most 33 bits";
    let ones =
        |bytes: usize, last: char| "_".repeat((bytes * 8).div_ceil(6) - 1) + &last.to_string();
    let cases = [
        (
            json!({ "kty": "rsa" }),
            "the key type `rsa` is not supported",
        ),
        (json!({ "n": null }), "`n` is missing"),
        (json!({ "n": 5 }), "`n` is a number, not a string"),
        (json!({ "n": "+/" }), "`n` is not base64url"),
        (
            json!({ "n": "" }),
            "an RSA key of 0 bits is too weak; 2048 are the least",
        ),
        (
            json!({ "n": ones(128, 'w') }),
            "an RSA key of 1024 bits is too weak; 2048 are the least",
        ),
        (
            json!({ "n": ones(1026, '_') }),
            "an RSA key of 8208 bits is too large; 8192 are the most",
        ),
        (json!({ "n": ones(258, '-') }), "the RSA modulus is even"),
        (json!({ "e": "AA" }), EXPONENT),
        (json!({ "e": "AAAB" }), EXPONENT),
        (json!({ "e": "Ag" }), EXPONENT),
        (json!({ "e": "AwAAAAE" }), EXPONENT),
        (json!({ "e": "AQAAAAE", "alg": null }), ""),
    ];
    for (changes, expected) in cases {
        assert_eq!(
            reason(&with(&mint::Key::rsa("k"), &changes)),
            expected,
            "{changes}"
        );
    }
}

#[test]
fn malformed_elliptic_keys_are_skipped() {
    const INVALID: &str = "the numbers do not make a valid key";
    let p256 = mint::Key::new(Kind::P256, "k");
    let p384 = mint::Key::new(Kind::P384, "k").jwk();
    let ed25519 = mint::Key::new(Kind::Ed25519, "k");
    let (x, y) = (p256.jwk()["x"].clone(), p256.jwk()["y"].clone());
    let cases = [
        (&p256, json!({ "crv": null }), "`crv` is missing"),
        (
            &p256,
            json!({ "crv": "p-256" }),
            "the curve `p-256` is not supported",
        ),
        (
            &p256,
            json!({ "crv": "secp256k1" }),
            "the curve `secp256k1` is not supported",
        ),
        (&p256, json!({ "crv": "P-384", "alg": null }), INVALID),
        (&p256, json!({ "x": y, "y": x }), INVALID),
        (&p256, json!({ "x": "AA", "y": "AA" }), INVALID),
        (
            &p256,
            json!({ "x": p384["x"] }),
            "a coordinate is longer than the curve's",
        ),
        (
            &ed25519,
            json!({ "x": "AA" }),
            "an Ed25519 key has 32 bytes, not 1",
        ),
        (
            &ed25519,
            json!({ "crv": "Ed448" }),
            "the curve `Ed448` is not supported",
        ),
        (
            &ed25519,
            json!({ "kty": "EC" }),
            "the curve `Ed25519` is not supported",
        ),
    ];
    for (key, changes, expected) in cases {
        assert_eq!(reason(&with(key, &changes)), expected, "{changes}");
    }
}

#[test]
fn symmetric_keys_must_be_allowed_and_long_enough() {
    let secret = |bytes: usize, alg: Option<&str>| {
        let mut jwk = mint::Key::secret(&vec![7; bytes]).jwk();
        match alg {
            Some(alg) => jwk["alg"] = json!(alg),
            None => drop(jwk.as_object_mut().unwrap().remove("alg")),
        }
        jwk
    };
    let cases = [
        (secret(32, Some("HS256")), ""),
        (
            secret(31, Some("HS256")),
            "a symmetric key of 31 bytes is too short; HS256 needs 32, HS384 48, HS512 64",
        ),
        (
            secret(0, None),
            "a symmetric key of 0 bytes is too short; HS256 needs 32, HS384 48, HS512 64",
        ),
        (
            secret(47, Some("HS384")),
            "a symmetric key of 47 bytes is too short for `HS384`",
        ),
        (secret(48, Some("HS384")), ""),
        (
            secret(63, Some("HS512")),
            "a symmetric key of 63 bytes is too short for `HS512`",
        ),
        (secret(64, Some("HS512")), ""),
        (secret(64, None), ""),
        (
            secret(64, Some("RS256")),
            "`alg` is `RS256`, which a key of type symmetric cannot be used with",
        ),
    ];
    for (entry, expected) in cases {
        assert_eq!(reason(&entry), expected, "{entry}");
    }
    let published = read(&json!({ "keys": [secret(64, None)] }), Symmetric::Refuse);
    assert!(published.is_empty());
    assert!(
        published.skipped()[0]
            .reason
            .starts_with("a symmetric key is accepted only from an inline key set")
    );
}

#[test]
fn the_document_as_a_whole_must_be_a_key_set() {
    let parse = |text: &str| KeySet::from_jwks(text.as_bytes(), Symmetric::Refuse).unwrap_err();
    for text in [
        "{}",
        "[]",
        "null",
        "7",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"kty":"RSA"}"#,
    ] {
        assert_eq!(parse(text), KeySetError::NoKeys, "{text}");
    }
    for text in [
        "",
        "{",
        r#"{"keys":[]} x"#,
        "<html>",
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"n":"a","n":"b"}]}"#,
    ] {
        assert!(matches!(parse(text), KeySetError::Json(_)), "{text}");
    }
    let many = json!({ "keys": vec![json!({}); MAX_KEYS + 1] }).to_string();
    assert_eq!(
        parse(&many),
        KeySetError::TooManyKeys {
            count: MAX_KEYS + 1
        }
    );
    let large = format!(r#"{{"keys":[]{}}}"#, " ".repeat(MAX_JWKS_BYTES));
    assert_eq!(parse(&large), KeySetError::TooLarge { bytes: large.len() });
    let most = json!({ "keys": vec![json!({}); MAX_KEYS] });
    assert_eq!(read(&most, Symmetric::Refuse).skipped().len(), MAX_KEYS);
    assert!(read(&json!({ "keys": [] }), Symmetric::Refuse).is_empty());
}

#[test]
fn inline_text_may_be_a_set_or_one_key() {
    let secret = mint::Key::new(Kind::Secret, "s");
    let one = KeySet::from_inline(&secret.jwk().to_string()).unwrap();
    assert_eq!(one.keys().map(Key::kind).collect::<Vec<_>>(), ["symmetric"]);
    let set = KeySet::from_inline(&mint::jwks(&[&secret, &mint::Key::rsa("r")])).unwrap();
    assert_eq!(
        set.keys().map(Key::kind).collect::<Vec<_>>(),
        ["symmetric", "RSA 2048"]
    );
    let unusable = KeySet::from_inline(r#"{"kty":"RSA","kid":"w","n":"AQAB","e":"AQAB"}"#).unwrap();
    assert!(unusable.is_empty());
    assert_eq!(unusable.skipped()[0].kid.as_deref(), Some("w"));
    for text in ["", "ssh-rsa AAAA", "{}", r#"{"kid":"x"}"#] {
        let error = KeySet::from_inline(text).unwrap_err();
        assert!(
            !error.help().is_empty() && error.to_string().starts_with(char::is_lowercase),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_modulus_with_a_leading_zero_byte_is_that_modulus() {
    let Some(path) = corpus::shared("examples/kgateway") else {
        return;
    };
    let set = KeySet::from_jwks(
        &std::fs::read(path.join("solo.io.jwks")).unwrap(),
        Symmetric::Refuse,
    )
    .unwrap();
    assert_eq!(
        set.keys()
            .map(|key| (key.kid(), key.kind()))
            .collect::<Vec<_>>(),
        [(Some("solo-public-key-001"), "RSA 2048")]
    );
    let token = std::fs::read_to_string(path.join("alice.jwt")).unwrap();
    let token = crate::Token::parse(token.trim()).unwrap();
    let expect = crate::Expect {
        issuer: Some("solo.io".into()),
        ..Default::default()
    };
    let claims = token
        .check(&expect, crate::UnixTime(1_800_000_000))
        .unwrap()
        .verify(&set)
        .unwrap();
    assert_eq!(claims.subject(), Some("alice"));
}

#[test]
fn coordinates_without_their_leading_zeros_are_put_right() {
    let Some(case) = corpus::cases::<corpus::Jwt>("jwt/cases.jsonl")
        .into_iter()
        .find(|case| case.id == "jwt_verify_lib/verify_jwk_ec_test/KidES512OK/0")
    else {
        return;
    };
    let set = read(&case.jwks.unwrap(), Symmetric::Refuse);
    assert_eq!(set.skipped(), []);
    crate::Jws::parse(&case.token)
        .unwrap()
        .verify(&set)
        .unwrap();
}
