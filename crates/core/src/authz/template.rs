//! Path templates: `/users/{*}/files/{**}`.

use std::fmt;

/// A path with `{*}` for one segment and `{**}` for any number of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    /// As written.
    source: Box<str>,
    /// Segments up to `{**}`, or all.
    segments: Box<[Segment]>,
    /// What must stand after `{**}`, where there is one.
    end: Option<Box<str>>,
    /// Whether operators also take characters that no path should have.
    any_character: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    /// This text; empty only after a trailing slash.
    Literal(Box<str>),
    /// Anything but nothing.
    One,
}

/// Why a text is no path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// It does not begin with a slash.
    #[error("does not begin with `/`")]
    Relative,
    /// Two slashes with nothing between them.
    #[error("has an empty segment")]
    Empty,
    /// A brace that belongs to neither operator.
    #[error("has a brace that is neither `{{*}}` nor `{{**}}`")]
    Brace,
    /// A star outside of the operators.
    #[error("has a `*` outside of `{{*}}` and `{{**}}`")]
    Star,
    /// Something other than one operator, or plain text, between two slashes.
    #[error("mixes text and an operator in one segment")]
    Mixed,
    /// An operator after `{**}`.
    #[error("has an operator after `{{**}}`")]
    AfterRest,
    /// A character that no path has (RFC 3986 section 3.3).
    #[error("has a character that cannot stand in a path")]
    Character,
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// When Istio's admission or Envoy would refuse it.
    pub fn parse(value: &str) -> Result<PathTemplate, BadTemplate> {
        let path = value.strip_prefix('/').ok_or(BadTemplate::Relative)?;
        let (mut segments, mut end): (Vec<Segment>, Option<String>) = (Vec::new(), None);
        let mut texts = path.split('/').peekable();
        while let Some(text) = texts.next() {
            match (text, &mut end) {
                (ONE | REST, Some(_)) => return Err(BadTemplate::AfterRest),
                (ONE, None) => segments.push(Segment::One),
                (REST, None) => end = Some(String::new()),
                // One slash may end a template.
                ("", _) if texts.peek().is_some() => return Err(BadTemplate::Empty),
                (text, None) => segments.push(Segment::Literal(literal(text)?.into())),
                (text, Some(end)) => {
                    end.push('/');
                    end.push_str(literal(text)?);
                }
            }
        }
        Ok(PathTemplate {
            source: value.into(),
            segments: segments.into(),
            end: end.map(Into::into),
            any_character: false,
        })
    }

    /// The same template, whose operators take any character. Envoy's take
    /// those of RFC 3986 alone, so that one `|` would lead past a DENY
    /// (decision P9).
    #[must_use]
    pub(crate) fn of_any_character(&self) -> PathTemplate {
        PathTemplate {
            any_character: true,
            ..self.clone()
        }
    }

    /// Whether a value is meant as a template.
    pub fn is_one(value: &str) -> bool {
        value.contains(ONE) || value.contains(REST)
    }

    /// Whether a normalised path, without query, is one of those described.
    /// Every slash of the template must be there: `/a/{**}` matches `/a/`, not `/a`.
    pub fn matches(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_prefix('/') else {
            return false;
        };
        let mut segments = self.segments.iter().peekable();
        while let Some(segment) = segments.next() {
            let (text, tail) = segment_of(rest);
            let fits = match segment {
                Segment::Literal(wanted) => **wanted == *text,
                Segment::One => !text.is_empty() && self.takes(text),
            };
            let last = segments.peek().is_none() && self.end.is_none();
            match tail {
                _ if !fits => return false,
                None => return last,
                Some(_) if last => return false,
                Some(tail) => rest = tail,
            }
        }
        let free = self.end.as_ref().and_then(|end| rest.strip_suffix(&**end));
        free.is_some_and(|it| self.takes(it))
    }

    /// Whether an operator may stand for this text.
    fn takes(&self, text: &str) -> bool {
        let usual = |it: u8| is_usual(it) || it == b'*' || it == b'/';
        self.any_character || text.bytes().all(usual)
    }

    /// Text that every matching path begins with.
    pub(crate) fn prefix(&self) -> &str {
        let end = self.source.find('{').unwrap_or(self.source.len());
        self.source.get(..end).unwrap_or_default()
    }
}

