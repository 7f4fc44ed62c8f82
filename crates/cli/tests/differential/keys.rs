//! The issuers' keys, and tokens under them.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_testkit::mint::{Key, Kind, jwks};
use serde_json::{Map, Value, json};

use crate::vocabulary::ISSUERS;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Ended an hour ago.
    Expired,
    /// Begins in an hour.
    NotYet,
    /// Signed with a key that nobody published.
    WrongKey,
    /// Names a key that nobody published.
    UnknownKey,
    /// No token at all.
    Garbage,
    /// Its header demands what nobody understands (`crit`).
    Critical,
}

pub(crate) const FLAWS: &[Flaw] = &[
    Flaw::Expired,
    Flaw::NotYet,
    Flaw::WrongKey,
    Flaw::UnknownKey,
    Flaw::Garbage,
    Flaw::Critical,
];

/// The key set of an issuer, by its place among [`ISSUERS`].
pub(crate) fn published(issuer: usize) -> String {
    jwks(&[&key(issuer)])
}

pub(crate) fn mint(issuer: usize, claims: &Map<String, Value>, flaw: Option<Flaw>) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = now.as_secs();
    let mut claims = claims.clone();
    claims.insert("iss".into(), ISSUERS[issuer].into());
    claims.insert("exp".into(), (now + 36_000).into());
    let key = key(issuer);
    match flaw {
        None => {}
        Some(Flaw::Expired) => _ = claims.insert("exp".into(), (now - 3_600).into()),
        Some(Flaw::NotYet) => _ = claims.insert("nbf".into(), (now + 3_600).into()),
        Some(Flaw::WrongKey) => {
            let other = Key::new(Kind::P256, "other").with_kid(key.kid());
            return other.token(&claims.into());
        }
        Some(Flaw::UnknownKey) => return key.with_kid(Some("unknown")).token(&claims.into()),
        Some(Flaw::Garbage) => return "not.a-token".to_owned(),
        Some(Flaw::Critical) => {
            let header = json!({"crit": ["unheard-of"], "unheard-of": true});
            return key.token_with(&header, &claims.into());
        }
    }
    key.token(&claims.into())
}

fn key(issuer: usize) -> Key {
    let kind = if issuer == 1 { Kind::Rsa } else { Kind::P256 };
    Key::new(kind, &format!("issuer-{issuer}"))
}
