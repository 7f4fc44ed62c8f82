//! Paths made normal, so that what policies and routes match is what the
//! upstream gets (decision P7).
//!
//! Enter by [`normalize`]. It works on the path alone: a query is never looked
//! at. What each mode does is Istio's `meshConfig.pathNormalization`, as Envoy
//! carries it out.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Istio's `pathNormalization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Normalization {
    /// The path is judged but stays as it is.
    None,
    /// Dot segments resolved (`..;x` and encoded ones too), `\` made `/`,
    /// needless escapes decoded, unsafe characters escaped.
    #[default]
    Base,
    /// [`Base`](Self::Base), then runs of `/` made one.
    MergeSlashes,
    /// `%2f` and `%5c` decoded first, then [`MergeSlashes`](Self::MergeSlashes).
    DecodeAndMergeSlashes,
}

impl Normalization {
    fn merges(self) -> bool {
        matches!(self, Self::MergeSlashes | Self::DecodeAndMergeSlashes)
    }

    fn decodes_slashes(self) -> bool {
        self == Self::DecodeAndMergeSlashes
    }
}

/// A path that must not be forwarded. Displays what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPath(&'static str);

impl BadPath {
    /// One more thing that can be wrong with a path.
    pub(crate) const fn new(detail: &'static str) -> BadPath {
        BadPath(detail)
    }
}

/// The path as it is matched and forwarded. Borrows when there is nothing to do,
/// which is the common case. `*`, the target of a server-wide OPTIONS, stays.
///
/// The result is a fixed point: normalising it again changes nothing. A path
/// that climbs above the root stops at the root.
///
/// # Errors
/// [`BadPath`] for a path that does not begin with `/`, or has a NUL escape, a
/// raw `#` or `?`, or a byte that RFC 3986 wants escaped and that no server
/// reads alike: a control, a space, anything outside ASCII.
pub fn normalize(path: &str, mode: Normalization) -> Result<Cow<'_, str>, BadPath> {
    if path == "*" {
        return Ok(Cow::Borrowed(path));
    }
    if !path.starts_with('/') {
        return Err(BadPath("the path does not begin with `/`"));
    }
    if is_normal(path.as_bytes(), mode)? || mode == Normalization::None {
        return Ok(Cow::Borrowed(path));
    }
    let mut writer = Writer::new(path.len());
    writer.copy(path.as_bytes(), mode.decodes_slashes());
    let mut out = writer.finish();
    if mode.merges() {
        out.dedup_by(|next, before| *next == b'/' && *before == b'/');
    }
    match String::from_utf8(out) {
        Ok(normal) => Ok(Cow::Owned(normal)),
        // Cannot be: only ASCII gets past `is_normal`.
        Err(_) => Err(NOT_ASCII),
    }
}

/// Judges every byte; `false` where [`Writer`] may have something to do.
fn is_normal(path: &[u8], mode: Normalization) -> Result<bool, BadPath> {
    let mut normal = true;
    let mut before = 0;
    for (at, &byte) in path.iter().enumerate() {
        let rest = path.get(at + 1..).unwrap_or_default();
        normal &= match byte {
            b'/' => before != b'/' || !mode.merges(),
            b'.' => before != b'/' || !is_dot_segment(path.get(at..).unwrap_or_default()),
            b'%' => match escaped(rest) {
                Some(0) => return Err(BadPath("the path contains `%00`")),
                Some(value) => {
                    !is_unreserved(value) && !decodes_to_slash(value, mode.decodes_slashes())
                }
                None => true,
            },
            b'#' => return Err(BadPath("the path contains a raw `#`")),
            b'?' => return Err(BadPath("the path contains a raw `?`")),
            0..=b' ' | 0x7f..=0xff => return Err(NOT_ASCII),
            _ => byte != b'\\' && !is_unsafe(byte),
        };
        before = byte;
    }
    Ok(normal)
}

/// Writes a normal path, segment by segment.
struct Writer {
    /// What is done; begins with `/`.
    out: Vec<u8>,
    /// Where the segment being written begins in `out`, after its slash.
    segment: usize,
    /// Where the last `%` that begins no escape stands in `out`.
    bare: Option<usize>,
}

