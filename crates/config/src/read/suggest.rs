//! "Did you mean": the nearest of some names.

/// The name nearest to what was written, if it is near enough to have been meant.
pub(crate) fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = written.to_lowercase();
    // A third of the letters may be wrong: more, and short names would all resemble each other.
    let limit = (written.chars().count() / 3).clamp(1, 4);
    names
        .iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). Bounded to short names.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let at = |row: &[usize], index: Option<usize>| {
        index
            .and_then(|index| row.get(index))
            .copied()
            .unwrap_or(usize::MAX - 1)
    };
    let mut two_back: Vec<usize> = Vec::new();
    let mut back: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = at(&back, Some(j)) + usize::from(x != y);
            let removed = at(&back, Some(j + 1)) + 1;
            let added = at(&row, Some(j)) + 1;
            let swapped = if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                at(&two_back, j.checked_sub(1)) + 1
            } else {
                usize::MAX
            };
            row.push(replaced.min(removed).min(added).min(swapped));
        }
        two_back = std::mem::replace(&mut back, row);
    }
    at(&back, Some(b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("abc", "abc", 0),
            ("abcd", "acbd", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["hostnames", "parentRefs", "rules", "name"];
        for (written, expected) in [
            ("hostname", Some("hostnames")),
            ("parentrefs", Some("parentRefs")),
            ("ruels", Some("rules")),
            ("nmae", Some("name")),
            ("x", None),
            ("timeouts", None),
        ] {
            assert_eq!(nearest(written, &names), expected, "{written}");
        }
    }
}
