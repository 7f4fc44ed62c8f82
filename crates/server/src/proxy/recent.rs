//! Digests of the tokens that come to a worker again and again.
//!
//! To work out a digest is half of what it takes to know a token again. It
//! depends on the token and on nothing else, so what is kept here is never out
//! of date: whether the token is still good is asked of `Tokens` each time.

use std::cell::RefCell;

use countersign_jose::TokenDigest;

/// A worker's own: nobody else reads or waits for it.
#[derive(Default)]
pub(crate) struct Recent(RefCell<[Slot; SLOTS]>);

#[derive(Default)]
struct Slot {
    /// Of the token that was seen here last.
    last: u64,
    known: Option<Known>,
}

struct Known {
    mark: u64,
    token: Box<[u8]>,
    digest: TokenDigest,
}

impl Recent {
    /// The digest of this very token, if it was kept.
    pub(crate) fn find(&self, token: &[u8]) -> Option<TokenDigest> {
        let mark = mark(token)?;
        let slots = self.0.borrow();
        let known = slots.get(slot(mark))?.known.as_ref()?;
        // Whoever does not know the end of a signature never has the rest of
        // his token compared, so the time that takes tells nothing.
        let same = known.mark == mark && *known.token == *token;
        same.then_some(known.digest)
    }

    /// Takes note of a token that is good. It is kept when it comes twice with
    /// no other of its slot between: of many in turn each would push out the last.
    pub(crate) fn note(&self, token: &[u8], digest: &TokenDigest) {
        let Some(mark) = mark(token).filter(|_| token.len() <= LONGEST) else {
            return;
        };
        let mut slots = self.0.borrow_mut();
        let Some(slot) = slots.get_mut(slot(mark)) else {
            return;
        };
        if slot.last == mark {
            slot.known = Some(Known {
                mark,
                token: token.into(),
                digest: *digest,
            });
        }
        slot.last = mark;
    }
}

/// The end of a token, which is of its signature and differs from token to token.
fn mark(token: &[u8]) -> Option<u64> {
    token.last_chunk().copied().map(u64::from_ne_bytes)
}

/// Where a token belongs. Letters of base64url differ in few bits; these are spread.
fn slot(mark: u64) -> usize {
    // The upper bits of a product depend on all bits below.
    let spread = mark.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    usize::try_from(spread).unwrap_or_default() % SLOTS
}

/// With the longest of tokens in all of them that is 128 KiB a worker.
const SLOTS: usize = 32;
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(recent: &Recent, token: &[u8]) {
        recent.note(token, &TokenDigest::of(token));
    }

    #[test]
    fn a_token_is_kept_when_it_comes_twice_in_a_row() {
        let recent = Recent::default();
        let token = b"header.payload.signature";
        noted(&recent, token);
        assert_eq!(recent.find(token), None);
        noted(&recent, token);
        assert_eq!(recent.find(token), Some(TokenDigest::of(token)));
    }

    #[test]
    fn every_byte_of_a_token_counts() {
        let recent = Recent::default();
        let token = b"header.payload.signature".to_vec();
        noted(&recent, &token);
        noted(&recent, &token);
        for at in 0..token.len() {
            let mut other = token.clone();
            other[at] ^= 1;
            assert_eq!(recent.find(&other), None, "{at}");
        }
        assert_eq!(recent.find(&token[1..]), None);
        assert_eq!(recent.find(b"ture"), None);
    }

    #[test]
    fn many_in_turn_leave_what_is_kept() {
        let recent = Recent::default();
        let hot = b"hot.token.with-a-signature".to_vec();
        noted(&recent, &hot);
        noted(&recent, &hot);
        for number in 0..10_000 {
            let token = format!("header.payload.signature-{number:08}");
            noted(&recent, token.as_bytes());
        }
        assert_eq!(recent.find(&hot), Some(TokenDigest::of(&hot)));
        let kept = (0..10_000)
            .map(|number| format!("header.payload.signature-{number:08}"))
            .filter(|it| recent.find(it.as_bytes()).is_some());
        assert_eq!(kept.count(), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let recent = Recent::default();
        for number in 0..1000 {
            let token = format!("{}-{number:08}", "x".repeat(LONGEST - 9));
            noted(&recent, token.as_bytes());
            noted(&recent, token.as_bytes());
            assert!(recent.find(token.as_bytes()).is_some());
        }
        let kept = recent
            .0
            .borrow()
            .iter()
            .filter_map(|it| it.known.as_ref())
            .map(|it| it.token.len())
            .sum::<usize>();
        assert_eq!(kept, SLOTS * LONGEST);
        let long = "x".repeat(LONGEST + 1);
        noted(&recent, long.as_bytes());
        noted(&recent, long.as_bytes());
        assert_eq!(recent.find(long.as_bytes()), None);
    }
}
