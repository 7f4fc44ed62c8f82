//! What one provider makes of a token. The verdict comes from the very calls that serve requests; beside it stands how
//! each expectation fares by itself, because the first failure hides the others.

use std::sync::Arc;

use countersign_jose::{Audiences, Expect, KeySet, Token, TokenError, UnixTime, ZeroExp};

use crate::time;

/// The keys of a provider.
pub(crate) enum Keys {
    /// As configured or fetched.
    Known(Arc<KeySet>),
    /// Not to be had, and why.
    Missing(String),
}

/// What a provider makes of a token.
pub(crate) struct Trial {
    pub(crate) verdict: Result<(), TokenError>,
    pub(crate) checks: Vec<Check>,
}

/// How one expectation fares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// `None` where nothing can be said or nothing is expected.
    pub(crate) passes: Option<bool>,
    /// In words.
    pub(crate) detail: String,
}

impl Trial {
    /// Tries a token.
    pub(crate) fn new(token: &Token<'_>, expect: &Expect, keys: &Keys, now: UnixTime) -> Self {
        let checked = token.check(expect, now);
        let verdict = checked.and_then(|checked| match keys {
            Keys::Known(set) => checked.verify(set).map(drop),
            Keys::Missing(_) => Err(TokenError::KeysUnavailable),
        });
        let mut checks = vec![
            issuer(token, expect, now),
            times(token, expect, now),
            audience(token, expect, now),
        ];
        checks.extend(signature(token, expect, keys, now));
        Self { verdict, checks }
    }
}

fn issuer(token: &Token<'_>, expect: &Expect, now: UnixTime) -> Check {
    let only = Expect {
        issuer: expect.issuer.clone(),
        ..nothing()
    };
    let said = token.unverified().issuer();
    let detail = match (&expect.issuer, said) {
        (None, _) => "not checked".to_owned(),
        (Some(wanted), None) => format!("the token has no `iss`; `{wanted}` is expected"),
        (Some(wanted), Some(said)) if **wanted == *said => format!("`{said}`"),
        (Some(wanted), Some(said)) => {
            format!("`{said}`; `{wanted}` is expected{}", nearly(wanted, said))
        }
    };
    let passes = expect.issuer.as_ref().map(|_| passes(token, &only, now));
    Check {
        name: "issuer",
        passes,
        detail,
    }
}

fn times(token: &Token<'_>, expect: &Expect, now: UnixTime) -> Check {
    let only = Expect {
        skew: expect.skew,
        zero_exp: expect.zero_exp,
        ..nothing()
    };
    let outcome = token.check(&only, now);
    let claims = token.unverified();
    let moment = |moment| {
        format!(
            "{} ({})",
            time::distance(moment, now.0),
            time::calendar(moment)
        )
    };
    let skew = format!(", with {} of skew allowed", time::length(expect.skew));
    let detail = match (&outcome, claims.not_before(), claims.expires()) {
        (Err(TokenError::NotYetValid), Some(nbf), _) => {
            format!("becomes valid {}{skew}", moment(nbf))
        }
        (Err(_), _, Some(exp)) => format!("expired {}{skew}", moment(exp)),
        (Err(_), _, None) => "`exp` is 0, which counts as expired here".to_owned(),
        (Ok(_), _, Some(exp)) if exp < now.0 => {
            format!("expired {}, within the allowed skew", moment(exp))
        }
        (Ok(_), _, Some(exp)) => format!("expires {}", moment(exp)),
        (Ok(_), _, None) => "never expires".to_owned(),
    };
    Check {
        name: "time",
        passes: Some(outcome.is_ok()),
        detail,
    }
}

fn audience(token: &Token<'_>, expect: &Expect, now: UnixTime) -> Check {
    let only = Expect {
        audiences: expect.audiences.clone(),
        ..nothing()
    };
    let (Audiences::Exact(wanted) | Audiences::Istio(wanted)) = &expect.audiences else {
        return Check {
            name: "audience",
            passes: None,
            detail: "not checked".to_owned(),
        };
    };
    let said = token.unverified().audiences();
    let passes = passes(token, &only, now);
    let said = if said.clone().next().is_none() {
        "the token has no `aud`".to_owned()
    } else {
        listed(said)
    };
    let detail = if passes {
        said
    } else {
        format!(
            "{said}; one of these is expected: {}",
            listed(wanted.iter().map(|it| &**it))
        )
    };
    Check {
        name: "audience",
        passes: Some(passes),
        detail,
    }
}

/// Algorithm, key and signature: each only as far as the one before it holds.
fn signature(token: &Token<'_>, expect: &Expect, keys: &Keys, now: UnixTime) -> [Check; 2] {
    let (alg, kid) = (token.header().alg(), token.header().kid());
    let check = |name, passes, detail: String| Check {
        name,
        passes,
        detail,
    };
    let unknown = |key: Check| [key, check("signature", None, "not checked".to_owned())];
    if !expect.algs.contains(alg) {
        return unknown(check(
            "key",
            Some(false),
            format!("`alg` {alg} is not allowed here"),
        ));
    }
    let set = match keys {
        Keys::Known(set) => set,
        Keys::Missing(why) => return unknown(check("key", Some(false), why.clone())),
    };
    let asked = kid.map_or_else(
        || format!("any for {alg}"),
        |kid| format!("`{kid}` for {alg}"),
    );
    let outcome = token
        .check(&nothing(), now)
        .and_then(|checked| checked.verify(set));
    match outcome {
        Ok(_) => {
            let key = check("key", Some(true), asked);
            [
                key,
                check("signature", Some(true), "made with that key".to_owned()),
            ]
        }
        Err(TokenError::BadSignature) => {
            let detail = "not made with that key, or the token was changed since".to_owned();
            [
                check("key", Some(true), asked),
                check("signature", Some(false), detail),
            ]
        }
        Err(_) => unknown(check(
            "key",
            Some(false),
            format!("none is {asked}; {}", published(set)),
        )),
    }
}

/// Everything is allowed, at any time.
fn nothing() -> Expect {
    Expect {
        skew: u64::MAX,
        zero_exp: ZeroExp::Never,
        ..Expect::default()
    }
}

fn passes(token: &Token<'_>, expect: &Expect, now: UnixTime) -> bool {
    token.check(expect, now).is_ok()
}

/// What people overlook when two issuers differ.
fn nearly(wanted: &str, said: &str) -> &'static str {
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    if bare(wanted) == bare(said) {
        ", and they differ in the slash at the end"
    } else if wanted.eq_ignore_ascii_case(said) {
        ", and they differ in upper and lower case"
    } else if wanted.trim() == said.trim() {
        ", and they differ in white space"
    } else {
        ""
    }
}

fn listed<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let quoted: Vec<_> = texts.map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
}

fn published(set: &KeySet) -> String {
    let key = |key: &countersign_jose::Key| {
        let kid = key
            .kid()
            .map_or_else(|| "without kid".to_owned(), |kid| format!("`{kid}`"));
        let alg = key.alg().map_or_else(String::new, |alg| format!(", {alg}"));
        format!("{kid} ({}{alg})", key.kind())
    };
    let keys: Vec<_> = set.keys().map(key).collect();
    let skipped: Vec<_> = set
        .skipped()
        .iter()
        .map(|it| format!("keys[{}]: {}", it.index, it.reason))
        .collect();
    let mut text = match keys.as_slice() {
        [] => "the provider has no usable key".to_owned(),
        keys => format!("the provider has {}", keys.join(", ")),
    };
    if !skipped.is_empty() {
        text += &format!("; not usable: {}", skipped.join(", "));
    }
    text
}

#[cfg(test)]
mod tests;
