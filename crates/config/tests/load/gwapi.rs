//! The Gateway API's conformance cases, decided on what their manifests compile to.
//!
//! Manifests stand as they are. Their Gateways all want port 80, so each gets an address of its own; the certificates that
//! the suite's harness makes are made here.

use std::fmt::Write as _;

use countersign_config::compiled::Compiled;
use countersign_config::source::Text;
use countersign_config::{Loaded, load};
use countersign_core::backend::{AppProtocol, Ca};
use countersign_core::id::{ListenerId, SocketId};
use countersign_core::listener::Socket;
use countersign_core::route::RouteRule;
use countersign_core::{
    Action, Arrival, Connection, Facts, Keys, Outcome, Presented, ProviderId, Request, UnixTime,
    decide, prepare,
};
use countersign_testkit::corpus::{cases, shared};
use countersign_testkit::tls::Authority;
use http::StatusCode;
use serde_json::Value;

use super::support::accepted;

/// Cases that ask for what is refused here, with the code that refuses it.
const UNSUPPORTED: [(&str, &str); 2] = [
    ("ListenerSetDualParentRefIndependence", "unsupported-kind"),
    (
        "ListenerSetGatewayParentSectionNameNotFound",
        "unsupported-kind",
    ),
];

/// Cases that handshakes decide, before there is a request; ports and how many authorities they check clients with.
type Checked = &'static [(u16, Option<usize>)];
const HANDSHAKES: [(&str, Checked); 2] = [
    (
        "GatewayFrontendInvalidDefaultClientCertificateValidation",
        &[(443, Some(0)), (80, None)],
    ),
    (
        "GatewayFrontendClientCertificateValidation",
        &[(443, Some(1)), (8443, Some(1))],
    ),
];

#[test]
fn every_case_is_decided_as_the_suite_expects() {
    let all: Vec<Value> = cases("gwapi/cases.jsonl");
    let mut played = 0;
    for case in &all {
        let name = case["test"].as_str().unwrap();
        let loaded = load_case(case, |_| true);
        if let Some((_, code)) = UNSUPPORTED.iter().find(|(it, _)| *it == name) {
            let refused = loaded.diagnostics.errors().any(|it| it.code == *code);
            assert!(refused, "{name} is supported now: play it");
            continue;
        }
        let compiled = accepted(loaded);
        if let Some((_, want)) = HANDSHAKES.iter().find(|(it, _)| *it == name) {
            let own = compiled
                .sockets
                .iter()
                .filter(|it| &*it.origin.name != "same-namespace");
            let clients =
                own.map(|it| (it.port, it.clients.as_ref().map(|it| it.authorities.len())));
            let clients: Vec<_> = clients.collect();
            assert!(
                want.iter().all(|it| clients.contains(it)),
                "{name}: {clients:?}"
            );
            continue;
        }
        for request in case["requests"].as_array().unwrap() {
            let id = &request["id"];
            // The suite takes the grant away before this one.
            let got = if id == "httproute-reference-grant.go:76" {
                let loaded = load_case(case, |document| !document.contains("kind: ReferenceGrant"));
                play(&accepted(loaded), request)
            } else {
                play(&compiled, request)
            };
            let wrong = check(&got, request);
            assert!(wrong.is_empty(), "{name} {id}: {wrong}\n{request}\n{got:?}");
            played += 1;
        }
    }
    assert!(all.is_empty() || played > 100, "{played}");
}

/// Manifests of tests that are not played still say nothing that crashes, and nothing that is misread as unknown.
#[test]
fn no_manifest_has_an_unknown_field() {
    let Some(folder) = shared("conformance/gwapi/manifests") else {
        return;
    };
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let content = std::fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let loaded = load(vec![Text { name, content }], &|_| None);
        for error in loaded.diagnostics.errors() {
            let known = !["unknown-field", "wrong-type", "unknown-kind"].contains(&error.code);
            assert!(known, "{}: {}", path.display(), error.message);
        }
    }
}

