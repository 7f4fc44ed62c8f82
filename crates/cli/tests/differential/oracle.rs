//! That the Envoy we compare with is the one whose decisions were recorded.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_testkit::agreement::{Level, compare};
use countersign_testkit::client::{Client, Request};
use countersign_testkit::corpus::{self, Istio};
use countersign_testkit::port;
use serde_json::Value;

use crate::envoy::{Envoy, Listener};
use crate::scene::{Mark, echo};

/// Without it there is nothing to compare with.
pub(crate) const TRANSLATOR: &str = "conformance/istio/istio2envoy.py";

/// Replays recorded cases; how many, and which of them Envoy now answers otherwise.
pub(crate) fn replay() -> (usize, Vec<String>) {
    let mut groups: BTreeMap<String, Vec<Istio>> = BTreeMap::new();
    for case in corpus::cases::<Istio>("istio/cases.jsonl") {
        if case.needs.iter().all(|it| is_met(it)) {
            groups.entry(case.group.clone()).or_default().push(case);
        }
    }
    let upstream = echo();
    let listeners: Vec<Listener> = groups.values().map(|cases| listener(&cases[0])).collect();
    let _envoy = Envoy::start(&listeners, upstream.address().port()).expect("Envoy");
    let (mut asked, mut otherwise) = (0, Vec::new());
    for (cases, listener) in groups.values().zip(&listeners) {
        for case in cases {
            asked += 1;
            otherwise.extend(ask(case, listener.port).map(|why| format!("{}: {why}", case.id)));
        }
    }
    (asked, otherwise)
}

/// What a case may need beside Envoy, the client and the upstream. One quirk is that what Envoy sends is no HTTP:
/// a space in the request line, which our upstream does not take.
fn is_met(need: &str) -> bool {
    let quirk = need.starts_with("quirk:") && need != "quirk:query-rewrite-decodes";
    quirk || matches!(need, "src-ip" | "dst-ip" | "http-parser")
}

fn listener(case: &Istio) -> Listener {
    let port = port::free();
    Listener {
        port,
        policies: case.policy_yaml.replace("__PORT__", &port.to_string()),
        workload: case.workload.clone(),
        mesh: case.mesh.clone(),
        tls: Value::Null,
    }
}

/// Why the answer is not the recorded one.
fn ask(case: &Istio, port: u16) -> Option<String> {
    let fill = |text: &str| text.replace("__PORT__", &port.to_string());
    let mut request = Request::new(&case.request.method, &fill(&case.request.path))
        .header("Host", &fill(&case.request.host));
    for (name, value) in &case.request.headers {
        request = request.header(name, &fill(value));
    }
    if let Some(body) = &case.request.body {
        request = request.body(body.as_bytes());
    }
    let address = |it: &Option<String>| {
        let address = it.as_ref().map(|it| it.parse().expect("an address"));
        address.unwrap_or(IpAddr::from(Ipv4Addr::LOCALHOST))
    };
    let to = SocketAddr::from((address(&case.request.connect_ip), port));
    let answer = Client::connect_from(address(&case.request.client_ip), to)
        .and_then(|mut client| client.send(&request));
    match answer {
        Ok(answer) => compare(&case.expect, &answer, answer.is_marked(), Level::Full, port),
        Err(error) => Some(error.to_string()),
    }
}
