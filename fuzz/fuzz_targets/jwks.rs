//! Any bytes as a key set: bounded, every entry either a key or reported, no symmetric key out of a published set.

#![no_main]

use countersign_jose::{KeySet, MAX_KEYS, Symmetric};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let published = KeySet::from_jwks(bytes, Symmetric::Refuse);
    let configured = KeySet::from_jwks(bytes, Symmetric::Allow);
    assert_eq!(published.is_ok(), configured.is_ok());
    if let (Ok(published), Ok(configured)) = (published, configured) {
        assert!(published.len() + published.skipped().len() <= MAX_KEYS);
        assert_eq!(
            published.len() + published.skipped().len(),
            configured.len() + configured.skipped().len()
        );
        assert!(published.keys().all(|key| key.kind() != "symmetric"));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        // PEM, a single key or a set: none may panic.
        drop(KeySet::from_inline(text));
    }
});