/// Loads the documents of a case that are to be there.
fn load_case(case: &Value, keep: impl Fn(&str) -> bool) -> Loaded {
    let mut address = 0;
    let mut texts = vec![Text {
        name: "made.yaml".into(),
        content: made(),
    }];
    for file in case["yaml_file"].as_array().unwrap() {
        let name = file.as_str().unwrap();
        let path = shared(&format!("conformance/gwapi/{name}")).unwrap();
        let mut content = String::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            content.push_str(line);
            content.push('\n');
            if line.starts_with("  gatewayClassName:") {
                address += 1;
                let _ = writeln!(content, "  addresses: [{{value: 127.0.0.{address}}}]");
            }
        }
        let documents: Vec<&str> = content.split("---\n").filter(|it| keep(it)).collect();
        texts.push(Text {
            name: name.to_owned(),
            content: documents.join("---\n"),
        });
    }
    load(texts, &|_| None)
}

/// What the harness makes: a certificate for the listeners and a CA for the backends.
fn made() -> String {
    let authority = Authority::new("harness");
    let identity = authority.issue(&["*", "*.org"]);
    let namespace = "gateway-conformance-infra";
    let secret = super::backends::secret(
        namespace,
        "tls-validity-checks-certificate",
        &identity.certificate,
        &identity.key,
    );
    let authorities = [
        "tls-checks-ca-certificate",
        "tls-validity-checks-ca-certificate",
        "tls-validity-checks-per-port-ca-certificate",
    ];
    let authorities =
        authorities.map(|name| super::backends::config_map(namespace, name, &authority.pem()));
    secret + &authorities.concat()
}

/// What became of a request.
#[derive(Debug, Default)]
struct Got {
    status: u16,
    /// Services that may get it.
    backends: Vec<String>,
    protocols: Vec<AppProtocol>,
    mirrors: Vec<String>,
    location: Option<String>,
    path: String,
    headers: http::HeaderMap,
}

fn play(compiled: &Compiled, request: &Value) -> Got {
    let (http, port) = parts(request);
    let gateway = request["gateway"]
        .as_str()
        .unwrap_or("gateway-conformance-infra/same-namespace");
    let (id, socket) = socket(compiled, gateway, port);
    let sni = request["request"]["sni"].as_str();
    let connection = Connection {
        peer: ([192, 0, 2, 1], 40_000).into(),
        local: ([192, 0, 2, 9], port).into(),
        sni,
        tls: None,
        identity: None,
    };
    let arrival = Arrival {
        socket: id,
        tls: sni.and_then(|sni| by_sni(compiled, socket, sni)),
        connection,
    };
    let snapshot = &compiled.snapshot;
    let mut parts = http.into_parts().0;
    let prepared = match prepare(snapshot, &arrival, &mut parts) {
        Ok(prepared) => prepared,
        Err(denial) => return status(denial.reason.status()),
    };
    let seen = Request::new(&parts, &prepared, connection);
    match decide(&seen, snapshot, &NoFacts, UnixTime(0)).outcome {
        Outcome::Deny(denial) => status(denial.reason.status()),
        Outcome::Need(need) => panic!("{need:?}"),
        Outcome::Allow(grant) => match grant.action {
            Action::Preflight => status(StatusCode::OK),
            Action::Redirect => {
                let redirect = grant.rule.filters.redirect.as_ref().unwrap();
                let location = redirect.location(
                    seen.scheme,
                    seen.authority,
                    socket.port,
                    seen.path,
                    seen.query,
                );
                Got {
                    location: Some(location),
                    ..status(redirect.status)
                }
            }
            Action::Forward => forward(compiled, grant.rule, parts.clone()),
        },
    }
}

fn status(status: StatusCode) -> Got {
    Got {
        status: status.as_u16(),
        ..Got::default()
    }
}

