//! What a worker itself knows of the tokens that come to it again and again.
//!
//! All workers ask the same few lines of memory for a token that all of them
//! get, and count there who uses it; with many cores they wait for each other.
//! What is in here is one worker's own, a copy, and found by comparing bytes,
//! without a digest.

use std::cell::RefCell;

use countersign_jose::{Claims, TokenDigest, Verified};

use super::tokens::{Key, Whose};

/// One worker's own, for as long as it sees one [`Running`](countersign_runtime::Running).
/// Without any slots where nothing is kept.
pub(crate) struct Recent(RefCell<Vec<Slot>>);

#[derive(Default)]
struct Slot {
    /// Of the token that was seen here last.
    last: u64,
    known: Option<Known>,
}

struct Known {
    mark: u64,
    token: Box<[u8]>,
    key: Key,
    claims: Verified<Claims>,
}

/// What is known of a token.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Verified(Verified<Claims>),
    /// It was under other keys.
    Digest(TokenDigest),
}

impl Recent {
    /// Keeps something, unless no token is to be kept.
    pub(crate) fn new(keeps: bool) -> Recent {
        let slots = if keeps { SLOTS } else { 0 };
        Recent(RefCell::new((0..slots).map(|_| Slot::default()).collect()))
    }

    /// Lets go of everything, for good: streams may hold what this belongs to for long.
    pub(crate) fn clear(&self) {
        self.0.take();
    }

    /// What is known of this very token, if it was kept.
    pub(super) fn find(&self, token: &[u8], whose: Whose) -> Option<Seen> {
        let mark = mark(token)?;
        let slots = self.0.borrow();
        let known = slots.get(slot(mark))?.known.as_ref()?;
        // Whoever does not know the end of a signature never has the rest of
        // his token compared, so the time that takes tells nothing.
        if known.mark != mark || *known.token != *token {
            return None;
        }
        Some(match known.key.whose == whose {
            true => Seen::Verified(known.claims.clone()),
            false => Seen::Digest(known.key.token),
        })
    }

    /// Takes note of a token that is good. It is kept when it comes twice with
    /// no other of its slot between: of many in turn each would push out the last.
    pub(super) fn note(&self, token: &[u8], key: &Key, claims: &Verified<Claims>) {
        let short = |_: &u64| token.len() + claims.weight() <= LARGEST;
        let Some(mark) = mark(token).filter(short) else {
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
                key: *key,
                claims: claims.detached(),
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

/// With the largest of tokens in all of them that is 256 KiB a worker.
const SLOTS: usize = 32;
/// Bytes of a token with its claims.
const LARGEST: usize = 8192;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const WHOSE: Whose = Whose {
        provider: 1,
        generation: 1,
    };

    fn key(token: &[u8]) -> Key {
        Key {
            whose: WHOSE,
            token: TokenDigest::of(token),
        }
    }

    fn claims(padding: usize) -> Verified<Claims> {
        let json = format!(r#"{{"sub":"{}"}}"#, "x".repeat(padding));
        Verified::dangerous_unverified(Claims::parse(json.as_bytes()).unwrap())
    }

    fn noted(recent: &Recent, token: &[u8]) {
        recent.note(token, &key(token), &claims(1));
    }

    fn knows(recent: &Recent, token: &[u8]) -> bool {
        recent.find(token, WHOSE).is_some()
    }

    #[test]
    fn a_token_is_kept_when_it_comes_twice_in_a_row() {
        let recent = Recent::new(true);
        let token = b"header.payload.signature";
        noted(&recent, token);
        assert_eq!(recent.find(token, WHOSE), None);
        noted(&recent, token);
        assert_eq!(recent.find(token, WHOSE), Some(Seen::Verified(claims(1))));
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be_kept() {
        let (never, ended) = (Recent::new(false), Recent::new(true));
        let token = b"header.payload.signature";
        noted(&ended, token);
        noted(&ended, token);
        ended.clear();
        for recent in [never, ended] {
            for _ in 0..3 {
                assert!(!knows(&recent, token));
                noted(&recent, token);
            }
        }
    }

    #[test]
    fn under_other_keys_it_is_not_verified() {
        let recent = Recent::new(true);
        let token = b"header.payload.signature";
        noted(&recent, token);
        noted(&recent, token);
        for (provider, generation) in [(1, 2), (2, 1), (2, 2), (0, 0)] {
            let whose = Whose {
                provider,
                generation,
            };
            let digest = Seen::Digest(TokenDigest::of(token));
            assert_eq!(recent.find(token, whose), Some(digest), "{whose:?}");
        }
    }

    #[test]
    fn every_byte_of_a_token_counts() {
        let recent = Recent::new(true);
        let token = b"header.payload.signature".to_vec();
        noted(&recent, &token);
        noted(&recent, &token);
        for at in 0..token.len() {
            let mut other = token.clone();
            other[at] ^= 1;
            assert!(!knows(&recent, &other), "{at}");
        }
        assert!(!knows(&recent, &token[1..]));
        assert!(!knows(&recent, b"ture"));
        assert!(knows(&recent, &token));
    }

    #[test]
    fn many_in_turn_leave_what_is_kept() {
        let recent = Recent::new(true);
        let hot = b"hot.token.with-a-signature".to_vec();
        noted(&recent, &hot);
        noted(&recent, &hot);
        for number in 0..10_000 {
            let token = format!("header.payload.signature-{number:08}");
            noted(&recent, token.as_bytes());
        }
        assert!(knows(&recent, &hot));
        let kept = (0..10_000)
            .map(|number| format!("header.payload.signature-{number:08}"))
            .filter(|it| knows(&recent, it.as_bytes()));
        assert_eq!(kept.count(), 0);
    }

    /// Threads that count the users of one copy wait for each other.
    #[test]
    fn what_is_kept_is_a_copy() {
        let recent = Recent::new(true);
        let (token, ours) = (b"header.payload.signature", claims(1));
        for _ in 0..2 {
            recent.note(token, &key(token), &ours);
        }
        let Some(Seen::Verified(kept)) = recent.find(token, WHOSE) else {
            panic!("it is not kept");
        };
        assert!(!Arc::ptr_eq(&kept.into_inner(), &ours.into_inner()));
    }

    #[test]
    fn memory_is_bounded() {
        let recent = Recent::new(true);
        let ours = claims(3000);
        let room = LARGEST - ours.weight();
        for number in 0..1000 {
            let token = format!("{}-{number:08}", "x".repeat(room - 9));
            for _ in 0..2 {
                recent.note(token.as_bytes(), &key(token.as_bytes()), &ours);
            }
            assert!(knows(&recent, token.as_bytes()));
        }
        let slots = recent.0.borrow();
        let kept = slots.iter().filter_map(|it| it.known.as_ref());
        let kept: usize = kept.map(|it| it.token.len() + it.claims.weight()).sum();
        assert_eq!(kept, SLOTS * LARGEST);
        drop(slots);
        let large = "x".repeat(room + 1);
        for _ in 0..2 {
            recent.note(large.as_bytes(), &key(large.as_bytes()), &ours);
        }
        assert!(!knows(&recent, large.as_bytes()));
    }
}
