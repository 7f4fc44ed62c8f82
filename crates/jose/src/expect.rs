//! What a rule expects of a token, and the checks that need no key: algorithm, issuer, time, audience.

use crate::alg::AlgSet;
use crate::claims::Claims;
use crate::error::TokenError;

/// A moment, in whole seconds since 1970. Whoever calls brings the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// What a rule expects of a token. The default expects nothing and allows no skew.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The one issuer accepted, compared byte for byte; `None` leaves `iss` unchecked.
    pub issuer: Option<Box<str>>,
    /// The audiences accepted.
    pub audiences: Audiences,
    /// Seconds by which clocks may differ, for `nbf` and `exp` alike.
    pub skew: u64,
    /// The algorithms accepted.
    pub algs: AlgSet,
    /// What `exp: 0` means.
    pub zero_exp: ZeroExp,
}

/// What `exp: 0` (or less than one second) means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroExp {
    /// The token never expires, as in Envoy and so in Istio and kgateway.
    #[default]
    Never,
    /// The token expired in 1970, as RFC 7519 section 4.1.4 has it.
    Expired,
}

/// The audiences accepted: one of the token's must be one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audiences {
    /// `aud` is not checked.
    #[default]
    Any,
    /// Compared byte for byte. The empty list accepts no token.
    Exact(Box<[Box<str>]>),
    /// Compared as Envoy does: a leading `http://` or `https://` and one trailing `/` count for
    /// nothing, on both sides. The empty list accepts no token.
    Istio(Box<[Box<str>]>),
}

impl Audiences {
    /// [`Audiences::Exact`] from any strings.
    pub fn exact<S: Into<Box<str>>>(accepted: impl IntoIterator<Item = S>) -> Self {
        Self::Exact(accepted.into_iter().map(Into::into).collect())
    }

    /// [`Audiences::Istio`] from any strings, as they stand in the rule.
    pub fn istio<S: Into<Box<str>>>(accepted: impl IntoIterator<Item = S>) -> Self {
        Self::Istio(accepted.into_iter().map(Into::into).collect())
    }

    /// Whether one of `presented` is accepted.
    pub fn accept<'t>(&self, presented: impl IntoIterator<Item = &'t str>) -> bool {
        let mut presented = presented.into_iter();
        match self {
            Self::Any => true,
            Self::Exact(accepted) => {
                presented.any(|audience| accepted.iter().any(|other| **other == *audience))
            }
            Self::Istio(accepted) => presented.any(|audience| {
                let core = istio_core(audience);
                accepted.iter().any(|other| istio_core(other) == core)
            }),
        }
    }
}

impl Expect {
    /// Steps 5 to 7: issuer, then `nbf`, then `exp`, then audience; the first failure wins.
    pub(crate) fn check(&self, claims: &Claims, now: UnixTime) -> Result<(), TokenError> {
        if self.issuer.is_some() && claims.issuer() != self.issuer.as_deref() {
            return Err(TokenError::IssuerUnknown);
        }
        check_time(claims, self.skew, now)?;
        if self.zero_exp == ZeroExp::Expired && claims.expires_at_zero() {
            return Err(TokenError::Expired);
        }
        if !self.audiences.accept(claims.audiences()) {
            return Err(TokenError::AudienceRefused);
        }
        Ok(())
    }
}

/// `nbf`, then `exp`. Both bounds are inclusive: a token is good in the very second of `exp + skew`.
pub(crate) fn check_time(claims: &Claims, skew: u64, now: UnixTime) -> Result<(), TokenError> {
    if claims
        .not_before()
        .is_some_and(|nbf| now.0.saturating_add(skew) < nbf)
    {
        return Err(TokenError::NotYetValid);
    }
    if claims
        .expires()
        .is_some_and(|exp| now.0 > exp.saturating_add(skew))
    {
        return Err(TokenError::Expired);
    }
    Ok(())
}

fn istio_core(audience: &str) -> &str {
    let rest = audience
        .strip_prefix("http://")
        .or_else(|| audience.strip_prefix("https://"))
        .unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

#[cfg(test)]
mod tests;