/// What the backends would see; they all do well.
fn forward(compiled: &Compiled, rule: &RouteRule, mut parts: http::request::Parts) -> Got {
    let name = |id| compiled.snapshot.backend(id).unwrap().name.to_string();
    let live = rule.backends.iter().filter(|it| it.weight > 0);
    let found: Vec<_> = live
        .clone()
        .filter_map(|it| compiled.snapshot.backend(it.backend?))
        .collect();
    let broken = |it: &&countersign_core::backend::Backend| {
        it.tls.as_ref().is_some_and(|tls| tls.ca == Ca::Broken)
    };
    let status = if found.is_empty() {
        500
    } else if found.iter().all(broken) {
        503
    } else {
        200
    };
    let filters = std::iter::once(&rule.filters).chain(live.map(|it| &it.filters));
    for filters in filters {
        filters.request_headers.apply(&mut parts.headers);
        if let Some(rewrite) = &filters.rewrite {
            rewrite.apply(&mut parts).unwrap();
        }
    }
    Got {
        status,
        backends: found.iter().map(|it| it.name.to_string()).collect(),
        protocols: found.iter().map(|it| it.protocol).collect(),
        mirrors: rule
            .filters
            .mirrors
            .iter()
            .filter_map(|it| it.backend)
            .map(name)
            .collect(),
        location: None,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
    }
}

/// The request, and the port that it goes to.
fn parts(request: &Value) -> (http::Request<()>, u16) {
    let (mut builder, host) = if let Some(grpc) = request.get("grpc") {
        let service = "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho";
        let known = [("EchoRequest", "Echo"), ("EchoTwoRequest", "EchoTwo")];
        let method = known.iter().find(|(it, _)| grpc.get(it).is_some());
        let method = method.map_or("EchoThree", |(_, method)| method);
        let mut builder = http::Request::post(format!("/{service}/{method}"))
            .header("content-type", "application/grpc");
        let metadata = grpc["RequestMetadata"]["Metadata"].as_object();
        for (name, value) in metadata.into_iter().flatten() {
            builder = builder.header(name, value.as_str().unwrap());
        }
        (builder, "grpc.test")
    } else {
        let request = &request["request"];
        let text = |name: &str| request[name].as_str().unwrap();
        let mut builder = http::Request::builder()
            .method(text("method"))
            .uri(text("path"));
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            builder = builder.header(name, value.as_str().unwrap());
        }
        (builder, request["host"].as_str().unwrap_or("any.test"))
    };
    builder = builder.header("host", host);
    let usual = if request["request"]["scheme"] == "https" {
        443
    } else {
        80
    };
    (
        builder.body(()).unwrap(),
        countersign_core::host::port(host).unwrap_or(usual),
    )
}

/// The socket of a Gateway that a request goes to: the one of its port, or the first, which the suite dials by default.
fn socket<'c>(compiled: &'c Compiled, gateway: &str, port: u16) -> (SocketId, &'c Socket) {
    let sockets = (0..).zip(&compiled.snapshot.sockets).zip(&compiled.sockets);
    let own = sockets.filter(|(_, settings)| {
        let origin = &settings.origin;
        format!("{}/{}", origin.namespace, origin.name) == gateway
    });
    let own: Vec<(u32, &Socket)> = own.map(|(socket, _)| socket).collect();
    let found = own
        .iter()
        .find(|(_, socket)| socket.port == port)
        .or(own.first());
    let (index, socket) = found.unwrap_or_else(|| panic!("no Gateway {gateway}"));
    (SocketId(*index), socket)
}

fn by_sni(compiled: &Compiled, socket: &Socket, sni: &str) -> Option<ListenerId> {
    let matches = |id: &&ListenerId| compiled.snapshot.listener(**id).unwrap().host.matches(sni);
    socket.listeners.iter().find(matches).copied()
}

