//! Files of cases, read with every error in its place.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_config::diagnostic::{Diagnostic, Diagnostics, quoted};
use countersign_config::read::{Fields, any_string, boolean, int_in, invalid, list, port, string};
use countersign_config::source::{FileId, Files, Span};
use countersign_config::yaml::{self, Node};
use countersign_core::{Reason, UnixTime};

use super::expect::{Expect, Upstream};
use super::fields::{address, claims, expected_headers, headers, tls};
use super::{Case, KeyEntry, Keys, RequestForm, Suite};
use crate::keys::Whose;
use crate::request::{Ask, Credential};

/// Reads one file, YAML or JSON. Whatever is wrong is in `diags`. `moment` reads a time as the command line does.
pub fn read(
    files: &Files,
    file: FileId,
    moment: &dyn Fn(&str) -> Option<u64>,
    diags: &mut Diagnostics,
) -> Option<Suite> {
    let documents = yaml::parse(files, file, diags);
    match documents.as_slice() {
        [document] => suite(&document.node, moment, diags),
        [] => {
            if !diags.has_errors() {
                let message = format!("{} has no cases", quoted(&files.name(file)));
                let error = Diagnostic::error("no-cases", message);
                diags.push(error.help("write `policies:` and `cases:`"));
            }
            None
        }
        [_, second, ..] => {
            let message = "a file of cases is one document, and here begins another";
            let error = Diagnostic::error("several-documents", message).at(second.node.span);
            diags.push(error.help("put the cases into a file of their own"));
            None
        }
    }
}

fn suite(
    node: &Node,
    moment: &dyn Fn(&str) -> Option<u64>,
    diags: &mut Diagnostics,
) -> Option<Suite> {
    // A single request is a file as well.
    if node.child("request").is_some() || node.child("cases").is_none() && is_request(node) {
        return single(node, diags);
    }
    let mut fields = Fields::of(node, "the file of cases", diags)?;
    let policies = fields.list("policies", string);
    let inline = fields.optional("inline", string);
    let time = fields.optional("time", |node, diags| time(node, moment, diags));
    let keys = fields.list("keys", key_entry);
    let cases = fields.required("cases", list(case));
    fields.finish();
    let cases = cases?;
    distinct(&cases, diags);
    Some(Suite {
        policies,
        inline,
        time,
        keys,
        cases,
    })
}

/// The form that `explain` takes as well: one case, or what stands under `request`.
fn single(node: &Node, diags: &mut Diagnostics) -> Option<Suite> {
    let (at, unnamed) = (node.span, Arc::from("request"));
    let case = match node.child("request") {
        Some(_) => {
            let mut fields = Fields::of(node, "the case", diags)?;
            let name = fields.optional("name", string);
            let request = fields.required("request", request);
            let expect = fields.optional("expect", expect).unwrap_or_default();
            Case {
                name: name.unwrap_or(unnamed),
                at,
                request: request?,
                expect,
            }
        }
        None => Case {
            name: unnamed,
            at,
            request: request(node, diags)?,
            expect: Expect::default(),
        },
    };
    Some(Suite {
        cases: vec![case],
        ..Suite::default()
    })
}

fn is_request(node: &Node) -> bool {
    [
        "method", "url", "host", "path", "headers", "claims", "token",
    ]
    .iter()
    .any(|name| node.child(name).is_some())
}

/// A failing case is looked for by its name.
fn distinct(cases: &[Case], diags: &mut Diagnostics) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for case in cases {
        if let Some(first) = seen.insert(&case.name, case.at) {
            let message = format!("two cases are named {}", quoted(&case.name));
            let error = Diagnostic::error("duplicate-case", message).at(case.at);
            let error = error.related(first, "the first one");
            diags.push(error.help("give each a name of its own"));
        }
    }
}

fn time(
    node: &Node,
    moment: &dyn Fn(&str) -> Option<u64>,
    diags: &mut Diagnostics,
) -> Option<UnixTime> {
    let read = node.text().and_then(moment);
    if read.is_none() {
        let help = "write seconds since 1970, or such as `2026-11-25T15:00:00Z`";
        invalid(node, "is not a time", help, diags);
    }
    read.map(UnixTime)
}

fn key_entry(node: &Node, diags: &mut Diagnostics) -> Option<KeyEntry> {
    let mut fields = Fields::of(node, "keys", diags)?;
    let whose = fields.exactly_one(&["issuer", "url"]);
    let issuer = fields.optional("issuer", string);
    let url = fields.optional("url", string);
    let given = fields.exactly_one(&["jwks", "file", "unavailable"]);
    let jwks = fields.optional("jwks", string);
    let file = fields.optional("file", string);
    let unavailable = fields.optional("unavailable", boolean);
    whose.and(given)?;
    let keys = match (jwks, file, unavailable) {
        (Some(jwks), _, _) => Keys::Inline(jwks),
        (_, Some(file), _) => Keys::File(file),
        (_, _, Some(true)) => Keys::Unavailable,
        _ => return None,
    };
    let whose = match (issuer, url) {
        (Some(issuer), _) => Whose::Issuer(issuer.to_string()),
        (_, Some(url)) => Whose::Url(url.to_string()),
        _ => return None,
    };
    Some(KeyEntry { whose, keys })
}

