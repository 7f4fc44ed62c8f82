//! Tests of path normalisation: tables, recorded decisions, properties.

use std::borrow::Cow;

use countersign_testkit::corpus;
use http::uri::PathAndQuery;
use proptest::prelude::*;
use serde_json::Value;

use super::Normalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None as Off};
use super::{BadPath, Normalization, normalize};

const MODES: [Normalization; 4] = [Off, Base, MergeSlashes, DecodeAndMergeSlashes];

fn check(mode: Normalization, table: &[(&str, &str)]) {
    for (path, want) in table {
        let got = normalize(path, mode).unwrap();
        assert_eq!(got, *want, "{path} in {mode:?}");
    }
}

#[test]
fn base() {
    check(
        Base,
        &[
            ("/", "/"),
            ("*", "*"),
            ("/a/b;p=1/c", "/a/b;p=1/c"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a//../b", "/a/b"),
            ("/a/..//b", "//b"),
            ("//..", "/"),
            ("/a/.../b", "/a/.../b"),
            ("/a/..b/.c/d./e..", "/a/..b/.c/d./e.."),
            // dot segments in disguise
            ("/a/%2e", "/a/"),
            ("/a/%2E%2e/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a\\..\\b", "/b"),
            ("/a\\b", "/a/b"),
            ("/a/..;/b", "/b"),
            ("/a/..;x=1/b", "/b"),
            ("/a/..;x", "/"),
            ("/a/.;/b", "/a/b"),
            ("/a/.;", "/a/"),
            ("/x/.;/../b", "/b"),
            ("/a/%2e%2e;/b", "/b"),
            ("/a/.%2e;x/b", "/b"),
            ("/a/..%3b/b", "/a/..%3b/b"),
            ("/a/..;x;y\\b", "/b"),
            ("/a;b/../c", "/c"),
            ("/a/;/../b", "/a/b"),
            // escapes
            ("/%61%7e%2D%5F%41", "/a~-_A"),
            ("/a%2fb%2Fc%5Cd", "/a%2fb%2Fc%5Cd"),
            ("/..%2f..", "/..%2f.."),
            ("/%20%c3%A9%25", "/%20%c3%A9%25"),
            ("/a%", "/a%"),
            ("/a%2", "/a%2"),
            ("/%zz", "/%zz"),
            ("/%252e%252e/a", "/%252e%252e/a"),
            ("/%25%37%30", "/%2570"),
            // decoding makes no new escape
            ("/%%37%30", "/%2570"),
            ("/%%370", "/%2570"),
            ("/%7%30", "/%2570"),
            ("/%%30%30", "/%2500"),
            ("/%%%37%30", "/%%2570"),
            ("/%/%37%30", "/%/70"),
            ("/%%2f", "/%%2f"),
            ("/.%/../{%36", "/%7B6"),
            // raw characters that need an escape
            ("/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D"),
            ("/!$&'()*+,;=:@[]~-._", "/!$&'()*+,;=:@[]~-._"),
        ],
    );
}

#[test]
fn slashes() {
    check(
        MergeSlashes,
        &[
            ("//a///b//", "/a/b/"),
            ("/a/..//b", "/b"),
            // as Envoy: dot segments first, then slashes
            ("/a//../b", "/a/b"),
            ("/\\\\a", "/a"),
            ("/a%2f%2fb", "/a%2f%2fb"),
            ("/a/./", "/a/"),
        ],
    );
    check(
        DecodeAndMergeSlashes,
        &[
            ("/%2fa%2F%5c%5Cb", "/a/b"),
            ("/x%2f..%2fa", "/a"),
            ("/x/..%5ca", "/a"),
            ("/x/..;%2fa", "/a"),
            ("/%252f", "/%252f"),
            ("/%%32f", "/%252f"),
            ("/%2%66", "/%252f"),
        ],
    );
}

#[test]
fn off_leaves_every_byte() {
    for path in ["/a/../b", "//a", "/%70", "/a\\b", "/%2e%2e;/{x}", "/a%"] {
        assert!(
            matches!(normalize(path, Off), Ok(Cow::Borrowed(it)) if it == path),
            "{path}"
        );
    }
}

#[test]
fn paths_that_are_refused_in_every_mode() {
    for (path, said) in [
        ("", "does not begin with `/`"),
        ("a", "does not begin with `/`"),
        ("?a", "does not begin with `/`"),
        ("**", "does not begin with `/`"),
        ("/%00", "`%00`"),
        ("/a/../%00/..", "`%00`"),
        ("/a#b", "raw `#`"),
        ("/a?b", "raw `?`"),
        ("/a b", "control character"),
        ("/a\tb", "control character"),
        ("/a\0", "control character"),
        ("/a\u{7f}", "control character"),
        ("/\u{e9}", "outside ASCII"),
    ] {
        for mode in MODES {
            let BadPath(text) = normalize(path, mode).unwrap_err();
            assert!(text.contains(said), "{path:?} in {mode:?}: {text}");
        }
    }
}

#[test]
fn nothing_is_allocated_without_need() {
    let path = "/api/v1/.well-known/a..b/%20/x;y=.;/..z";
    for mode in MODES {
        assert!(
            matches!(normalize(path, mode), Ok(Cow::Borrowed(_))),
            "{mode:?}"
        );
    }
}

/// What a real Envoy forwarded for every path that it let through.
#[test]
fn recorded_decisions() {
    let mut seen = 0;
    for case in corpus::cases::<Value>("istio/cases.jsonl") {
        let needs = case["needs"].as_array().unwrap();
        // We are stricter: the encoded form is resolved like the plain one (P7).
        let stricter = needs
            .iter()
            .any(|it| *it == "quirk:encoded-dotdot-param-not-resolved");
        let Some(upstream) = case["expect"]["upstream"]["path"].as_str() else {
            continue;
        };
        if stricter {
            continue;
        }
        let mode = match case["mesh"]["pathNormalization"].as_str() {
            Some("NONE") => Off,
            None | Some("DEFAULT" | "BASE") => Base,
            Some("MERGE_SLASHES") => MergeSlashes,
            Some("DECODE_AND_MERGE_SLASHES") => DecodeAndMergeSlashes,
            Some(other) => panic!("unknown mode {other}"),
        };
        let path = |target: &str| target.split('?').next().unwrap().to_owned();
        let sent = path(case["request"]["path"].as_str().unwrap());
        assert_eq!(
            normalize(&sent, mode).unwrap(),
            path(upstream),
            "{}",
            case["id"]
        );
        seen += 1;
    }
    println!("{seen} recorded paths");
}

/// Pieces that mean something, so that random paths hit the corners.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "//", "\\", ".", "..", ".", "%2e", "%2E", ";", "x=1", "a", "b", "%61",
        "%2f", "%5C", "%", "%2", "%25", "%3", "%36", "%30", "6", "1", "2f", "5c", "{", "^", "%20",
        "%3b", "~", "%7E", "*",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|it| format!("/{}", it.concat()))
}

