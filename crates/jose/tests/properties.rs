//! Whatever the bytes: nothing panics, and no token changed by one bit verifies.

#![expect(
    clippy::expect_used,
    reason = "a test without its keys must fail, with its reason"
)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jose::{
    Claims, Document, Expect, JsonProblem, Jws, KeySet, Symmetric, Token, TokenError, UnixTime,
    Value as Json,
};
use countersign_testkit::mint::{self, Key, Kind};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn no_flipped_bit_of_a_token_verifies() {
    for kind in [
        Kind::Rsa,
        Kind::P256,
        Kind::P384,
        Kind::P521,
        Kind::Ed25519,
        Kind::Secret,
    ] {
        let key = Key::new(kind, "k1");
        let keys = keys(&[&key]);
        let token = key
            .token(&json!({ "iss": "i", "sub": "alice", "aud": ["a"], "exp": 4_102_444_800_u64 }));
        assert_eq!(verdict(&token, &keys), Ok(()), "{kind:?}");
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(
                    verdict(&changed, &keys).is_err(),
                    "{kind:?}: bit {bit} of {token}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in "\\PC{0,200}") {
        prop_assert!(Token::parse(&text).is_err());
        prop_assert!(Jws::parse(&text).is_err());
        prop_assert!(KeySet::from_inline(&text).is_err() || text.contains("key") || text.contains("kty"));
    }

    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Document::parse(&bytes);
        let _ = Claims::parse(&bytes);
        prop_assert!(KeySet::from_jwks(&bytes, Symmetric::Allow).is_err());
    }

    #[test]
    fn any_value_is_read_as_by_a_general_reader(value in tree(), pretty in any::<bool>()) {
        let json = if pretty { format!("{value:#}") } else { value.to_string() };
        let document = Document::parse(json.as_bytes()).expect("valid");
        prop_assert_eq!(document.root().to_json(), value.to_string());
        let again = Document::parse(document.root().to_json().as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&document));
        same(document.root(), &value)?;
    }

    #[test]
    fn json_cut_or_changed_is_accepted_as_by_a_general_reader(
        value in tree(),
        at in any::<prop::sample::Index>(),
        instead in prop::sample::select(b"{}[],:\"\\0e.-tu \xff\xc3".to_vec()),
    ) {
        let mut json = value.to_string().into_bytes();
        let at = at.index(json.len());
        json[at] = instead;
        for json in [&json[..], &json[..at]] {
            let general = serde_json::from_slice::<serde_json::Value>(json);
            match Document::parse(json) {
                Ok(document) => {
                    let general = general.expect("it was accepted");
                    prop_assert_eq!(document.root().to_json(), general.to_string());
                }
                Err(error) if error.problem() == JsonProblem::DuplicateMember => {}
                Err(error) => prop_assert!(general.is_err(), "{error}"),
            }
        }
    }

    #[test]
    fn three_arbitrary_parts_never_verify(
        header in header(),
        payload in prop::collection::vec(any::<u8>(), 0..60),
        signature in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let token = [header.as_bytes(), &payload, &signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let keys = keys(&[&Key::rsa("k1"), &Key::new(Kind::P256, "k1"), &Key::new(Kind::Ed25519, "k1"), &Key::new(Kind::Secret, "k1")]);
        prop_assert!(verdict(&token, &keys).is_err());
        prop_assert!(Jws::parse(&token).and_then(|jws| jws.verify(&keys)).is_err());
    }

    #[test]
    fn what_was_signed_comes_out(claims in claims()) {
        let key = Key::new(Kind::Ed25519, "k1");
        let token = key.token(&claims);
        let verified = Token::parse(&token)
            .and_then(|token| token.check(&Expect::default(), UnixTime(0))?.verify(&keys(&[&key])))
            .map(|claims| claims.to_json());
        prop_assert_eq!(verified, Ok(claims.to_string()));
    }

    #[test]
    fn a_damaged_key_set_is_read_without_a_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut document = mint::jwks(&[&Key::rsa("k1"), &Key::new(Kind::P521, "k2"), &Key::new(Kind::Ed25519, "k3")]).into_bytes();
        let at = at.index(document.len());
        document[at] = byte;
        if let Ok(set) = KeySet::from_jwks(&document, Symmetric::Refuse) {
            prop_assert!(set.len() + set.skipped().len() == 3);
            prop_assert!(set.len() >= 2);
        }
    }
}

/// Headers that get past the parser as well as ones that do not.
fn header() -> impl Strategy<Value = String> {
    let alg = prop::sample::select(vec![
        "RS256", "PS512", "ES256", "EdDSA", "HS256", "none", "XX",
    ]);
    prop_oneof![
        4 => alg.prop_map(|alg| json!({ "alg": alg, "kid": "k1" }).to_string()),
        1 => "\\PC{0,40}",
    ]
}

/// Claims of any shape under names that no registered claim has.
fn claims() -> impl Strategy<Value = serde_json::Value> {
    object(tree())
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 4.0)),
        "\\PC{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            object(inner),
        ]
    })
}

fn object(
    values: impl Strategy<Value = serde_json::Value>,
) -> impl Strategy<Value = serde_json::Value> {
    prop::collection::btree_map("x\\PC{0,6}", values, 0..5)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

/// Every way to read a value leads to the same.
fn same(ours: Json<'_>, theirs: &serde_json::Value) -> Result<(), TestCaseError> {
    if let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) {
        prop_assert_eq!(ours.len(), theirs.len());
        prop_assert!(ours.names().eq(theirs.keys()));
        for (name, value) in theirs {
            same(ours.get(name).expect("a member"), value)?;
        }
    } else if let (Some(ours), Some(theirs)) = (ours.as_list(), theirs.as_array()) {
        prop_assert_eq!(ours.len(), theirs.len());
        for (index, value) in theirs.iter().enumerate() {
            same(ours.get(index).expect("an element"), value)?;
        }
    } else {
        prop_assert_eq!(ours.as_str(), theirs.as_str());
        prop_assert_eq!(ours.to_json(), theirs.to_string());
    }
    Ok(())
}

fn keys(keys: &[&Key]) -> KeySet {
    KeySet::from_inline(&mint::jwks(keys)).expect("keys just made")
}

fn verdict(token: &str, keys: &KeySet) -> Result<(), TokenError> {
    let token = Token::parse(token)?;
    let checked = token.check(&Expect::default(), UnixTime(1_800_000_000))?;
    checked.verify(keys).map(drop)
}
