//! What becomes of a request that may pass: what a backend gets, or where the client is sent.

use countersign_config::compiled::{Compiled, SocketSettings};
use countersign_core::authn::Requirement;
use countersign_core::filter::Filters;
use countersign_core::listener::Listener;
use countersign_core::source::Source;
use countersign_core::{Action, Denial, Grant, Reason, headers};
use http::header::{EXPECT, HeaderMap, LOCATION};
use http::request::Parts;

use crate::answer::{Removal, Reply, Seen, Upstream, Verdict};

/// What is known of a granted request.
pub(crate) struct Way<'a, 'c> {
    pub(crate) compiled: &'c Compiled,
    pub(crate) grant: &'a Grant<'c>,
    pub(crate) seen: &'a Seen,
    /// As the client sent it.
    pub(crate) original: &'a Parts,
    pub(crate) port: u16,
    pub(crate) settings: &'c SocketSettings,
    pub(crate) body: &'a [u8],
}

pub(crate) struct Made {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    pub(crate) reply: Option<Reply>,
    pub(crate) upstream: Option<Upstream>,
}

/// Does what the grant says.
///
/// # Errors
/// A refusal that comes after every policy has passed.
pub(crate) fn make(way: &Way<'_, '_>) -> Result<Made, Denial> {
    let filters = &way.grant.rule.filters;
    match (way.grant.action, &filters.cors, &filters.redirect) {
        (Action::Preflight, Some(cors), _) => {
            let headers = cors.preflight(&way.seen.parts.headers);
            let reply = reply(Reason::Preflight.status().as_u16(), &headers);
            Ok(own(Verdict::Preflight, Reason::Preflight, reply))
        }
        (Action::Redirect, _, Some(redirect)) => {
            let mut parts = way.seen.parts.clone();
            way.grant.edits.clone().apply(&mut parts);
            let prepared = &way.seen.prepared;
            let (path, query) = (parts.uri.path(), parts.uri.query());
            let location =
                redirect.location(prepared.scheme, &prepared.authority, way.port, path, query);
            let location = location.try_into();
            let location = location.map_err(|_| {
                Denial::because(Reason::BadRequest, "the redirect is no valid header")
            })?;
            let headers = HeaderMap::from_iter([(LOCATION, location)]);
            let reply = reply(redirect.status.as_u16(), &headers);
            Ok(own(Verdict::Redirect, Reason::Redirect, reply))
        }
        _ => forward(way),
    }
}

fn own(verdict: Verdict, reason: Reason, reply: Reply) -> Made {
    Made {
        verdict,
        reason,
        reply: Some(reply),
        upstream: None,
    }
}

fn reply(status: u16, headers: &HeaderMap) -> Reply {
    Reply {
        status,
        headers: pairs(headers),
        body: String::new(),
    }
}

pub(crate) fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    pairs
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

fn forward(way: &Way<'_, '_>) -> Result<Made, Denial> {
    let (rule, snapshot) = (way.grant.rule, &way.compiled.snapshot);
    if way
        .settings
        .limits
        .body_bytes
        .is_some_and(|most| way.body.len() as u64 > most)
    {
        let detail = "its body is beyond the listener's limit";
        return Err(Denial::because(Reason::BodyTooLarge, detail));
    }
    // The first that gets a share stands for them all; the others are named.
    let weighted = rule.backends.iter().filter(|it| it.weight > 0);
    let resolved = weighted.clone().find(|it| it.backend.is_some());
    let backend = resolved.ok_or_else(|| Denial {
        origin: Some(rule.origin.clone()),
        ..Denial::because(Reason::NoBackend, "no share of the requests has a backend")
    })?;
    let mut parts = way.seen.parts.clone();
    way.grant.edits.clone().apply(&mut parts);
    filter(&mut parts, &rule.filters)?;
    filter(&mut parts, &backend.filters)?;
    let prepared = &way.seen.prepared;
    let listener = snapshot.listener(prepared.listener);
    let trusted = listener.is_some_and(|it| it.proxies.trusts(prepared.peer));
    headers::forward(&mut parts.headers, prepared.peer, prepared.scheme, trusted);
    parts.headers.remove(EXPECT);
    let name = |id| snapshot.backend(id).map(|it| it.name.clone());
    let backends = weighted.map(|it| (it.backend.and_then(name), it.weight));
    let edits = &way.grant.edits;
    Ok(Made {
        verdict: Verdict::Forward,
        reason: Reason::Ok,
        reply: None,
        upstream: Some(Upstream {
            backends: backends.collect(),
            method: parts.method.to_string(),
            target: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: pairs(&parts.headers),
            removed: listener.map_or_else(Vec::new, |it| removed(way, it, &parts.headers)),
            identity: edits
                .identity
                .iter()
                .map(|(name, _)| name.to_string())
                .collect(),
            private: private(way),
        }),
    })
}

fn filter(parts: &mut Parts, filters: &Filters) -> Result<(), Denial> {
    filters.request_headers.apply(&mut parts.headers);
    if let Some(rewrite) = &filters.rewrite {
        let bad = rewrite.apply(parts);
        bad.map_err(|bad| Denial::because(Reason::BadPath, &bad.to_string()))?;
    }
    Ok(())
}

/// The client's headers that are not among those of the backend.
fn removed(way: &Way<'_, '_>, listener: &Listener, left: &HeaderMap) -> Vec<(String, Removal)> {
    let cleaned = &way.seen.parts.headers;
    let edits = &way.grant.edits;
    let mut removed = Vec::new();
    for name in way.original.headers.keys() {
        let why = if !cleaned.contains_key(name) {
            match is_of_connection(&way.original.headers, name.as_str())
                && !listener.identity.contains(name.as_str())
            {
                true => Removal::Connection,
                false => Removal::Identity,
            }
        } else if edits.remove_headers.contains(name) {
            Removal::Token
        } else if !left.contains_key(name) {
            Removal::Filter
        } else {
            continue;
        };
        removed.push((name.to_string(), why));
    }
    removed
}

/// RFC 9110 section 7.6.1.
fn is_of_connection(headers: &HeaderMap, name: &str) -> bool {
    const OWN: [&str; 9] = [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let mut named = headers
        .get_all("connection")
        .iter()
        .filter_map(|it| it.to_str().ok());
    OWN.contains(&name)
        || named.any(|line| {
            line.split(',')
                .any(|it| it.trim().eq_ignore_ascii_case(name))
        })
}

/// Where tokens may stand.
fn private(way: &Way<'_, '_>) -> Vec<String> {
    let ids = way.grant.requirements.iter();
    let requirements = ids.filter_map(|id| way.compiled.snapshot.requirement(*id));
    let sources = requirements.flat_map(Requirement::sources);
    let names = sources.map(|source| match source {
        Source::Header { name, .. } | Source::Query(name) => name.to_string(),
        Source::Cookie(_) => "cookie".to_owned(),
    });
    let always = ["authorization", "cookie", "proxy-authorization"].map(str::to_owned);
    always.into_iter().chain(names).collect()
}
