//! What a refused token says of itself, for the log: the one thing that a
//! reader would compare with the rule.

use countersign_jose::{Token, TokenError};

use crate::reason::Reason;

/// A few words about the claim or header that was refused. Anybody can have
/// written what they quote: it explains a refusal and decides nothing.
pub(super) fn detail(token: &str, reason: &Reason) -> String {
    let Reason::Token(error) = reason else {
        return String::new();
    };
    let Ok(token) = Token::parse(token) else {
        return String::new();
    };
    let claims = token.unverified();
    match error {
        TokenError::IssuerUnknown => match claims.issuer() {
            Some(issuer) => format!("the token's issuer is `{}`", cut(issuer)),
            None => "the token names no issuer".to_owned(),
        },
        TokenError::AudienceRefused => match claims.audiences().collect::<Vec<_>>().as_slice() {
            [] => "the token names no audience".to_owned(),
            some => format!("the token is for `{}`", cut(&some.join("`, `"))),
        },
        TokenError::Expired => match claims.expires() {
            Some(exp) => format!("the token expired at {exp}"),
            None => "the token says no time at which it expires, or 0".to_owned(),
        },
        TokenError::NotYetValid => {
            format!(
                "the token is valid from {}",
                claims.not_before().unwrap_or_default()
            )
        }
        TokenError::NoMatchingKey => {
            let alg = token.header().alg().as_str();
            match token.header().kid() {
                Some(kid) => format!("the token's `kid` is `{}`, its `alg` {alg}", cut(kid)),
                None => format!("the token has no `kid`, its `alg` is {alg}"),
            }
        }
        _ => String::new(),
    }
}

/// Long enough to recognise, short enough for a log.
fn cut(text: &str) -> &str {
    const LONGEST: usize = 200;
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or(text)
}