/// The same by other means: decode, split, walk a stack. For paths whose every
/// `%` begins an escape.
fn by_stack(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut text = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        let value = char::from(u8::from_str_radix(digits, 16).unwrap());
        let plain = value.is_ascii_alphanumeric() || "-._~".contains(value);
        text += &if plain {
            value.to_string()
        } else {
            format!("%{digits}")
        };
        text += rest;
    }
    let text = text
        .replace('\\', "/")
        .replace('{', "%7B")
        .replace('^', "%5E");
    let segments: Vec<&str> = text.split('/').skip(1).collect();
    let mut stack: Vec<&str> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match segment.split(';').next().unwrap() {
            "." => {}
            ".." => {
                stack.pop();
            }
            _ => {
                stack.push(segment);
                continue;
            }
        }
        if last {
            stack.push("");
        }
    }
    format!("/{}", stack.join("/"))
}

fn with_whole_escapes(path: &str) -> String {
    let is_hex = |it: &str| it.len() == 2 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |path, piece| {
        let escape = if piece.get(..2).is_some_and(is_hex) {
            "%"
        } else {
            "%25"
        };
        path + escape + piece
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_result_is_a_fixed_point_and_what_a_uri_keeps(path in path()) {
        for mode in MODES {
            let normal = normalize(&path, mode).unwrap();
            prop_assert_eq!(matches!(normal, Cow::Borrowed(_)), *normal == *path);
            prop_assert_eq!(&*normalize(&normal, mode).unwrap(), &*normal);
            let target = PathAndQuery::try_from(&*normal).unwrap();
            prop_assert_eq!(target.path(), &*normal);
        }
    }

    #[test]
    fn nothing_is_left_to_normalise(path in path()) {
        for mode in [Base, MergeSlashes, DecodeAndMergeSlashes] {
            let normal = normalize(&path, mode).unwrap();
            prop_assert!(normal.starts_with('/') && !normal.contains('\\'));
            for segment in normal.split('/') {
                let name = segment.split(';').next().unwrap();
                prop_assert!(name != "." && name != "..", "{} from {}", normal, path);
            }
            prop_assert!(mode == Base || !normal.contains("//"));
            let lower = normal.to_ascii_lowercase();
            prop_assert!(!lower.contains("%2e") && !lower.contains("%61") && !lower.contains("%7e"));
            if mode == DecodeAndMergeSlashes {
                prop_assert!(!lower.contains("%2f") && !lower.contains("%5c"), "{} from {}", normal, path);
            }
        }
    }

    #[test]
    fn both_ways_lead_to_the_same_path(path in path()) {
        let path = with_whole_escapes(&path);
        prop_assert_eq!(&*normalize(&path, Base).unwrap(), by_stack(&path));
    }

    #[test]
    fn no_text_is_too_strange(path in any::<String>()) {
        for mode in MODES {
            let _ = normalize(&path, mode);
            let _ = normalize(&format!("/{path}"), mode);
        }
    }
}
