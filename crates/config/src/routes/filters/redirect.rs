//! The `RequestRedirect` and `URLRewrite` filters.

use countersign_core::filter::{PathEdit, Redirect, Rewrite};
use http::StatusCode;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{Fields, choice, port, precise_hostname, string_of};
use crate::routes::paths::LONGEST;
use crate::yaml::Node;

const STATUSES: [(&str, StatusCode); 5] = [
    ("301", StatusCode::MOVED_PERMANENTLY),
    ("302", StatusCode::FOUND),
    ("303", StatusCode::SEE_OTHER),
    ("307", StatusCode::TEMPORARY_REDIRECT),
    ("308", StatusCode::PERMANENT_REDIRECT),
];

/// `prefix`: what the rule matches, if that is one prefix.
pub(super) fn redirect(
    node: &Node,
    prefix: Option<&str>,
    diags: &mut Diagnostics,
) -> Option<Redirect> {
    let schemes = [("http", "http"), ("https", "https")];
    let mut fields = Fields::of(node, "requestRedirect", diags)?;
    let scheme = fields.optional("scheme", choice(&schemes));
    let host = fields.optional("hostname", precise_hostname);
    let port = fields.optional("port", port);
    let status = fields.optional("statusCode", choice(&STATUSES));
    let path = fields.optional("path", |node, diags| path(node, prefix, diags));
    Some(Redirect {
        scheme,
        host: host.map(|it| (*it).into()),
        port,
        path,
        status: status.unwrap_or(StatusCode::FOUND),
    })
}

/// See [`redirect`].
pub(super) fn rewrite(
    node: &Node,
    prefix: Option<&str>,
    diags: &mut Diagnostics,
) -> Option<Rewrite> {
    let mut fields = Fields::of(node, "urlRewrite", diags)?;
    let host = fields.optional("hostname", precise_hostname);
    let path = fields.optional("path", |node, diags| path(node, prefix, diags));
    Some(Rewrite {
        host: host.map(|it| (*it).into()),
        path,
    })
}

/// `HTTPPathModifier`.
fn path(node: &Node, prefix: Option<&str>, diags: &mut Diagnostics) -> Option<PathEdit> {
    let types = [
        ("ReplaceFullPath", "replaceFullPath"),
        ("ReplacePrefixMatch", "replacePrefixMatch"),
    ];
    let mut fields = Fields::of(node, "path", diags)?;
    let field = fields.required("type", choice(&types));
    for (name, other) in types.iter().filter(|(_, other)| Some(*other) != field) {
        fields.ignored(other);
        if let Some(key) = fields
            .key(other)
            .filter(|_| field.is_some() && fields.has(other))
        {
            let message = format!("`{other}` goes with `type: {name}` only");
            let error = Diagnostic::error("one-of", message).at(key);
            fields
                .diags()
                .push(error.help("change `type`, or remove the field"));
        }
    }
    let field = field?;
    let to = fields.required(field, string_of(0..=LONGEST))?;
    if field == "replaceFullPath" {
        return Some(PathEdit::Full((*to).into()));
    }
    let Some(prefix) = prefix else {
        let message = "`ReplacePrefixMatch` needs a rule with exactly one match, of a path prefix";
        let error = Diagnostic::error("prefix-not-matched", message).at(node.span);
        let help = "give each prefix a rule of its own, or use `ReplaceFullPath`";
        fields.diags().push(error.help(help));
        return None;
    };
    Some(PathEdit::Prefix {
        from: prefix.into(),
        to: (*to).into(),
    })
}
