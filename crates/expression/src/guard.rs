//! Judges the tokens of a text before anything recursive sees them: how deep its tree can become.

use crate::lex::{Bracket, Kind, Token};
use crate::mistake::Mistake;

/// How deep an expression may be nested: brackets, ternaries, and chains of `+`, `.` and the like,
/// which are as deep as they are long. Chains of `&&` and `||` are flat.
pub const MAX_DEPTH: usize = 96;

/// The partner of every bracket, by the position of its token; other tokens are their own partner.
pub(crate) type Partners = Vec<usize>;

/// # Errors
/// When brackets do not match or the tree would be too deep.
pub(crate) fn check(source: &str, tokens: &[Token]) -> Result<Partners, Mistake> {
    let partners = partners(source, tokens)?;
    let mut levels = vec![Level::default()];
    for token in tokens {
        match token.kind {
            Kind::Open(_) => levels.push(Level::default()),
            Kind::Close(_) => {
                let inner = levels.pop().map_or(0, Level::depth);
                if let Some(outer) = levels.last_mut() {
                    outer.nested(inner);
                }
            }
            kind => {
                if let Some(level) = levels.last_mut() {
                    level.take(kind);
                }
            }
        }
        let open = levels.len() - 1;
        let deepest = levels.last().copied().map_or(0, Level::depth);
        if open + deepest > MAX_DEPTH {
            return Err(too_deep(token.start));
        }
    }
    Ok(partners)
}

fn too_deep(offset: usize) -> Mistake {
    Mistake::new(
        offset,
        format!("the expression is nested more than {MAX_DEPTH} levels deep"),
        "split it at an `&&`, or use a list with `in` instead of a long chain",
    )
}

/// An upper bound of the depth of what stands between two brackets, so far.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Ternaries: each nests what follows.
    ternaries: usize,
    /// Operators since the last `,`, `&&`, `||`, `?` or `:`: a chain is as deep as it is long.
    operators: usize,
    /// Dots, indexes and calls on the current operand, and the deepest of what is inside them.
    chain: usize,
    inner: usize,
    /// The deepest operand of the current part, the deepest part of the current element, and the
    /// deepest element.
    operand: usize,
    part: usize,
    element: usize,
}

impl Level {
    fn take(&mut self, kind: Kind) {
        match kind {
            Kind::Dot => self.chain += 1,
            Kind::Prefix | Kind::Operator => {
                self.end_operand();
                self.operators += 1;
            }
            Kind::Logic | Kind::Colon => self.end_part(),
            Kind::Question => {
                self.end_part();
                self.ternaries += 1;
            }
            Kind::Comma => self.end_element(),
            Kind::Name | Kind::Literal | Kind::Open(_) | Kind::Close(_) => {}
        }
    }

    fn nested(&mut self, depth: usize) {
        self.chain += 1;
        self.inner = self.inner.max(depth);
    }

    fn end_operand(&mut self) {
        self.operand = self.operand.max(self.chain + self.inner);
        self.chain = 0;
        self.inner = 0;
    }

    fn end_part(&mut self) {
        self.end_operand();
        self.part = self.part.max(self.operators + self.operand);
        self.operators = 0;
        self.operand = 0;
    }

    fn end_element(&mut self) {
        self.end_part();
        self.element = self.element.max(self.part + self.ternaries);
        self.part = 0;
        self.ternaries = 0;
    }

    fn depth(mut self) -> usize {
        self.end_element();
        self.element
    }
}

fn partners(source: &str, tokens: &[Token]) -> Result<Partners, Mistake> {
    let mut partners: Partners = (0..tokens.len()).collect();
    let mut open: Vec<(usize, Bracket)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(bracket) => open.push((at, bracket)),
            Kind::Close(bracket) => {
                let partner = open.pop().filter(|(_, opened)| *opened == bracket);
                let (partner, _) = partner.ok_or_else(|| unmatched(source, token))?;
                for (one, other) in [(at, partner), (partner, at)] {
                    if let Some(place) = partners.get_mut(one) {
                        *place = other;
                    }
                }
            }
            _ => {}
        }
    }
    match open.pop().and_then(|(at, _)| tokens.get(at)) {
        Some(token) => Err(unmatched(source, token)),
        None => Ok(partners),
    }
}

fn unmatched(source: &str, token: &Token) -> Mistake {
    let bracket = source.get(token.start..token.end).unwrap_or_default();
    Mistake::new(
        token.start,
        format!("`{bracket}` has no partner"),
        "every bracket needs one that closes it, in the right order",
    )
}
