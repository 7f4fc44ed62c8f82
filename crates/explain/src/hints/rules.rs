//! Hints about rules that did not match, where their author may have thought that they do.

use std::sync::Arc;

use countersign_core::authz::{Action, Clause, RequestPrincipal, Test, Text};
use countersign_core::host;
use countersign_core::origin::Origin;
use countersign_jose::Value;

use super::{Failure, Hint, Scene, hint};
use crate::events;

/// Of ALLOW rules where nothing was allowed, of DENY rules where nothing was denied.
pub(super) fn hints(scene: &Scene<'_>) -> Vec<Hint> {
    let action = match scene.answer.is_allowed() {
        true => Action::Deny,
        false => Action::Allow,
    };
    let failures = scene.failures(action);
    let each = failures.iter().filter(|it| !it.clause.negated);
    each.flat_map(|failure| {
        let found = [
            middle_star(failure),
            claim_kind(scene, failure),
            unsplit(scene, failure),
            subject(scene, failure),
            principal_url(failure),
            method_case(scene, failure),
            addresses(scene, failure),
            certificate(scene, failure),
            other_names(scene, failure),
            with_port(scene, failure),
            like_path(scene, failure),
        ];
        found.into_iter().flatten()
    })
    .collect()
}

/// The values of a list that are compared as texts.
fn texts(clause: &Clause) -> &[Text] {
    match &clause.test {
        Test::Principals(texts)
        | Test::TrustDomains(texts)
        | Test::Sni(texts)
        | Test::Hosts(texts)
        | Test::Methods(texts)
        | Test::Paths(texts, _)
        | Test::Header(_, texts)
        | Test::Claim(_, texts) => texts,
        _ => &[],
    }
}

fn middle_star(failure: &Failure<'_>) -> Option<Hint> {
    let inner = |text: &&Text| match text {
        Text::Exact(it) | Text::Prefix(it) | Text::Suffix(it) => it.contains('*'),
        Text::Present => false,
    };
    let value = texts(failure.clause).iter().find(inner)?;
    let text = format!(
        "in `{value}` only a `*` at the very start, or else at the very end, stands for anything; any other is a plain character"
    );
    Some(hint("middle-star", text, Some(failure.origin)))
}

/// The claim that a list is about, in an accepted token.
fn claim<'a>(scene: &Scene<'a>, path: &[Box<str>]) -> Option<Value<'a>> {
    events::accepted(scene.answer)
        .into_iter()
        .find_map(|claims| claims.path(path))
}

fn claim_kind(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Claim(path, _) = &failure.clause.test else {
        return None;
    };
    let value = claim(scene, path)?;
    let kind = match value {
        Value::Bool(_) | Value::Number(_) | Value::Null => value.kind(),
        Value::Object(_) => "object",
        Value::String(_) | Value::List(_) => return None,
    };
    let text = format!(
        "the claim `{}` is a {kind}, and policies compare texts and lists of texts only",
        path.join(".")
    );
    Some(hint(
        "claim-kind",
        text.replace("a object", "an object"),
        Some(failure.origin),
    ))
}

/// Text claims are one value, but for those that are split at spaces.
fn unsplit(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Claim(path, values) = &failure.clause.test else {
        return None;
    };
    let text = claim(scene, path)?.as_str()?;
    let mut words = text.split([' ', ',']).filter(|word| *word != text);
    let word = words.find(|word| values.iter().any(|it| it.matches(word)))?;
    let text = format!(
        "the claim `{}` is one text and not a list that has `{word}`: only `scope`, `permission` and `spaceDelimitedClaims` are \
         split, at spaces",
        path.join(".")
    );
    Some(hint("claim-not-split", text, Some(failure.origin)))
}

fn subject(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::RequestPrincipals(_) = &failure.clause.test else {
        return None;
    };
    let accepted = events::accepted(scene.answer);
    let nobody = accepted
        .iter()
        .any(|it| it.subject().is_none_or(str::is_empty));
    nobody.then(|| {
        let text = "the token names no subject (`sub`), and `requestPrincipals` matches only who has an issuer and a subject";
        hint("no-subject", text, Some(failure.origin))
    })
}

/// Split at the last slash, `https://idp*` is an issuer `https:/`.
fn principal_url(failure: &Failure<'_>) -> Option<Hint> {
    let Test::RequestPrincipals(principals) = &failure.clause.test else {
        return None;
    };
    let broken = |it: &&RequestPrincipal| matches!(&it.issuer, Text::Exact(issuer) if matches!(&**issuer, "https:/" | "http:/"));
    let broken = principals.iter().find(broken)?;
    let text = format!(
        "`{}/{}` is split at its last slash into an issuer and a subject, so it matches no issuer at all; write the whole \
         issuer and `/*`",
        broken.issuer, broken.subject
    );
    Some(hint("principal-url", text, Some(failure.origin)))
}

