//! Splits a source text into the tokens of CEL's grammar.
//!
//! The parser has a lexer of its own; this one runs before it, so that [`guard`](crate::guard) can
//! judge a text that nothing recursive has seen yet. It takes no token that the grammar does not
//! have: where the two disagreed on what is a string, brackets could hide from the guard.

use crate::mistake::Mistake;

/// The longest source text, in characters (kgateway allows as many).
pub const MAX_SOURCE_CHARS: usize = 16_384;

/// What a token is, as far as structure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    /// A number, string, bytes, `true`, `false` or `null`.
    Literal,
    Open(Bracket),
    Close(Bracket),
    Dot,
    Comma,
    Question,
    Colon,
    /// `&&` or `||`
    Logic,
    /// `!` or `-`, which may stand before an operand.
    Prefix,
    /// Any other operator, `in` among them.
    Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bracket {
    Round,
    Square,
    Curly,
}

/// A token: `start..end` are its bytes in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// All tokens; white space and comments are left out.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, Mistake> {
    if source.chars().nth(MAX_SOURCE_CHARS).is_some() {
        let message = format!("the expression is longer than {MAX_SOURCE_CHARS} characters");
        return Err(Mistake::new(
            0,
            message,
            "split it into several expressions",
        ));
    }
    let mut tokens = Vec::new();
    let mut rest = skip_space(source);
    while let Some(first) = rest.chars().next() {
        let start = source.len() - rest.len();
        let (kind, after) = token(first, rest).map_err(|wrong| wrong.at(start, first))?;
        let end = source.len() - after.len();
        tokens.push(Token { kind, start, end });
        rest = skip_space(after);
    }
    if tokens.is_empty() {
        return Err(Mistake::new(
            0,
            "the expression is empty",
            "write a condition",
        ));
    }
    Ok(tokens)
}

/// What no token can start with, or how one ends too early.
enum Wrong {
    Character,
    Backtick,
    Assignment,
    Single,
    Unterminated,
    Escape,
}

impl Wrong {
    fn at(&self, offset: usize, first: char) -> Mistake {
        let (message, help) = match self {
            Self::Character => (
                format!("unexpected character `{}`", first.escape_debug()),
                "outside of strings only ASCII letters, digits and operators are possible"
                    .to_owned(),
            ),
            Self::Backtick => (
                "field names in backticks are not supported".to_owned(),
                "write `['content-type']` instead of .`content-type`".to_owned(),
            ),
            Self::Assignment => ("unexpected `=`".to_owned(), "`==` compares".to_owned()),
            Self::Single => (
                format!("unexpected `{first}`"),
                format!("write `{first}{first}`"),
            ),
            Self::Unterminated => (
                "the string is never closed".to_owned(),
                "close it with the quote it starts with; only ''' and \"\"\" may span lines"
                    .to_owned(),
            ),
            Self::Escape => (
                "the string has an unknown escape".to_owned(),
                "double the backslash, or write the string raw: r'…'".to_owned(),
            ),
        };
        Mistake::new(offset, message, help)
    }
}

fn skip_space(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
        let Some(comment) = text.strip_prefix("//") else {
            return text;
        };
        text = comment.trim_start_matches(|c| c != '\n');
    }
}

