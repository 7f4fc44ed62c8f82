//! What a refused token says of itself, for the log: the one thing that a
//! reader would compare with the rule.

use countersign_jose::{Token, TokenError};

use crate::reason::Reason;

/// A few words about the claim or header that was refused. Anybody can have
/// written what they quote: it explains a refusal and decides nothing.
pub(super) fn detail<'t>(reason: &Reason, token: impl FnOnce() -> Option<&'t Token<'t>>) -> String {
    // Of all others there is nothing to quote, and no token is read for it.
    let words = match reason {
        Reason::Token(TokenError::IssuerUnknown) => issuer,
        Reason::Token(TokenError::AudienceRefused) => audiences,
        Reason::Token(TokenError::Expired) => expiry,
        Reason::Token(TokenError::NotYetValid) => beginning,
        Reason::Token(TokenError::NoMatchingKey) => key,
        _ => return String::new(),
    };
    token().map_or_else(String::new, words)
}

fn issuer(token: &Token<'_>) -> String {
    match token.unverified().issuer() {
        Some(issuer) => format!("the token's issuer is `{}`", cut(issuer)),
        None => "the token names no issuer".to_owned(),
    }
}

fn audiences(token: &Token<'_>) -> String {
    let all: Vec<&str> = token.unverified().audiences().collect();
    match all.as_slice() {
        [] => "the token names no audience".to_owned(),
        some => format!("the token is for `{}`", cut(&some.join("`, `"))),
    }
}

fn expiry(token: &Token<'_>) -> String {
    match token.unverified().expires() {
        Some(exp) => format!("the token expired at {exp}"),
        None => "the token says no time at which it expires, or 0".to_owned(),
    }
}

fn beginning(token: &Token<'_>) -> String {
    let nbf = token.unverified().not_before();
    format!("the token is valid from {}", nbf.unwrap_or_default())
}

fn key(token: &Token<'_>) -> String {
    let alg = token.header().alg().as_str();
    match token.header().kid() {
        Some(kid) => format!("the token's `kid` is `{}`, its `alg` {alg}", cut(kid)),
        None => format!("the token has no `kid`, its `alg` is {alg}"),
    }
}

/// Long enough to recognise, short enough for a log.
fn cut(text: &str) -> &str {
    const LONGEST: usize = 200;
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or(text)
}
