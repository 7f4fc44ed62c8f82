use super::*;
use crate::source::{Files, Pos, Text};

fn files(content: &str) -> Files {
    Files::new([Text {
        name: "a\u{1b}.yaml".into(),
        content: content.into(),
    }])
}

fn span(files: &Files, start: usize, end: usize) -> Span {
    let file = files.ids().next().unwrap();
    let pos = |byte: usize| {
        let origin = Pos {
            byte: 0,
            line: 1,
            column: 1,
        };
        origin.after(files.content(file).get(..byte).unwrap())
    };
    Span {
        file,
        start: pos(start),
        end: pos(end),
    }
}

fn plain(files: &Files, diagnostic: Diagnostic) -> String {
    let mut diags = Diagnostics::new();
    diags.push(diagnostic);
    diags.render(files, Style::Plain)
}

#[test]
fn input_in_messages_is_bounded_and_visible() {
    for (input, expected) in [
        ("a b", "`a b`"),
        ("a\nb\tc", "`a\\nb c`"),
        ("\u{1b}[31m", "`\\u{1b}[31m`"),
        ("a\u{202e}b", "`a\\u{202e}b`"),
    ] {
        assert_eq!(quoted(input), expected);
    }
    assert_eq!(quoted(&"é".repeat(81)), format!("`{}…`", "é".repeat(80)));
}

#[test]
fn a_configuration_cannot_drive_the_terminal() {
    let files = files("a: \u{1b}[2J");
    let error = Diagnostic::error("x", "m\u{7}")
        .at(span(&files, 3, 7))
        .label("l\u{8}")
        .help("h\u{9b}");
    let text = plain(&files, error);
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn long_lines_are_shown_around_the_place() {
    let line = format!("{}HERE{}", "x".repeat(500), "y".repeat(500));
    let files = files(&line);
    let text = plain(
        &files,
        Diagnostic::error("x", "m").at(span(&files, 500, 504)),
    );
    let shown: Vec<_> = text.lines().skip(1).take(2).collect();
    let expected = format!("  1 | …{}HERE{}…", "x".repeat(60), "y".repeat(55));
    assert_eq!(shown, [expected, format!("    | {}^^^^", " ".repeat(61))]);
}

#[test]
fn spans_over_several_lines_are_underlined_on_the_first() {
    let files = files("a: é b\n  c\n");
    let text = plain(
        &files,
        Diagnostic::warning("x", "m")
            .at(span(&files, 3, 11))
            .label("here"),
    );
    assert_eq!(
        text,
        "a\\u{1b}.yaml:1:4: warning[x]: m\n  1 | a: é b\n    |    ^^^ here\n\n"
    );
    let text = plain(&files, Diagnostic::note("x", "m").at(span(&files, 7, 7)));
    assert_eq!(
        text,
        "a\\u{1b}.yaml:1:7: note[x]: m\n  1 | a: é b\n    |       ^\n\n"
    );
    assert_eq!(
        plain(&files, Diagnostic::error("x", "m")),
        "error[x]: m\n\n"
    );
}

/// The two lines of the excerpt for a place, where others are withheld.
fn masked(text: &str, place: &str, withheld: &[&str]) -> [String; 2] {
    let files = files(text);
    let at = |needle: &str| {
        let start = text.find(needle).unwrap();
        span(&files, start, start + needle.len())
    };
    let mut diags = Diagnostics::new();
    diags.push(Diagnostic::error("x", "m").at(at(place)));
    for needle in withheld {
        diags.withhold(at(needle));
    }
    let shown = diags.render(&files, Style::Plain);
    let mut lines = shown
        .lines()
        .skip(1)
        .map(|line| line.get(6..).unwrap().to_owned());
    [lines.next().unwrap(), lines.next().unwrap()]
}

#[test]
fn what_is_withheld_is_in_no_excerpt() {
    for (text, place, withheld, expected) in [
        (
            "a: x, b: y, c: z",
            "y",
            &["x", "z"][..],
            ["a: [withheld], b: y, c: [withheld]", "                  ^"],
        ),
        (
            "a: xyz, b: 1",
            "y",
            &["xyz"],
            ["a: [withheld], b: 1", "   ^^^^^^^^^^"],
        ),
        (
            "a: xyz, b: 1",
            "z, b",
            &["xyz"],
            ["a: [withheld], b: 1", "   ^^^^^^^^^^^^^"],
        ),
        (
            "a: xyz, b: 1",
            "a: x",
            &["xyz"],
            ["a: [withheld], b: 1", "^^^^^^^^^^^^^"],
        ),
        (
            "a: é\n x\n y, b: 1\n",
            "b",
            &["é\n x\n y"],
            ["[withheld], b: 1", "            ^"],
        ),
        (
            "a: é\n x\n y, b: 1\n",
            "a",
            &["é\n x\n y"],
            ["a: [withheld]", "^"],
        ),
        (
            "a: é\n x\n y, b: 1\n",
            "x",
            &["é\n x\n y"],
            ["[withheld]", "^^^^^^^^^^"],
        ),
        (
            "abcdef",
            "f",
            &["bc", "abc", "cd"],
            ["[withheld]ef", "           ^"],
        ),
    ] {
        assert_eq!(masked(text, place, withheld), expected, "{text:?} {place}");
    }
    let long = format!("a: {}, b: 1, c: {}", "x".repeat(500), "z".repeat(500));
    let [line, carets] = masked(&long, "b", &[&"x".repeat(500), &"z".repeat(500)]);
    assert_eq!(
        (line.as_str(), carets.as_str()),
        ("a: [withheld], b: 1, c: [withheld]", "               ^")
    );
}

#[test]
fn what_is_private_is_withheld() {
    let files = files("a: hunter1, b: 2");
    let mut diags = Diagnostics::new();
    diags.push(
        Diagnostic::error("x", "m")
            .at(span(&files, 3, 10))
            .private(),
    );
    diags.push(Diagnostic::error("x", "m").at(span(&files, 12, 13)));
    for style in [Style::Plain, Style::Fancy, Style::Json] {
        assert!(!diags.render(&files, style).contains("hunter"));
    }
}

#[test]
fn order_is_by_place_and_repetitions_go() {
    let files = files("aaaa\nbbbb\n");
    let mut diags = Diagnostics::new();
    diags.push(Diagnostic::warning("nowhere", "m"));
    for (start, code) in [(6, "c"), (0, "a"), (6, "c"), (2, "b")] {
        diags.push(Diagnostic::error(code, "m").at(span(&files, start, start + 1)));
    }
    diags.sort();
    let codes: Vec<_> = diags.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["a", "b", "c", "nowhere"]);
    assert_eq!((diags.errors().count(), diags.warnings().count()), (3, 1));
    assert!(diags.has_errors());
}

#[test]
fn a_flood_is_cut_but_not_forgotten() {
    let files = files("");
    let mut diags = Diagnostics::new();
    for _ in 0..1500 {
        diags.push(Diagnostic::note("n", "m"));
    }
    diags.push(Diagnostic::error("e", "m"));
    assert!(diags.has_errors());
    assert_eq!(diags.iter().count(), 1001);
    let text = diags.render(&files, Style::Plain);
    assert!(
        text.ends_with("note[too-many]: 500 more of these are not shown\n\n"),
        "{text}"
    );
}