/// The token at the start of `text` and what follows it.
fn token(first: char, text: &str) -> Result<(Kind, &str), Wrong> {
    const SIGNS: [(&str, Kind); 26] = [
        ("&&", Kind::Logic),
        ("||", Kind::Logic),
        ("==", Kind::Operator),
        ("!=", Kind::Operator),
        ("<=", Kind::Operator),
        (">=", Kind::Operator),
        ("<", Kind::Operator),
        (">", Kind::Operator),
        ("+", Kind::Operator),
        ("*", Kind::Operator),
        ("/", Kind::Operator),
        ("%", Kind::Operator),
        ("!", Kind::Prefix),
        ("-", Kind::Prefix),
        ("(", Kind::Open(Bracket::Round)),
        ("[", Kind::Open(Bracket::Square)),
        ("{", Kind::Open(Bracket::Curly)),
        (")", Kind::Close(Bracket::Round)),
        ("]", Kind::Close(Bracket::Square)),
        ("}", Kind::Close(Bracket::Curly)),
        (",", Kind::Comma),
        ("?", Kind::Question),
        (":", Kind::Colon),
        (".", Kind::Dot),
        ("=", Kind::Operator),
        ("&", Kind::Operator),
    ];
    if first.is_ascii_digit() || (first == '.' && second_is_digit(text)) {
        return Ok((Kind::Literal, number(text)));
    }
    if let Some(string) = string(text) {
        return string.map(|after| (Kind::Literal, after));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok(word(text));
    }
    let sign = SIGNS
        .iter()
        .find_map(|(sign, kind)| Some((*sign, *kind, text.strip_prefix(sign)?)));
    match sign {
        Some(("=", ..)) => Err(Wrong::Assignment),
        Some(("&", ..)) => Err(Wrong::Single),
        Some((_, kind, after)) => Ok((kind, after)),
        None if first == '|' => Err(Wrong::Single),
        None if first == '`' => Err(Wrong::Backtick),
        None => Err(Wrong::Character),
    }
}

fn second_is_digit(text: &str) -> bool {
    text.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

fn word(text: &str) -> (Kind, &str) {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let word = text.strip_suffix(after).unwrap_or(text);
    let kind = match word {
        "in" => Kind::Operator,
        "true" | "false" | "null" => Kind::Literal,
        _ => Kind::Name,
    };
    (kind, after)
}

/// What follows the number at the start of `text`.
fn number(text: &str) -> &str {
    if let Some(hex) = text.strip_prefix("0x") {
        let after = hex.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        if after.len() < hex.len() {
            return after.strip_prefix(['u', 'U']).unwrap_or(after);
        }
    }
    let whole = skip_digits(text);
    if let Some(after) = whole.strip_prefix(['u', 'U']) {
        return after;
    }
    let fraction = whole
        .strip_prefix('.')
        .filter(|part| starts_with_digit(part));
    let mantissa = fraction.map_or(whole, skip_digits);
    let exponent = mantissa.strip_prefix(['e', 'E']);
    let exponent = exponent.map(|part| part.strip_prefix(['+', '-']).unwrap_or(part));
    let exponent = exponent.filter(|part| starts_with_digit(part));
    exponent.map_or(mantissa, skip_digits)
}

fn skip_digits(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit())
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// What follows the string or bytes at the start of `text`; `None` where none starts.
fn string(text: &str) -> Option<Result<&str, Wrong>> {
    let text = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let (raw, quoted) = match text.strip_prefix(['r', 'R']) {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    for quote in ["\"\"\"", "'''", "\"", "'"] {
        if let Some(body) = quoted.strip_prefix(quote) {
            return Some(body_end(body, quote, raw));
        }
    }
    None
}

fn body_end<'s>(mut body: &'s str, quote: &str, raw: bool) -> Result<&'s str, Wrong> {
    let one_line = quote.len() == 1;
    loop {
        if let Some(after) = body.strip_prefix(quote) {
            return Ok(after);
        }
        let mut characters = body.chars();
        match characters.next() {
            None => return Err(Wrong::Unterminated),
            Some('\n' | '\r') if one_line => return Err(Wrong::Unterminated),
            Some('\\') if !raw => body = escape(characters.as_str()).ok_or(Wrong::Escape)?,
            Some(_) => body = characters.as_str(),
        }
    }
}

/// What follows the escape whose backslash was just read.
fn escape(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    let (digits, radix) = match characters.next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => (0, 16),
        'x' | 'X' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='3' => (2, 8),
        _ => return None,
    };
    for _ in 0..digits {
        characters.next()?.to_digit(radix)?;
    }
    Some(characters.as_str())
}
