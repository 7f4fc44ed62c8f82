use super::compile;

fn finds(pattern: &str, text: &str) -> bool {
    compile(pattern).unwrap().regex.is_match(text)
}

#[test]
fn classes_know_ascii_only() {
    assert!(finds(r"^\d+$", "2024") && !finds(r"^\d+$", "٢٠٢٤"));
    assert!(finds(r"^\w+$", "a_1") && !finds(r"^\w+$", "é"));
    assert!(finds(r"^\s$", "\t") && !finds(r"^\s$", "\u{2003}") && !finds(r"^\s$", "\u{b}"));
    assert!(finds(r"^\D\W\S$", "é-é") && !finds(r"\D", "12"));
    assert!(finds(r"^[\d.]+$", "1.2") && !finds(r"^[\d.]+$", "٢"));
    assert!(finds(r"^[^\d]$", "٢") && !finds(r"^[^\d]$", "2"));
    assert!(finds(r"^[^\D]$", "2") && !finds(r"^[^\D]$", "a"));
    assert!(finds(r"\bé", "aé") && finds(r"\ba", "éa b") && finds(r"a\Bb", "ab"));
}

#[test]
fn classes_have_no_operators() {
    assert!(finds("^[a&&b]+$", "a&b") && finds("^[a~~b]+$", "~"));
    assert!(finds("^[[a]+$", "[a") && finds("^[a[b]+$", "[") && !finds("^[a[b]$", "]"));
    assert!(finds("^[+--]+$", "+,-") && !finds("^[+--]+$", "."));
    assert!(finds("^[--/]+$", "-./") && !finds("^[--/]+$", "0"));
    assert!(finds("^[]a]+$", "]a") && finds("^[^]a]+$", "bc") && !finds("^[^]a]$", "]"));
    assert!(finds("^[[:alpha:][:digit:]]+$", "a1") && !finds("^[[:alpha:]]+$", ":"));
    assert!(finds(r"^[\]\[]+$", "[]") && finds(r"^\[\d\]$", "[1]"));
}

#[test]
fn the_rest_is_as_it_was() {
    assert!(finds(r"^\\d$", r"\d") && finds(r"^\.$", ".") && !finds(r"^\.$", "a"));
    assert!(finds("(?i)^ADMIN$", "admin") && finds("^.$", "é") && !finds("^.$", "\n"));
    assert!(finds(r"^\x41\x{42}$", "AB") && finds(r"^\pL\p{Greek}$", "éα"));
    assert!(!finds("a$", "a\n") && finds("(?m)a$", "a\nb"));
}

#[test]
fn what_only_the_engine_has_is_plain_or_refused() {
    assert!(finds(r"^\<a\>$", "<a>") && !finds(r"\<a", "a") && finds(r"^[\<\>]+$", "<>"));
    assert!(finds("^a{,2}$", "a{,2}") && !finds("^a{,2}$", "a") && finds("^a{x}{$", "a{x}{"));
    assert!(finds("^a{2}b{1,}c{1,2}$", "aabbc") && finds(r"^\{2}$", "{2}") && finds("^[{]$", "{"));
    assert!(finds(r"a\b{start}$", "a{start}") && finds(r"^\P{L}{2}$", "12"));
    assert!(finds("(?i)^A(?s-i:.)b$", "a\nB") && finds("(?U)^a(?P<n>b)(?:c)$", "abc"));
    let refused = |pattern: &str| compile(pattern).unwrap_err();
    for flags in ["x", "ix", "i-x", "u", "-u", "R"] {
        assert!(
            refused(&format!("(?{flags})a")).contains("no flag"),
            "{flags}"
        );
        assert!(
            refused(&format!("(?{flags}:a)")).contains("no flag"),
            "{flags}"
        );
    }
    assert!(finds(r"^\(\?x\)$", "(?x)") && finds("^[(?x)]+$", "x?"));
    for pattern in [r"\u0041", r"\u{41}", r"\U00000041"] {
        assert!(!refused(pattern).is_empty(), "{pattern}");
    }
}

#[test]
fn what_is_impossible_or_too_large_is_refused_in_words() {
    let refused = |pattern: &str| compile(pattern).unwrap_err();
    assert_eq!(refused("("), "unclosed group");
    assert_eq!(refused("a{1000}{1000}"), "the pattern is too large");
    assert_eq!(refused(r"(a)\1"), "backreferences are not supported");
    assert!(refused("(?=a)").contains("look-around"));
    assert!(!refused(&"(".repeat(200)).is_empty() && !refused(r"\").is_empty());
}

#[test]
fn large_patterns_cost_more() {
    assert_eq!(compile("^/api/v[0-9]+$").unwrap().per_byte, 1);
    assert!(compile("[a-z]{500}.{100}").unwrap().per_byte > 1);
}
