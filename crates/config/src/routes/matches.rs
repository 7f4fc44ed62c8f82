//! Conditions on headers, query parameters and other texts.

use std::sync::Arc;

use countersign_core::route::{self, TextMatch};
use http::HeaderName;
use regex::Regex;

use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{Fields, choice, header_name, invalid, parsed, spanned, string, string_of};
use crate::source::Span;
use crate::yaml::Node;

const TYPES: &[(&str, bool)] = &[("Exact", false), ("RegularExpression", true)];

/// `headers` of a match.
pub(super) fn header(
    node: &Node,
    diags: &mut Diagnostics,
) -> Option<(HeaderName, TextMatch, Span)> {
    let mut fields = Fields::of(node, "headers", diags)?;
    let name = fields.required("name", spanned(header_name));
    let text = text(&mut fields, 4096);
    let name = name?;
    Some((name.value, text?, name.span))
}

/// `queryParams` of a match.
pub(super) fn query(node: &Node, diags: &mut Diagnostics) -> Option<(Arc<str>, TextMatch, Span)> {
    let mut fields = Fields::of(node, "queryParams", diags)?;
    let help = "use letters, digits and `-`; the name is compared after decoding";
    let name = fields.required(
        "name",
        spanned(parsed(token, "is not the name of a parameter", help)),
    );
    let text = text(&mut fields, 1024);
    let name = name?;
    Some((name.value, text?, name.span))
}

/// The CRD wants the names of parameters to be like those of headers.
fn token(text: &str) -> Option<Arc<str>> {
    let valid = text.len() <= 256 && HeaderName::from_bytes(text.as_bytes()).is_ok();
    valid.then(|| text.into())
}

/// `type` and `value`.
fn text(fields: &mut Fields<'_, '_>, longest: usize) -> Option<TextMatch> {
    let typed = fields.has("type");
    let regex = fields.optional("type", choice(TYPES));
    if typed && regex.is_none() {
        fields.ignored("value");
        return None;
    }
    fields.required("value", |node, diags| {
        let value = string_of(1..=longest)(node, diags)?;
        if regex == Some(true) {
            return self::regex(node, diags).map(TextMatch::Regex);
        }
        Some(TextMatch::Exact((*value).into()))
    })
}

/// A regular expression, which has to match whole values.
pub(super) fn regex(node: &Node, diags: &mut Diagnostics) -> Option<Regex> {
    let pattern = string(node, diags)?;
    pattern_of(node, &pattern, diags)
}

/// The same of a text that was made of what stands in a node.
pub(super) fn pattern_of(node: &Node, pattern: &str, diags: &mut Diagnostics) -> Option<Regex> {
    let why = match route::whole(pattern) {
        Ok(regex) => return Some(regex),
        Err(regex::Error::Syntax(text)) => {
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
        Err(_) => "it is too large".to_owned(),
    };
    invalid(
        node,
        "is not a regular expression that can be used",
        &why,
        diags,
    );
    None
}

/// A name may be asked for once; a second condition on it would have to be left out (Gateway API), which helps nobody.
pub(super) fn distinct<N: PartialEq + AsRef<str>, T>(
    items: Vec<(N, T, Span)>,
    diags: &mut Diagnostics,
) -> Vec<(N, T)> {
    let mut kept: Vec<(N, T, Span)> = Vec::new();
    for (name, item, span) in items {
        if let Some((_, _, first)) = kept.iter().find(|(it, _, _)| *it == name) {
            let message = format!("{} is here twice", quoted(name.as_ref()));
            let error = Diagnostic::error("duplicate-entry", message).at(span);
            let error = error.related(*first, "the first time");
            diags.push(error.help("remove one of the two"));
            continue;
        }
        kept.push((name, item, span));
    }
    kept.into_iter()
        .map(|(name, item, _)| (name, item))
        .collect()
}
