//! Paths in matches and in filters.

use std::sync::Arc;

use countersign_core::route::PathMatch;

use super::matches;
use crate::diagnostic::Diagnostics;
use crate::read::{Fields, choice, invalid, string_of};
use crate::yaml::Node;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Exact,
    Prefix,
    Regex,
}

const TYPES: &[(&str, Type)] = &[
    ("Exact", Type::Exact),
    ("PathPrefix", Type::Prefix),
    ("RegularExpression", Type::Regex),
];

/// The longest path that the CRD takes.
pub(super) const LONGEST: usize = 1024;

/// `path` of a match.
pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<PathMatch> {
    let mut fields = Fields::of(node, "HTTPRoute.spec.rules.matches.path", diags)?;
    let typed = fields.has("type");
    let kind = fields.optional("type", choice(TYPES));
    if typed && kind.is_none() {
        fields.ignored("value");
        return None;
    }
    let kind = kind.unwrap_or(Type::Prefix);
    if !fields.has("value") {
        fields.ignored("value");
        return (kind == Type::Prefix).then(PathMatch::default).or_else(|| {
            // The default of `value` is `/`, whatever the type.
            Some(PathMatch::Exact("/".into()))
        });
    }
    fields.optional("value", |node, diags| {
        let value = string_of(1..=LONGEST)(node, diags)?;
        match kind {
            Type::Regex => matches::regex(node, diags).map(PathMatch::Regex),
            Type::Exact => literal(node, &value, diags).map(PathMatch::Exact),
            Type::Prefix => {
                let path = literal(node, &value, diags)?;
                Some(PathMatch::Prefix(path.trim_end_matches('/').into()))
            }
        }
    })
}

/// A path that is compared as it stands, in the form that the CRD asks for.
fn literal(node: &Node, path: &Arc<str>, diags: &mut Diagnostics) -> Option<Box<str>> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@%".contains(&b);
    let problem = if !path.starts_with('/') {
        ("does not begin with `/`", "write an absolute path")
    } else if path.contains("//") {
        ("has an empty segment", "write one `/` at a time")
    } else if path.split('/').any(|it| matches!(it, "." | "..")) {
        (
            "has a dot segment",
            "requests are matched after `.` and `..` are resolved: leave them out",
        )
    } else if path.to_ascii_lowercase().contains("%2f") {
        ("has an encoded slash", "write the path without `%2f`")
    } else if !path.bytes().all(legal) || !escapes_are_whole(path) {
        (
            "is not a path",
            "use letters, digits, `-._~!$&'()*+,;=:@/` and escapes such as `%20`; no query, no fragment",
        )
    } else {
        return Some((**path).into());
    };
    invalid(node, problem.0, problem.1, diags);
    None
}

fn escapes_are_whole(path: &str) -> bool {
    path.split('%').skip(1).all(|after| {
        let digits = after.bytes().take(2).filter(u8::is_ascii_hexdigit);
        digits.count() == 2
    })
}
