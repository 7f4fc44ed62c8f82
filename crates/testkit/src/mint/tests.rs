//! Signatures are checked with nothing but what the JWK publishes.

use aws_lc_rs::{
    hmac,
    signature::{
        self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::Value;

use super::*;

#[test]
fn every_algorithm_verifies_under_the_published_key() {
    for (kind, alg) in [
        (Kind::Rsa, Alg::Rs256),
        (Kind::Rsa, Alg::Rs384),
        (Kind::Rsa, Alg::Rs512),
        (Kind::Rsa, Alg::Ps256),
        (Kind::Rsa, Alg::Ps384),
        (Kind::Rsa, Alg::Ps512),
        (Kind::P256, Alg::Es256),
        (Kind::P384, Alg::Es384),
        (Kind::P521, Alg::Es512),
        (Kind::Ed25519, Alg::EdDsa),
        (Kind::Secret, Alg::Hs256),
        (Kind::Secret, Alg::Hs384),
        (Kind::Secret, Alg::Hs512),
    ] {
        let key = Key::new(kind, "every");
        let token = key.sign(alg, r#"{"alg":"x"}"#, b"payload");
        assert!(verifies(&key.jwk(), alg, &token), "{alg:?}");
        let other = Key::new(kind, "other").jwk();
        assert!(!verifies(&other, alg, &token), "{alg:?} under another key");
    }
}

#[test]
fn one_name_is_one_key() {
    let first = Key::new(Kind::P256, "same").jwk();
    assert_eq!(first, Key::new(Kind::P256, "same").jwk());
    assert_ne!(first["x"], Key::new(Kind::P256, "another").jwk()["x"]);
}

#[test]
fn header_members_are_replaced_added_and_taken_away() {
    let key = Key::new(Kind::Ed25519, "header");
    let token = key.token_with(
        &json!({ "typ": "at+jwt", "crit": ["b64"], "kid": null }),
        &json!({ "sub": "ann" }),
    );
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(
        decode(parts[0]),
        json!({ "alg": "EdDSA", "typ": "at+jwt", "crit": ["b64"] })
    );
    assert_eq!(decode(parts[1]), json!({ "sub": "ann" }));
    assert!(verifies(&key.jwk(), Alg::EdDsa, &token));
}

#[test]
fn a_key_set_publishes_no_private_member() {
    let (rsa, ec) = (
        Key::rsa("a"),
        Key::new(Kind::P384, "b").with_kid(Some("renamed")),
    );
    let set: Value = serde_json::from_str(&jwks(&[&rsa, &ec])).unwrap();
    assert_eq!(set["keys"][0]["e"], "AQAB");
    assert_eq!(set["keys"][1]["kid"], "renamed");
    for key in set["keys"].as_array().unwrap() {
        let members: Vec<&str> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert!(
            members
                .iter()
                .all(|m| ["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"].contains(m)),
            "{members:?}"
        );
    }
}

#[test]
fn an_unsigned_token_ends_in_a_dot() {
    let token = unsigned(&json!({}));
    assert!(
        token.ends_with('.') && token.matches('.').count() == 2,
        "{token}"
    );
}

fn verifies(jwk: &Value, alg: Alg, token: &str) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (input, signature) = (input.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let rsa = |params: &RsaParameters| {
        RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        }
        .verify(params, input, &signature)
        .is_ok()
    };
    let ec = |curve: &'static dyn VerificationAlgorithm| {
        let point = [vec![4], member("x"), member("y")].concat();
        UnparsedPublicKey::new(curve, point)
            .verify(input, &signature)
            .is_ok()
    };
    let mac = |hash| hmac::verify(&hmac::Key::new(hash, &member("k")), input, &signature).is_ok();
    match alg {
        Alg::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Alg::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Alg::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Alg::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Alg::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Alg::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Alg::Es256 => ec(&signature::ECDSA_P256_SHA256_FIXED),
        Alg::Es384 => ec(&signature::ECDSA_P384_SHA384_FIXED),
        Alg::Es512 => ec(&signature::ECDSA_P521_SHA512_FIXED),
        Alg::EdDsa => UnparsedPublicKey::new(&signature::ED25519, member("x"))
            .verify(input, &signature)
            .is_ok(),
        Alg::Hs256 => mac(hmac::HMAC_SHA256),
        Alg::Hs384 => mac(hmac::HMAC_SHA384),
        Alg::Hs512 => mac(hmac::HMAC_SHA512),
    }
}