/// What is not as expected; empty where all is.
fn check(got: &Got, request: &Value) -> String {
    let mut wrong = String::new();
    let mut note = |what: &str| wrong.push_str(&format!("{what}; "));
    if let Some(grpc) = request.get("grpc") {
        let unimplemented = grpc["Response"]["Code"] == "Unimplemented";
        if unimplemented != (got.status == 404) || (!unimplemented && got.status != 200) {
            note("status");
        }
        if !unimplemented && got.protocols.iter().any(|it| *it != AppProtocol::Http2) {
            note("protocol");
        }
        if !grpc["Backend"].is_null() && !reaches(got, &grpc["Backend"], &grpc["Namespace"]) {
            note("backend");
        }
        return wrong;
    }
    let expect = &request["expect"];
    let statuses = expect["status"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![200.into()]);
    // How long a backend takes is not decided here.
    let late = statuses == [504];
    let as_wanted = statuses.contains(&got.status.into()) || (late && got.status == 200);
    if !as_wanted {
        note("status");
    }
    if !expect["backend"].is_null() && got.status == 200 && got.location.is_none() {
        let preflight = got.backends.is_empty();
        if !preflight && !reaches(got, &expect["backend"], &expect["backend_namespace"]) {
            note("backend");
        }
    }
    for mirror in expect["mirrored_to"].as_array().into_iter().flatten() {
        let wanted = mirror["BackendRef"]["Name"].as_str().unwrap();
        if !got
            .mirrors
            .iter()
            .any(|it| it.contains(&format!("/{wanted}:")))
        {
            note("mirror");
        }
    }
    check_forwarded(got, &expect["forwarded"], &mut note);
    check_redirect(got, &expect["redirect"], &mut note);
    wrong
}

fn reaches(got: &Got, name: &Value, namespace: &Value) -> bool {
    let namespace = namespace.as_str().unwrap_or("gateway-conformance-infra");
    let wanted = format!("{namespace}/{}:", name.as_str().unwrap());
    got.backends.iter().any(|it| it.starts_with(&wanted))
}

fn check_forwarded(got: &Got, forwarded: &Value, note: &mut impl FnMut(&str)) {
    if got.status != 200 || got.backends.is_empty() {
        return;
    }
    if forwarded["path"]
        .as_str()
        .is_some_and(|path| path.split('?').next() != Some(&got.path))
    {
        note("forwarded path");
    }
    for (name, value) in forwarded["headers"].as_object().into_iter().flatten() {
        let values: Vec<_> = got
            .headers
            .get_all(name)
            .iter()
            .map(|it| it.to_str().unwrap())
            .collect();
        if values.join(",") != value.as_str().unwrap() {
            note("forwarded header");
        }
    }
    for name in forwarded["absent_headers"].as_array().into_iter().flatten() {
        if got.headers.contains_key(name.as_str().unwrap()) {
            note("absent header");
        }
    }
}

fn check_redirect(got: &Got, redirect: &Value, note: &mut impl FnMut(&str)) {
    if redirect.is_null() {
        return;
    }
    let location: http::Uri = got.location.as_deref().unwrap_or("/none").parse().unwrap();
    let same = |wanted: &Value, is: Option<&str>| wanted.as_str().is_none_or(|it| Some(it) == is);
    if !same(&redirect["scheme"], location.scheme_str()) {
        note("redirect scheme");
    }
    if !same(&redirect["host"], location.host()) {
        note("redirect host");
    }
    if !same(&redirect["path"], Some(location.path())) {
        note("redirect path");
    }
    let port = location.port_u16().map(|it| it.to_string());
    if redirect["port"]
        .as_str()
        .is_some_and(|it| !it.is_empty() && Some(it) != port.as_deref())
    {
        note("redirect port");
    }
}

/// No token is ever looked at in this suite.
struct NoFacts;

impl Facts for NoFacts {
    fn keys(&self, _: ProviderId) -> Keys<'_> {
        Keys::Unavailable
    }

    fn verified(
        &self,
        _: ProviderId,
        _: u64,
        _: &Presented<'_>,
    ) -> Option<countersign_jose::Verified<countersign_jose::Claims>> {
        None
    }
}
