//! What is odd about a token: what will be refused, and what is accepted and yet worth a look.

use countersign_jose::Alg;
use serde_json::Value;

use super::{Decoded, SKEW};
use crate::time;

/// One odd thing. The code is stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oddity {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Everything that is odd about a token at that moment.
pub(crate) fn oddities(token: &Decoded, now: u64) -> Vec<Oddity> {
    let mut found = Vec::new();
    let mut push = |code, message: String| found.push(Oddity { code, message });
    unsigned(token, &mut push);
    header(token, &mut push);
    if token.claims.is_some() {
        expiry(token, now, &mut push);
        other_times(token, now, &mut push);
        parties(token, &mut push);
    }
    found
}

fn unsigned(token: &Decoded, push: &mut impl FnMut(&'static str, String)) {
    let alg = token.header_text("alg").unwrap_or_default();
    if token.claims.is_none() {
        push(
            "encrypted",
            "encrypted: only its receiver can read the claims, and no gateway rule takes it".into(),
        );
    } else if alg.eq_ignore_ascii_case("none") {
        push(
            "alg-none",
            "`alg` is `none`: nobody signed it, anybody can write one; it is always refused".into(),
        );
    } else if let Some(error) = &token.refused {
        push(
            "refused",
            format!("{error}; it is always refused ({})", error.code()),
        );
    }
}

fn header(token: &Decoded, push: &mut impl FnMut(&'static str, String)) {
    let alg = token.header_text("alg").and_then(Alg::parse);
    if alg.is_some_and(Alg::is_symmetric) {
        let message = "signed with a shared secret: whoever can check it can also make one; accepted only where the \
                       secret stands in the configuration as an `oct` key";
        push("symmetric", message.into());
    }
    if token.claims.is_some() && token.header_text("kid").is_none_or(str::is_empty) {
        push(
            "no-kid",
            "no `kid`: every key of the provider is tried".into(),
        );
    }
    let pointers: Vec<_> = ["jku", "jwk", "x5u", "x5c"]
        .into_iter()
        .filter(|name| token.header.get(name).is_some())
        .map(|name| format!("`{name}`"))
        .collect();
    if !pointers.is_empty() {
        let message = format!(
            "{} in the header is never followed: keys come from the configuration alone",
            pointers.join(", ")
        );
        push("key-in-header", message);
    }
}

fn expiry(token: &Decoded, now: u64, push: &mut impl FnMut(&'static str, String)) {
    match token.moment("exp") {
        None if token.claim("exp").is_none() => push(
            "no-exp",
            "no `exp`: it never expires, and is accepted as long as its key is".into(),
        ),
        Some(0) => push(
            "no-exp",
            "`exp` is 0: it never expires, as if it had none".into(),
        ),
        Some(exp) if in_milliseconds(exp, now) => {
            push(
                "milliseconds",
                milliseconds("exp", "it expires in tens of thousands of years"),
            );
        }
        Some(exp) => {
            let issued = token
                .moment("iat")
                .filter(|iat| !in_milliseconds(*iat, now));
            if let Some(life) = issued
                .and_then(|iat| exp.checked_sub(iat))
                .filter(|life| *life > LONG_LIFE)
            {
                let message = format!(
                    "it lives for {}: nothing ends it earlier",
                    time::length(life)
                );
                push("long-lived", message);
            }
        }
        None => {}
    }
}

fn other_times(token: &Decoded, now: u64, push: &mut impl FnMut(&'static str, String)) {
    let [exp, nbf, iat] =
        ["exp", "nbf", "iat"].map(|name| token.moment(name).filter(|moment| *moment != 0));
    for (name, moment, effect) in [
        ("nbf", nbf, "it is never valid"),
        ("iat", iat, "it was issued in the far future"),
    ] {
        if moment.is_some_and(|moment| in_milliseconds(moment, now)) {
            push("milliseconds", milliseconds(name, effect));
        }
    }
    if let (Some(nbf), Some(exp)) = (nbf, exp)
        && nbf > exp
    {
        push(
            "never-valid",
            "`nbf` is after `exp`: it is never valid".into(),
        );
    }
    if iat.is_some_and(|iat| iat > now.saturating_add(SKEW) && !in_milliseconds(iat, now)) {
        push(
            "issued-in-future",
            "`iat` is in the future: are the clocks right? nothing is decided by it".into(),
        );
    }
}

fn parties(token: &Decoded, push: &mut impl FnMut(&'static str, String)) {
    if token.claim("iss").is_none() {
        push(
            "no-iss",
            "no `iss`: only a provider without `issuer` accepts it".into(),
        );
    }
    let blank = |value: &Value| value.as_str().is_some_and(|text| text != text.trim());
    let padded = ["iss", "sub", "aud"]
        .into_iter()
        .filter(|name| token.claim(name).is_some_and(blank));
    for name in padded {
        push(
            "white-space",
            format!("`{name}` begins or ends with white space, which counts when it is compared"),
        );
    }
}

/// No token is meant to expire in the year 5000: that number is in milliseconds.
fn in_milliseconds(moment: u64, now: u64) -> bool {
    moment > 100_000_000_000 && moment / 1000 < now.saturating_mul(10)
}

fn milliseconds(name: &str, effect: &str) -> String {
    format!("`{name}` looks like milliseconds; it counts in seconds, so {effect}")
}

/// Longer than any access token needs to be.
const LONG_LIFE: u64 = 7 * 24 * 60 * 60;

#[cfg(test)]
mod tests;