fn method_case(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Methods(values) = &failure.clause.test else {
        return None;
    };
    let method = scene.parts.method.as_str();
    let value = values
        .iter()
        .find(|it| it.to_string().eq_ignore_ascii_case(method))?;
    let text = format!("`{value}` is not `{method}`: methods are compared with their capitals");
    Some(hint("method-case", text, Some(failure.origin)))
}

/// The connection's other end is taken for the client, or the client for whom a proxy speaks.
fn addresses(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let (peer, client) = (scene.prepared.peer, scene.prepared.client);
    let forwarded = scene.header("x-forwarded-for");
    let text = match &failure.clause.test {
        Test::PeerAddresses(nets) => {
            let told = forwarded.into_iter().flat_map(|it| it.split(','));
            let mut told = told.filter_map(|it| it.trim().parse().ok()).chain([client]);
            let meant = told.find(|it| *it != peer && nets.iter().any(|net| net.contains(it)))?;
            format!(
                "`ipBlocks` is about the connection's other end, {peer}, and not about {meant}, for whom it speaks; that is \
                 `remoteIpBlocks`"
            )
        }
        Test::ClientAddresses(_) if forwarded.is_some() && client == peer => {
            let trusted = scene.answer.listener.map_or(0, |it| it.proxies.hops);
            let why = match trusted {
                0 => "no proxy is trusted here (`numTrustedProxies` is 0)".to_owned(),
                hops => {
                    format!("{peer} is no trusted proxy, or fewer than {hops} addresses are told")
                }
            };
            format!("`X-Forwarded-For` is not believed, because {why}; the client is {peer}")
        }
        _ => return None,
    };
    Some(hint("address-kind", text, Some(failure.origin)))
}

/// A certificate without a URI name: Istio compares `spiffe://` and the value with its other names.
fn other_names(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Principals(_) = &failure.clause.test else {
        return None;
    };
    let none = !scene.answer.principals.is_empty() && scene.answer.uri_names == 0;
    none.then(|| {
        let text = "the client's certificate has no URI name, and its DNS names or subject match no principal but `*`";
        hint("no-uri-name", text, Some(failure.origin))
    })
}

/// Names of certificates where nobody showed one.
fn certificate(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let about_certificates = matches!(
        failure.clause.test,
        Test::Principals(_)
            | Test::Namespaces(_)
            | Test::ServiceAccounts(_)
            | Test::TrustDomains(_)
    );
    let clear = scene.prepared.scheme == "http";
    (about_certificates && clear).then(|| {
        let text = format!(
            "{} is about a client certificate, and nobody can show one on port {}, which has no TLS; the caller of a token is \
             `requestPrincipals`",
            failure.clause.field, scene.answer.port
        );
        hint("no-certificate", text, Some(failure.origin))
    })
}

/// An ALLOW host without a port, and a client that names one.
fn with_port(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Hosts(values) = &failure.clause.test else {
        return None;
    };
    let authority = scene.prepared.authority.to_ascii_lowercase();
    let bare = host::without_port(&authority);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    let value = values
        .iter()
        .find(|it| it.matches(bare) && bare != authority)?;
    let text = format!(
        "`hosts` is compared with all that the client names, `{authority}`, and `{value}` is without the port; write \
         `{bare}:*` beside it"
    );
    Some(hint("host-port", text, Some(failure.origin)))
}

/// A path that servers may take for one of the rule's.
fn like_path(scene: &Scene<'_>, failure: &Failure<'_>) -> Option<Hint> {
    let Test::Paths(values, _) = &failure.clause.test else {
        return None;
    };
    let path = scene.parts.uri.path();
    let folded = folded(path);
    let near = |it: &&Text| it.matches(&folded) && !it.matches(path);
    let lower = |it: &&Text| {
        matches!(it, Text::Exact(own) | Text::Prefix(own) if folded.starts_with(&*own.to_ascii_lowercase()) && !it.matches(path))
            && near_length(it, &folded)
    };
    let value = values.iter().find(|it| near(it) || lower(it))?;
    Some(path_hint(scene, value, path, failure.origin))
}

fn near_length(text: &Text, folded: &str) -> bool {
    match text {
        Text::Exact(own) => own.len() == folded.len(),
        _ => true,
    }
}

fn path_hint(scene: &Scene<'_>, value: &Text, path: &str, origin: &Arc<Origin>) -> Hint {
    let advice = match scene.answer.is_allowed() {
        true => "; a DENY rule on paths is passed by in such ways, an ALLOW rule is not",
        false => "",
    };
    let text = format!(
        "`{path}` is not `{value}`, though some servers take them for the same: slashes, capitals, parameters and escapes \
         count{advice}"
    );
    hint("path-like", text, Some(origin))
}

/// A path without what some servers do not look at.
fn folded(path: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let segments = decoded
        .split('/')
        .map(|it| it.split(';').next().unwrap_or_default());
    let segments: Vec<&str> = segments.filter(|it| !it.is_empty()).collect();
    format!("/{}", segments.join("/")).to_ascii_lowercase()
}
