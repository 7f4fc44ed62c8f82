//! Any text as a token, against keys of which only three signatures are known: whatever else verifies is a forgery,
//! or a second spelling of a token that revocation and replay lists would not recognise.

#![no_main]

use std::sync::LazyLock;

use countersign_jose::{Expect, KeySet, Symmetric, Token, UnixTime};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let keys = KeySet::from_jwks(
        include_bytes!("../seeds/jwks/three.json"),
        Symmetric::Refuse,
    );
    keys.expect("the seed is a key set")
});
const SIGNED: [&str; 3] = [
    include_str!("../seeds/token/rs256"),
    include_str!("../seeds/token/es256"),
    include_str!("../seeds/token/eddsa"),
];
const NOW: UnixTime = UnixTime(1_800_000_000);

fuzz_target!(|text: &str| {
    let Ok(token) = Token::parse(text) else {
        return;
    };
    // Every algorithm, any issuer, any audience.
    let verified = token
        .check(&Expect::default(), NOW)
        .and_then(|checked| checked.verify(&KEYS));
    assert_eq!(verified.is_ok(), SIGNED.contains(&text), "{verified:?}");
});