/// The first segment, and what stands behind its slash. Segments are short:
/// to look at each byte is less than to set out on a search.
fn segment_of(path: &str) -> (&str, Option<&str>) {
    let slash = path.bytes().position(|it| it == b'/');
    match slash.and_then(|at| path.split_at_checked(at)) {
        Some((text, tail)) => (text, tail.get(1..)),
        None => (path, None),
    }
}

fn literal(text: &str) -> Result<&str, BadTemplate> {
    if PathTemplate::is_one(text) {
        return Err(BadTemplate::Mixed);
    }
    let bad = text.bytes().find_map(|it| match it {
        b'{' | b'}' => Some(BadTemplate::Brace),
        b'*' => Some(BadTemplate::Star),
        it if is_usual(it) => None,
        _ => Some(BadTemplate::Character),
    });
    bad.map_or(Ok(text), Err)
}

/// `pchar` without the star (RFC 3986 section 3.3).
fn is_usual(octet: u8) -> bool {
    let punctuation =
        matches!(octet, b'!' | b'$'..=b')' | b'+'..=b'.' | b':' | b';' | b'=' | b'@' | b'_' | b'~');
    octet.is_ascii_alphanumeric() || punctuation
}

/// As it was written.
impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

const ONE: &str = "{*}";
const REST: &str = "{**}";

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(template: &str, path: &str) -> bool {
        PathTemplate::parse(template).unwrap().matches(path)
    }

    #[test]
    fn one_segment() {
        for path in ["/one/a", "/one/a*b", "/one/a=b", "/one/a%2fb", "/one/;x"] {
            assert!(matches("/one/{*}", path), "{path}");
        }
        for path in [
            "/one", "/one/", "/one/a/", "/one/a/b", "/two/a", "/", "", "*",
        ] {
            assert!(!matches("/one/{*}", path), "{path}");
        }
        assert!(matches("/{*}/end", "/x/end") && !matches("/{*}/end", "//end"));
        assert!(matches("/a/{*}/", "/a/x/") && !matches("/a/{*}/", "/a/x"));
    }

    #[test]
    fn the_rest_takes_anything_behind_its_slash() {
        for path in ["/a/", "/a/b", "/a/b/c/", "/a//"] {
            assert!(matches("/a/{**}", path), "{path}");
        }
        for path in ["/a", "/ab", "/b/"] {
            assert!(!matches("/a/{**}", path), "{path}");
        }
        assert!(matches("/{**}", "/") && matches("/{**}", "/x/y"));
        for (path, fits) in [
            ("/store//cart", true),
            ("/store/x/cart", true),
            ("/store/x/y/cart", true),
            ("/store/cart/cart", true),
            ("/store/cart", false),
            ("/store/x/cart/", false),
        ] {
            assert_eq!(matches("/store/{**}/cart", path), fits, "{path}");
        }
        assert!(matches("/foo/{*}/bar/{**}", "/foo/1/bar/2/3"));
        assert!(!matches("/foo/{*}/bar/{**}", "/foo/1/2/bar/3"));
        assert!(matches("/mix/{*}/{**}", "/mix/a/") && !matches("/mix/{*}/{**}", "/mix//a"));
    }

    #[test]
    fn what_no_path_should_have_is_taken_on_demand() {
        for odd in ["\"", "[", "\\", "]", "^", "{", "|", "}", "ä"] {
            for (template, path) in [
                ("/a/{*}", format!("/a/x{odd}")),
                ("/{**}/b", format!("/{odd}/b")),
            ] {
                let narrow = PathTemplate::parse(template).unwrap();
                assert!(!narrow.matches(&path), "{path}");
                assert!(narrow.of_any_character().matches(&path), "{path}");
            }
        }
    }

    #[test]
    fn what_admission_refuses() {
        use BadTemplate::*;
        for (text, why) in [
            ("a/{*}", Relative),
            ("/{*}//a", Empty),
            ("//{*}", Empty),
            ("/{*}/{a}", Brace),
            ("/{*}/}", Brace),
            ("/{*}/a*", Star),
            ("/{*}/*", Star),
            ("/a{*}", Mixed),
            ("/{*}{**}", Mixed),
            ("/{**}/{*}", AfterRest),
            ("/{**}/a/{**}", AfterRest),
            ("/{*}/a?b", Character),
            ("/{*}/a b", Character),
            ("/{*}/ä", Character),
        ] {
            assert_eq!(PathTemplate::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_long_path_is_read_once() {
        let path = format!("/{}", "a/".repeat(50_000));
        let template = format!("/{}{{**}}/b", "{*}/".repeat(40_000));
        assert!(!matches(&template, &path));
    }
}
