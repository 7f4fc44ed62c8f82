//! Who calls, as policies see it: the claims of one verified token.

use countersign_jose::{Claims, Value};

use super::TokenRule;

/// The claims that policies read: of the requirement they stand with, those of
/// the first token that the first rule to succeed accepted, as in Envoy. All
/// others say the same issuer and subject (decision T3).
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// What the token says.
    pub claims: &'a Claims,
    /// The rule that accepted it.
    pub rule: &'a TokenRule,
}

impl<'a> Caller<'a> {
    /// A text claim that is compared whole: absent where it is none, or is a
    /// list of words to policies.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.claims.get(name).and_then(Value::as_str);
        text.filter(|_| !self.is_split(name))
    }

    /// Gives the texts at a path to `f` until it says `true`: a text, or each
    /// text of a list. Words of `scope`, `permission` and what the rule names
    /// under `spaceDelimitedClaims` come one by one, of top-level claims alone.
    pub fn any_text(&self, path: &[Box<str>], mut f: impl FnMut(&'a str) -> bool) -> bool {
        match self.claims.path(path) {
            Some(Value::String(text)) => match path {
                [name] if self.is_split(name) => {
                    let mut words = text.split(' ').filter(|it| !it.is_empty());
                    words.any(f)
                }
                _ => f(text),
            },
            Some(Value::List(list)) => list.iter().filter_map(Value::as_str).any(f),
            _ => false,
        }
    }

    fn is_split(&self, name: &str) -> bool {
        matches!(name, "scope" | "permission")
            || self.rule.space_delimited.iter().any(|it| **it == *name)
    }
}
