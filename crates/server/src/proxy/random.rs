//! Numbers that need not be secret: shares of traffic, and ids of requests.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

use http::HeaderValue;

/// A worker's own generator (SplitMix64), seeded by the system.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new() -> Random {
        Random(Cell::new(RandomState::new().build_hasher().finish()))
    }

    /// Uniform over all 64-bit numbers.
    pub(crate) fn long(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform over all 32-bit numbers.
    pub(crate) fn word(&self) -> u32 {
        u32::try_from(self.long() >> 32).unwrap_or_default()
    }

    /// A UUID of version 4 (RFC 9562 section 5.4) for a request without an id.
    pub(crate) fn request_id(&self) -> HeaderValue {
        let (high, low) = (self.long(), self.long());
        let high = high & !0xF000 | 0x4000;
        let low = low & !(0xC000 << 48) | (0x8000 << 48);
        let mut nibbles = u128::from(high) << 64 | u128::from(low);
        let mut text = *b"00000000-0000-0000-0000-000000000000";
        for byte in text.iter_mut().rev().filter(|byte| **byte != b'-') {
            *byte = digit(nibbles);
            nibbles >>= 4;
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// The last hexadecimal digit of a number.
fn digit(number: u128) -> u8 {
    let last = (number & 0xF) as usize;
    *b"0123456789abcdef".get(last).unwrap_or(&b'0')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn request_ids_are_uuids_of_version_4_and_differ() {
        let random = Random::new();
        let ids: HashSet<String> = (0..1000)
            .map(|_| random.request_id().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let groups: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
            let (version, variant) = (id.as_bytes()[14], id.as_bytes()[19]);
            assert!(version == b'4' && b"89ab".contains(&variant), "{id}");
        }
    }

    #[test]
    fn words_are_spread_evenly() {
        let random = Random::new();
        let low = (0..10_000).filter(|_| random.word() < u32::MAX / 4).count();
        assert!((2_200..2_800).contains(&low), "{low}");
    }
}
