//! Rules filed under texts of one attribute.

use std::cmp::Ordering;

use foldhash::HashMap;

use super::super::text::Text;
use super::super::values::End;

/// The rules of one attribute.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    exact: HashMap<Box<[u8]>, Vec<u32>>,
    starts: Tree,
    ends: Tree,
    present: Vec<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    exact: HashMap<Box<[u8]>, Vec<u32>>,
    starts: HashMap<Box<[u8]>, Vec<u32>>,
    ends: HashMap<Box<[u8]>, Vec<u32>>,
    present: Vec<u32>,
}

impl Builder {
    pub(super) fn add(&mut self, text: Text, rule: u32) {
        let bytes = |it: Box<str>| it.into_boxed_bytes();
        let list = match text {
            Text::Exact(it) => self.exact.entry(bytes(it)).or_default(),
            Text::Prefix(it) => self.starts.entry(bytes(it)).or_default(),
            Text::Suffix(it) => self.ends.entry(bytes(it)).or_default(),
            Text::Present => &mut self.present,
        };
        list.push(rule);
    }

    pub(super) fn build(self) -> Texts {
        Texts {
            exact: self.exact,
            starts: Tree::new(self.starts, End::Start),
            ends: Tree::new(self.ends, End::Tail),
            present: self.present,
        }
    }
}

impl Texts {
    /// Gives the rules of every text that a value matches to `f`, until it
    /// says `true`. `empty`: an empty value counts as present.
    pub(super) fn any(&self, value: &[u8], empty: bool, f: &mut impl FnMut(u32) -> bool) -> bool {
        let exact = self.exact.get(value).into_iter().flatten();
        let present = self.present.iter().filter(|_| empty || !value.is_empty());
        exact.chain(present).any(|it| f(*it))
            || self.starts.any(value, f)
            || self.ends.any(value, f)
    }
}

/// Prefixes or suffixes, sorted from their end, each knowing the longest other
/// one that it continues. Of all that a value has, the longest is the last one
/// before it or one that this continues, and the others follow from there.
#[derive(Debug, Clone)]
struct Tree {
    end: End,
    nodes: Box<[Node]>,
}

#[derive(Debug, Clone)]
struct Node {
    text: Box<[u8]>,
    continues: Option<usize>,
    rules: Vec<u32>,
}

impl Tree {
    fn new(texts: HashMap<Box<[u8]>, Vec<u32>>, end: End) -> Tree {
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_unstable_by(|(a, _), (b, _)| end.compare(a, b));
        let mut nodes: Vec<Node> = Vec::with_capacity(texts.len());
        for (text, rules) in texts {
            let before = nodes.len().checked_sub(1);
            let continues = longest(&nodes, before, |it| end.has(&text, it));
            nodes.push(Node {
                text,
                continues,
                rules,
            });
        }
        Tree {
            end,
            nodes: nodes.into(),
        }
    }

    fn any(&self, value: &[u8], f: &mut impl FnMut(u32) -> bool) -> bool {
        let order = |node: &Node| self.end.compare(&node.text, value) != Ordering::Greater;
        let before = self.nodes.partition_point(order).checked_sub(1);
        let mut at = longest(&self.nodes, before, |it| self.end.has(value, it));
        while let Some(node) = at.and_then(|it| self.nodes.get(it)) {
            if node.rules.iter().any(|it| f(*it)) {
                return true;
            }
            at = node.continues;
        }
        false
    }
}

/// The first that fits, from one node on to what it continues.
fn longest(nodes: &[Node], from: Option<usize>, fits: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut at = from?;
    loop {
        let node = nodes.get(at)?;
        if fits(&node.text) {
            return Some(at);
        }
        at = node.continues?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_rules_of_every_text_that_matches(
            texts in proptest::collection::vec("\\*?[ab]{0,4}\\*?", 0..20),
            value in "[ab*]{0,6}",
        ) {
            let texts: Vec<Text> = texts.iter().map(|it| Text::parse(it)).collect();
            let mut builder = Builder::default();
            for (number, text) in (0..).zip(&texts) {
                builder.add(text.clone(), number);
            }
            let mut found = Vec::new();
            builder.build().any(value.as_bytes(), false, &mut |it| {
                found.push(it);
                false
            });
            found.sort_unstable();
            let wanted = (0..).zip(&texts).filter(|(_, it)| it.matches(&value));
            prop_assert_eq!(found, wanted.map(|(number, _)| number).collect::<Vec<u32>>());
        }
    }
}