impl Writer {
    fn new(capacity: usize) -> Writer {
        Writer {
            out: Vec::with_capacity(capacity),
            segment: 0,
            bare: None,
        }
    }

    /// Writes all of a path that begins with a slash.
    fn copy(&mut self, path: &[u8], decode_slashes: bool) {
        let mut rest = path;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'/' | b'\\' => self.slash(),
                b'%' => match escaped(tail) {
                    Some(value) => {
                        let (digits, tail) = tail.split_at_checked(2).unwrap_or_default();
                        rest = tail;
                        if decodes_to_slash(value, decode_slashes) {
                            self.slash();
                        } else if is_unreserved(value) {
                            self.plain(value);
                        } else {
                            self.out.push(b'%');
                            self.out.extend_from_slice(digits);
                        }
                    }
                    None => {
                        self.bare = Some(self.out.len());
                        self.out.push(b'%');
                    }
                },
                _ if is_unsafe(byte) => self.out.extend_from_slice(&escape(byte)),
                _ => self.plain(byte),
            }
        }
    }

    /// A byte that stands for itself. Decoding must not make an escape that was
    /// not there: `%%36%31` is the text `%61`, which is written `%2561`.
    fn plain(&mut self, byte: u8) {
        self.out.push(byte);
        let Some(bare) = self.bare else { return };
        if let Some([first, second]) = self.out.get(bare + 1..)
            && first.is_ascii_hexdigit()
            && second.is_ascii_hexdigit()
        {
            self.out.splice(bare + 1..bare + 1, *b"25");
            self.bare = None;
        }
    }

    fn slash(&mut self) {
        if !self.resolve() {
            self.out.push(b'/');
        }
        self.segment = self.out.len();
        // No escape reaches across a slash, and the place may be gone by now.
        self.bare = None;
    }

    /// Takes the segment back if it is a dot segment, and with `..` the one
    /// before it; what is left ends in a slash.
    fn resolve(&mut self) -> bool {
        let up = match dots(self.out.get(self.segment..).unwrap_or_default()) {
            0 => return false,
            dots => dots == 2,
        };
        let mut keep = self.segment;
        if up {
            let parent = self.out.get(..keep.saturating_sub(1)).unwrap_or_default();
            keep = parent
                .iter()
                .rposition(|&it| it == b'/')
                .map_or(keep, |slash| slash + 1);
        }
        self.out.truncate(keep);
        true
    }

    fn finish(mut self) -> Vec<u8> {
        self.resolve();
        self.out
    }
}

/// Whether a path's remainder, from the start of a segment, begins with a dot
/// segment as it stands.
fn is_dot_segment(rest: &[u8]) -> bool {
    let end = rest
        .iter()
        .position(|it| matches!(it, b'/' | b'\\'))
        .unwrap_or(rest.len());
    dots(rest.get(..end).unwrap_or_default()) > 0
}

/// How many dots a segment is made of, if one or two and nothing else but
/// parameters: servers that know `;` parameters resolve `..;x` like `..`.
fn dots(segment: &[u8]) -> usize {
    match segment {
        [b'.'] | [b'.', b';', ..] => 1,
        [b'.', b'.'] | [b'.', b'.', b';', ..] => 2,
        _ => 0,
    }
}

/// The byte that two hexadecimal digits after a `%` stand for.
fn escaped(after: &[u8]) -> Option<u8> {
    let [high, low, ..] = after else { return None };
    let digit = |it: &u8| {
        char::from(*it)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

fn escape(byte: u8) -> [u8; 3] {
    let digit = |it: u8| if it < 10 { b'0' + it } else { b'A' + it - 10 };
    [b'%', digit(byte >> 4), digit(byte & 15)]
}

fn decodes_to_slash(value: u8, decode_slashes: bool) -> bool {
    decode_slashes && matches!(value, b'/' | b'\\')
}

/// RFC 3986 section 2.3: the same URI with or without the escape.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Printable, yet not allowed raw in a path (RFC 3986 section 3.3); clients
/// send them all the same, and Envoy forwards them escaped.
fn is_unsafe(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

const NOT_ASCII: BadPath =
    BadPath("the path contains a control character, a space or a raw byte outside ASCII");
