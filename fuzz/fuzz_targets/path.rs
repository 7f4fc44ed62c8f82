//! Any text as a path: what comes out is a fixed point without dot segments, so that policy and upstream read it alike.

#![no_main]

use countersign_core::path::{Normalization, normalize};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    for mode in [
        Normalization::None,
        Normalization::Base,
        Normalization::MergeSlashes,
        Normalization::DecodeAndMergeSlashes,
    ] {
        let Ok(normal) = normalize(path, mode) else {
            // What is refused in one mode is refused in all.
            assert!(normalize(path, Normalization::None).is_err());
            continue;
        };
        assert_eq!(
            normalize(&normal, mode).as_deref(),
            Ok(&*normal),
            "{mode:?}"
        );
        if mode == Normalization::None || path == "*" {
            assert_eq!(normal, path);
            continue;
        }
        assert!(
            normal.starts_with('/') && !normal.contains('\\'),
            "{mode:?}"
        );
        assert!(
            normal
                .split('/')
                .all(|segment| !matches!(segment, "." | "..")),
            "{mode:?}"
        );
        let merges = mode != Normalization::Base;
        assert!(!(merges && normal.contains("//")), "{mode:?}");
    }
});