fn case(node: &Node, diags: &mut Diagnostics) -> Option<Case> {
    let mut fields = Fields::of(node, "cases", diags)?;
    let name = fields.required("name", string);
    let request = fields.required("request", request);
    let expect = fields.optional("expect", expect).unwrap_or_default();
    Some(Case {
        name: name?,
        at: node.span,
        request: request?,
        expect,
    })
}

fn request(node: &Node, diags: &mut Diagnostics) -> Option<RequestForm> {
    let mut fields = Fields::of(node, "request", diags)?;
    let mut ask = Ask::default();
    let url = fields.optional("url", url);
    if fields.has("url") && (fields.has("host") || fields.has("path")) {
        let at = fields.key("url").unwrap_or(fields.span());
        let error = Diagnostic::error("one-of", "`url` says host and path already").at(at);
        fields
            .diags()
            .push(error.help("keep `url`, or `host` and `path`"));
    }
    if let Some(url) = url {
        (ask.host, ask.target, ask.door) = (url.host, url.target, url.door);
    }
    let own = |text: Arc<str>| text.to_string();
    ask.method = fields.optional("method", string).map_or(ask.method, own);
    ask.host = fields.optional("host", any_string).map(own).or(ask.host);
    ask.target = fields.optional("path", any_string).map_or(ask.target, own);
    ask.headers = fields.optional("headers", headers).unwrap_or_default();
    ask.body = fields
        .optional("body", any_string)
        .map(|body| body.as_bytes().to_vec());
    ask.peer = fields.optional("peer", address);
    ask.client = fields.optional("clientIp", address);
    ask.local = fields.optional("destinationIp", address);
    ask.door.port = fields.optional("port", port).or(ask.door.port);
    ask.door.listener = fields.optional("listener", string).map(own);
    let (sni, identity) = fields.optional("tls", tls).unwrap_or_default();
    if sni.is_some() || identity.is_some() {
        ask.door.tls = Some(true);
    }
    (ask.sni, ask.identity) = (sni.map(own), identity);
    let token = fields.optional("token", secret).map(own);
    ask.credentials.extend(token.map(Credential::Token));
    ask.credentials
        .extend(fields.optional("claims", claims).map(Credential::Claims));
    let token_file = fields.optional("tokenFile", string);
    Some(RequestForm { ask, token_file })
}

fn url(node: &Node, diags: &mut Diagnostics) -> Option<Ask> {
    let text = string(node, diags)?;
    let mut ask = Ask::default();
    match ask.url(&text) {
        Ok(()) => Some(ask),
        Err(bad) => {
            let help = bad.help.unwrap_or_default();
            invalid(node, "is no URL of a request", &help, diags);
            None
        }
    }
}

fn secret(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    diags.withhold(node.span);
    string(node, diags)
}

fn expect(node: &Node, diags: &mut Diagnostics) -> Option<Expect> {
    let mut fields = Fields::of(node, "expect", diags)?;
    let challenge = nullable(&mut fields, "challenge", node);
    let upstream_null = node.child("upstream").is_some_and(Node::is_null);
    let upstream = fields.optional("upstream", upstream);
    Some(Expect {
        status: fields.optional("status", int_in(100..=599)),
        reason: fields.optional("reason", reason),
        rule: fields.optional("rule", string),
        route: fields.optional("route", string),
        backend: fields.optional("backend", string),
        body: fields.optional("body", any_string),
        challenge,
        location: fields.optional("location", string),
        upstream: match upstream {
            Some(upstream) => Some(Some(upstream)),
            None if upstream_null => Some(None),
            None => None,
        },
    })
}

/// A text that may be expected not to be there.
fn nullable(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    node: &Node,
) -> Option<Option<Arc<str>>> {
    let value = fields.optional(name, any_string);
    match node.child(name) {
        Some(node) if node.is_null() => Some(None),
        _ => value.map(Some),
    }
}

fn upstream(node: &Node, diags: &mut Diagnostics) -> Option<Upstream> {
    let mut fields = Fields::of(node, "expect.upstream", diags)?;
    Some(Upstream {
        method: fields.optional("method", string),
        path: fields.optional("path", string),
        headers: fields
            .optional("headers", expected_headers)
            .unwrap_or_default(),
    })
}

/// One of the codes that there are: another could never be met.
fn reason(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let text = string(node, diags)?;
    let known = Reason::all().iter().any(|it| it.code() == &*text);
    if !known {
        invalid(
            node,
            "is no reason",
            "`docs/reasons.md` lists them all",
            diags,
        );
    }
    known.then_some(text)
}
