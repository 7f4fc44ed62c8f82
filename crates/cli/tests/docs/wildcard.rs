//! Texts in which `…` stands for anything: within a line for a part of it, alone for any number of lines.

/// Whether a text is what was expected. Spaces at the end of lines, and empty lines at the end, do not count.
pub(crate) fn matches(expected: &str, actual: &str) -> bool {
    let lines = |text: &str| {
        let lines = text.trim_end().lines();
        lines
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    all(&lines(expected), &lines(actual))
}

fn all(expected: &[String], actual: &[String]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        ([any, rest @ ..], _) if any == "…" => {
            (0..=actual.len()).any(|skip| all(rest, &actual[skip..]))
        }
        ([one, rest @ ..], [line, lines @ ..]) => fits(one, line) && all(rest, lines),
        _ => false,
    }
}

fn fits(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let mut ends = (0..=line.len()).filter_map(|at| line.split_at_checked(at));
    ends.any(|(_, end)| fits(rest, end))
}

#[test]
fn dots_stand_for_anything() {
    for (expected, actual) in [
        ("", ""),
        ("a\n", "a"),
        ("a", "a  \n\n"),
        ("a … c", "a b b c"),
        ("…", ""),
        ("…", "a\nb"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…\nd", "a\nd"),
        ("… é …", "x é y"),
        ("time=… x=1", "time=é x=1"),
    ] {
        assert!(matches(expected, actual), "{expected:?} {actual:?}");
    }
    for (expected, actual) in [
        ("", "a"),
        ("a", ""),
        ("a", "ab"),
        ("a…", "b"),
        ("a\n…\nd", "a\nb"),
        ("a … c", "a c"),
        ("a … c", "a b c d"),
    ] {
        assert!(!matches(expected, actual), "{expected:?} {actual:?}");
    }
}
