//! Rules that a request has met already.

use smallvec::SmallVec;

/// A bit for each rule. A rule is met again where it is filed under several of
/// a request's values; to try it again for each would make what a token's
/// lists cost a product of their lengths.
pub(super) struct Seen {
    bits: SmallVec<[u64; INLINE]>,
}

impl Seen {
    pub(super) fn new(rules: usize) -> Seen {
        Seen {
            bits: SmallVec::from_elem(0, rules.div_ceil(64)),
        }
    }

    /// Whether this is the first time.
    pub(super) fn is_new(&mut self, rule: u32) -> bool {
        let bit = 1 << (rule % 64);
        let Some(word) = self.bits.get_mut(rule as usize / 64) else {
            return true;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// Room for 16,384 rules without an allocation.
const INLINE: usize = 256;
