//! Rules that a request has met already.

use smallvec::SmallVec;

/// The rules met. A rule is met again where it is filed under several of a
/// request's values; to try it again for each would make what a token's lists
/// cost a product of their lengths.
pub(super) struct Seen {
    /// The first ones, which mostly are all: to search these costs less than to clear `bits`.
    few: SmallVec<[u32; FEW]>,
    /// A bit for each rule, once those are too many.
    bits: Vec<u64>,
    /// How many rules there are in all.
    rules: usize,
}

impl Seen {
    pub(super) fn new(rules: usize) -> Seen {
        Seen {
            few: SmallVec::new(),
            bits: Vec::new(),
            rules,
        }
    }

    /// Whether this is the first time.
    pub(super) fn is_new(&mut self, rule: u32) -> bool {
        if !self.bits.is_empty() {
            return self.set(rule);
        }
        if self.few.contains(&rule) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(rule);
            return true;
        }
        self.bits = vec![0; self.rules.div_ceil(64)];
        for rule in std::mem::take(&mut self.few) {
            self.set(rule);
        }
        self.set(rule)
    }

    /// Sets a rule's bit; whether it was not set.
    fn set(&mut self, rule: u32) -> bool {
        let bit = 1 << (rule % 64);
        let Some(word) = self.bits.get_mut(rule as usize / 64) else {
            return true;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_new_once_however_many_there_are() {
        for met in [1, 15, 16, 17, 18, 200] {
            let mut seen = Seen::new(200);
            for rule in (0..met).rev() {
                assert!(seen.is_new(rule) && !seen.is_new(rule), "{rule} of {met}");
            }
            assert!((0..met).all(|it| !seen.is_new(it)), "{met}");
            assert!((met..200).all(|it| seen.is_new(it)), "{met}");
        }
    }
}
