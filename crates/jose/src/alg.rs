//! Signature algorithms of RFC 7518 section 3.1 and RFC 8037, and sets of them.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm that can be verified here. `none` is not one of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256, salt as long as the hash.
    PS256,
    /// RSASSA-PSS with SHA-384, salt as long as the hash.
    PS384,
    /// RSASSA-PSS with SHA-512, salt as long as the hash.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519 (RFC 8037). Ed448 is not supported.
    EdDSA,
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

impl Alg {
    /// Every algorithm, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::HS256,
        Self::HS384,
        Self::HS512,
    ];

    /// The algorithm of this exact, case-sensitive name, if it is supported.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }

    /// The name as it stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Whether who can verify can also sign.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl FromStr for Alg {
    type Err = ();

    /// As [`Alg::parse`].
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::parse(name).ok_or(())
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlgSet(u16);

impl AlgSet {
    /// Every supported algorithm. Symmetric ones need a symmetric key all the same.
    pub fn all() -> Self {
        Alg::ALL.into_iter().collect()
    }

    /// Whether the set holds `alg`.
    pub const fn contains(self, alg: Alg) -> bool {
        self.0 & alg.bit() != 0
    }

    /// The members, in the order of [`Alg::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Alg> {
        Alg::ALL.into_iter().filter(move |alg| self.contains(*alg))
    }
}

impl Default for AlgSet {
    fn default() -> Self {
        Self::all()
    }
}

impl FromIterator<Alg> for AlgSet {
    fn from_iter<I: IntoIterator<Item = Alg>>(algs: I) -> Self {
        Self(algs.into_iter().fold(0, |bits, alg| bits | alg.bit()))
    }
}

impl fmt::Debug for AlgSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_case_sensitive() {
        for alg in Alg::ALL {
            assert_eq!(Alg::parse(alg.as_str()), Some(alg));
            assert_eq!(alg.as_str().parse(), Ok(alg));
        }
        for name in [
            "none", "", "rs256", "RS256 ", "ES256K", "eddsa", "Ed25519", "RS1", "HS256\0",
        ] {
            assert_eq!(Alg::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn sets_hold_what_they_were_given() {
        let set: AlgSet = [Alg::ES256, Alg::HS512].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Alg::ES256, Alg::HS512]);
        assert!(!set.contains(Alg::RS256));
        assert_eq!(AlgSet::default().iter().count(), Alg::ALL.len());
        assert_eq!(AlgSet::from_iter([]).iter().count(), 0);
    }
}
