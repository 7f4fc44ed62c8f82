//! The fields of a mapping.

use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::source::Span;
use crate::yaml::{Key, Node, Value};

use super::scalars::mismatch;
use super::{collections, nearest, unread};

/// Reads a mapping field by field. When it goes out of scope, or at [`Fields::finish`], each key that was never asked for
/// is an error. A field whose value is null counts as absent, as in Kubernetes.
pub struct Fields<'n, 'd> {
    entries: &'n [(Key, Node)],
    span: Span,
    at: &'static str,
    asked: Vec<&'static str>,
    /// What nobody asks for is somebody else's business.
    lenient: bool,
    diags: &'d mut Diagnostics,
    /// What to restore in the collector, if this is the root of an object.
    outer: Option<Option<ObjectRef>>,
}

impl<'n, 'd> Fields<'n, 'd> {
    /// Of a mapping that messages call `at`, for example `HTTPRoute.spec.rules`. Anything else is an error.
    pub fn of(node: &'n Node, at: &'static str, diags: &'d mut Diagnostics) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            mismatch(node, &format!("{} must be a mapping", quoted(at)), diags);
            return None;
        };
        Some(Self {
            entries,
            span: node.span,
            at,
            asked: Vec::new(),
            lenient: false,
            diags,
            outer: None,
        })
    }

    /// Of the root of an object: what is reported until the end is about it.
    pub(crate) fn of_object(
        node: &'n Node,
        at: &'static str,
        subject: ObjectRef,
        diags: &'d mut Diagnostics,
    ) -> Self {
        let outer = Some(diags.enter(Some(subject)));
        let entries: &[(Key, Node)] = match &node.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        };
        Self {
            entries,
            span: node.span,
            at,
            asked: Vec::new(),
            lenient: false,
            diags,
            outer,
        }
    }

    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        let Some((_, node)) = self.entry(name) else {
            let message = format!("{} needs a field {}", quoted(self.at), quoted(name));
            let error = Diagnostic::error("missing-field", message).at(self.head());
            self.diags.push(error.help(format!("add `{name}:`")));
            return None;
        };
        read(node, self.diags)
    }

    /// A field that may be absent. `None` also stands for a value that was refused, which has been reported.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        let (_, node) = self.entry(name)?;
        read(node, self.diags)
    }

    /// A list that may be absent, which then is empty. Items that were refused are left out.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Vec<T> {
        self.optional(name, collections::list(read))
            .unwrap_or_default()
    }

    /// The node of a field that somebody else will read.
    pub fn node(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// A field that exists but does nothing here, and can do no harm by that.
    pub fn ignored(&mut self, name: &'static str) {
        self.asked.push(name);
    }

    /// A field that exists elsewhere and is refused here, because leaving it out of account would change what is allowed.
    pub fn unsupported(&mut self, name: &'static str, help: &str) {
        if let Some((key, node)) = self.entry(name) {
            // Nobody here knows what is secret of it.
            if !matches!(node.value, Value::Scalar(_)) {
                self.diags.withhold(node.span);
            }
            let message = format!(
                "field {} of {} is not supported",
                quoted(name),
                quoted(self.at)
            );
            self.diags.push(
                Diagnostic::error("unsupported-field", message)
                    .at(key.span)
                    .help(help),
            );
        }
    }

    /// Which one field of a group is there. None or several are an error.
    pub fn exactly_one(&mut self, group: &[&'static str]) -> Option<&'static str> {
        let given = self.at_most_one(group);
        if given.is_none() && !group.iter().any(|name| self.has(name)) {
            let message = format!("{} needs one of {}", quoted(self.at), alternatives(group));
            let error = Diagnostic::error("missing-field", message).at(self.head());
            self.diags.push(error.help("add exactly one of them"));
        }
        given
    }

    /// Which one field of a group is there, if any. Several are an error, and then none is named.
    pub fn at_most_one(&mut self, group: &[&'static str]) -> Option<&'static str> {
        let mut given = Vec::new();
        for name in group {
            given.extend(self.entry(name).map(|(key, _)| (*name, key.span)));
        }
        match given.as_slice() {
            [] => None,
            [(name, _)] => Some(name),
            [(_, first), .., (_, last)] => {
                let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
                let message = format!(
                    "{} takes one of {}, and here are {}",
                    quoted(self.at),
                    alternatives(group),
                    list_of(&names)
                );
                let error = Diagnostic::error("one-of", message)
                    .at(*last)
                    .related(*first, "the first one");
                self.diags.push(error.help("keep exactly one of them"));
                None
            }
        }
    }

    /// Whether a field is there and not null. Does not count as asking for it.
    pub fn has(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|(key, node)| &*key.text == name && !node.is_null())
    }

    /// Where the key of a field stands.
    pub fn key(&self, name: &str) -> Option<Span> {
        self.entries
            .iter()
            .find(|(key, _)| &*key.text == name)
            .map(|(key, _)| key.span)
    }

    /// The keys that nobody has asked for so far. They are the caller's now, and no error any more: for mappings that are
    /// shared with other programs.
    pub fn rest(&mut self) -> Vec<&'n Key> {
        self.lenient = true;
        let keys = self.entries.iter().map(|(key, _)| key);
        keys.filter(|key| !self.asked.contains(&&*key.text))
            .collect()
    }

    /// Where the mapping stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// For what only the reader of this mapping can check.
    pub fn diags(&mut self) -> &mut Diagnostics {
        self.diags
    }

    /// Reports what nobody asked for. Going out of scope does the same.
    pub fn finish(self) {}

    fn entry(&mut self, name: &'static str) -> Option<&'n (Key, Node)> {
        self.asked.push(name);
        let entry = self.entries.iter().find(|(key, _)| &*key.text == name)?;
        (!entry.1.is_null()).then_some(entry)
    }

    /// The first key: underlining the whole mapping would say less.
    fn head(&self) -> Span {
        self.entries.first().map_or(self.span, |(key, _)| key.span)
    }
}

impl Drop for Fields<'_, '_> {
    fn drop(&mut self) {
        for (key, node) in self.entries {
            if self.lenient || self.asked.contains(&&*key.text) {
                continue;
            }
            unread::withhold(key, node, &self.asked, self.diags);
            let message = format!("unknown field {} in {}", quoted(&key.text), quoted(self.at));
            let error = Diagnostic::error("unknown-field", message).at(key.span);
            self.diags
                .push(error.help(valid(&key.text, &self.asked, self.at)));
        }
        if let Some(outer) = self.outer.take() {
            self.diags.enter(outer);
        }
    }
}

fn valid(name: &str, asked: &[&'static str], at: &str) -> String {
    let mut names = asked.to_vec();
    names.dedup();
    match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("`{at}` has no fields"),
        None => {
            let mut unique = Vec::new();
            for name in names {
                if !unique.contains(&name) {
                    unique.push(name);
                }
            }
            format!("the fields of `{at}` are {}", list_of(&unique))
        }
    }
}

/// `` `a`, `b` and `c` ``
fn list_of(names: &[&str]) -> String {
    joined(names, "and")
}

/// `` `a`, `b` or `c` ``
fn alternatives(names: &[&str]) -> String {
    joined(names, "or")
}

fn joined(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [name] => format!("`{name}`"),
        [rest @ .., last] => {
            let rest: Vec<_> = rest.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {word} `{last}`", rest.join(", "))
        }
    }
}
