//! What a token that was verified before is known by.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of a whole token as it was presented, header and signature included (decision T17).
/// Its `Debug` shows none of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Digests a compact token.
    pub fn of(token: impl AsRef<[u8]>) -> Self {
        let mut bytes = [0; 32];
        let made = digest(&SHA256, token.as_ref());
        bytes
            .iter_mut()
            .zip(made.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Eight bytes of it. They are spread evenly, so a table needs no better hash.
    pub fn head(&self) -> u64 {
        self.0
            .first_chunk()
            .map_or(0, |head| u64::from_ne_bytes(*head))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, the example of one block.
    #[test]
    fn it_is_sha_256() {
        let known = TokenDigest::of("abc");
        assert_eq!(known.0[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(known.0[28..], [0xf2, 0x00, 0x15, 0xad]);
        assert_eq!(known.head().to_ne_bytes(), known.0[..8]);
    }

    #[test]
    fn every_byte_of_a_token_counts() {
        let token = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
        for at in 0..token.len() {
            let other: String = token
                .chars()
                .enumerate()
                .map(|(it, letter)| if it == at { '~' } else { letter })
                .collect();
            assert!(TokenDigest::of(&other) != TokenDigest::of(token), "{at}");
        }
        assert_eq!(format!("{:?}", TokenDigest::of(token)), "TokenDigest");
    }
}
