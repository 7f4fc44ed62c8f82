//! The parser of the crate `cel`, behind the guard, and its complaints in our words.

use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::{ParseError, Parser};

use crate::lex::Token;
use crate::mistake::Mistake;

/// Parses a text that the guard has passed.
///
/// # Errors
/// The first place where the text is no CEL.
pub(crate) fn parse(source: &str, tokens: &[Token]) -> Result<(IdedExpr, SourceInfo), Mistake> {
    // After a first error the parser would guess how the text goes on. All that follows from a
    // guess is noise.
    let parser = Parser::new()
        .max_recursion_depth(MAX_RECURSION)
        .error_recovery_limit(0);
    parser.parse_with_source_info(source).map_err(|errors| {
        let first = errors.errors.first();
        first.map_or_else(
            || syntax(source, tokens, source.len()),
            |error| mistake(source, tokens, error),
        )
    })
}

/// The guard is stricter; this only has to be out of its way.
const MAX_RECURSION: u16 = 400;

fn mistake(source: &str, tokens: &[Token], error: &ParseError) -> Mistake {
    let known = |part: &str| error.msg.contains(part);
    // Complaints of macros count columns in bytes, all others in characters.
    let of_macro = known("has() macro") || known("simple name");
    let offset = offset(source, error.pos, of_macro);
    if known("has() macro") {
        let help = "`has(a.b)` asks whether `a` has a field `b`; for a key use `'b' in a`";
        Mistake::new(offset, "`has` needs a field to look for", help)
    } else if known("simple name") {
        let help = "for example `list.exists(x, x == 'a')`";
        Mistake::new(
            offset,
            "the first argument of a macro has to be a name",
            help,
        )
    } else if known("reserved identifier") {
        let help = "after a dot it is possible, as the name of a variable it is not";
        let word = found(source, tokens, offset).unwrap_or_default();
        Mistake::new(offset, format!("`{word}` is a reserved word"), help)
    } else if known("int literal") {
        let help = "ints have 64 bits; write `1u` for a uint, `1.0` for a double";
        Mistake::new(offset, "the number is out of range", help)
    } else if known("unsupported syntax") {
        let help = "ask with `has(a.b)` first";
        Mistake::new(offset, "optional fields are not supported", help)
    } else {
        syntax(source, tokens, offset)
    }
}

fn syntax(source: &str, tokens: &[Token], offset: usize) -> Mistake {
    match found(source, tokens, offset) {
        Some(text) => {
            let help = "an operator, an operand or a comma is missing or too much here";
            Mistake::new(offset, format!("`{text}` is not expected here"), help)
        }
        None => {
            let help = "an operand is missing at the end";
            Mistake::new(source.len(), "the expression ends too early", help)
        }
    }
}

/// The start of the token at an offset, for a message; `None` at the end.
fn found(source: &str, tokens: &[Token], offset: usize) -> Option<String> {
    let token = tokens.iter().find(|token| token.end > offset)?;
    let text = source.get(token.start..token.end)?;
    let start = text.chars().take(20);
    Some(start.flat_map(char::escape_debug).collect())
}

/// Bytes from the start, of a line and a column from 1.
fn offset(source: &str, (line, column): (isize, isize), in_bytes: bool) -> usize {
    let before = usize::try_from(line - 1).unwrap_or(0);
    let lines = source.split_inclusive('\n').take(before);
    let start: usize = lines.map(str::len).sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    if in_bytes {
        return source.floor_char_boundary(start + column);
    }
    let rest = source.get(start..).unwrap_or_default();
    let skipped: usize = rest.chars().take(column).map(char::len_utf8).sum();
    start + skipped
}
