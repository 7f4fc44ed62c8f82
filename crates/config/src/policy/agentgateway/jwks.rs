//! `jwks` of a provider, read and checked by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostics;
use crate::policy::keys::{KeySpec, Remote, Url, backend_ref, key_set};
use crate::policy::tokens::is_url;
use crate::read::{Fields, duration_in, invalid, spanned, string_of};
use crate::yaml::Node;

/// How long keys are good for at least, and by default.
const CACHE: Duration = Duration::from_secs(5 * 60);
const TIMEOUT: Duration = Duration::from_secs(5);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Reads `jwks`.
pub(super) fn jwks(node: &Node, diags: &mut Diagnostics) -> Option<KeySpec> {
    let mut fields = Fields::of(node, "jwks", diags)?;
    match fields.exactly_one(&["inline", "remote"])? {
        "inline" => fields.optional("inline", |node, diags| {
            string_of(2..=65_536)(node, diags)?;
            key_set(node, diags).map(KeySpec::Inline)
        }),
        _ => fields.optional("remote", remote).map(KeySpec::Remote),
    }
}

fn remote(node: &Node, diags: &mut Diagnostics) -> Option<Remote> {
    let mut fields = Fields::of(node, "jwks.remote", diags)?;
    let path = fields.required("jwksPath", path);
    let backend = fields.required("backendRef", spanned(backend_ref));
    let refresh = fields.optional("cacheDuration", duration_in(CACHE..=Duration::MAX));
    fields.finish();
    Some(Remote {
        url: Url::Path(path?),
        backend: backend?,
        refresh: refresh.unwrap_or(CACHE),
        timeout: TIMEOUT,
        retry: None,
        after_failure: AFTER_FAILURE,
    })
}

/// Relative to the root of the server, with or without the slash in front.
fn path(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let path = string_of(1..=2000)(node, diags)?;
    let relative = path.strip_prefix('/').unwrap_or(&path);
    if is_url(&format!("http://host/{relative}")) {
        return Some(path);
    }
    let help = "write it as in `.well-known/jwks.json`";
    invalid(node, "is not the path of a URL", help, diags);
    None
}
