//! The corpus of raw requests: what an attacker may send, and what of it a
//! backend may ever see.

use std::time::Duration;

use countersign_testkit::client::Client;
use countersign_testkit::corpus::{self, Http};
use countersign_testkit::upstream::Upstream;

use super::scene::Scene;

#[test]
fn raw_requests() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.settings.timeouts.request = Duration::from_secs(2);
    scene.settings.timeouts.idle = Duration::from_millis(100);
    scene.settings.timeouts.request_headers = Duration::from_millis(100);
    let gateway = scene.start();
    let mut failures = Vec::new();
    for case in corpus::cases::<Http>("http/cases.jsonl") {
        let before = upstream.seen().len();
        let statuses = play(&case, gateway.address);
        let seen = upstream.seen().split_off(before);
        if let Err(why) = judge(&case, &statuses, &seen) {
            failures.push(format!("{} ({}): {why}, {statuses:?}", case.id, case.title));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The statuses that come before the gateway closes or falls silent.
fn play(case: &Http, to: std::net::SocketAddr) -> Vec<u16> {
    let mut client = Client::connect(to).unwrap();
    // The gateway may close before it was told everything.
    let _closed = client.write(&case.bytes());
    let mut statuses = Vec::new();
    while let Ok(response) = client.read() {
        statuses.push(response.status);
    }
    statuses
}

fn judge(
    case: &Http,
    statuses: &[u16],
    seen: &[countersign_testkit::site::Seen],
) -> Result<(), String> {
    let first = statuses.first().copied();
    match case.verdict.as_str() {
        "accept" if first != Some(200) => return Err("must be accepted".into()),
        "reject" if first.is_some_and(|status| status < 400) => {
            return Err("must be refused".into());
        }
        "wait" | "incomplete" if first.is_some_and(|status| status < 400) => {
            return Err("must not be answered".into());
        }
        _ => {}
    }
    let expected = |key: &str| case.expect[key].as_str();
    for request in seen {
        let body = String::from_utf8_lossy(&request.body);
        let head = String::from_utf8_lossy(&request.head);
        let smuggled = |text: &str| request.target.contains(text);
        if expected("backend_must_not_see").is_some_and(|it| smuggled(it) || body.contains(it)) {
            return Err("the backend saw what it must not".into());
        }
        if expected("backend_must_not_see_as_body").is_some_and(|it| body.contains(it)) {
            return Err("the backend got it as a body".into());
        }
        if expected("backend_must_not_see_as_request").is_some_and(smuggled) {
            return Err("the backend got it as a request".into());
        }
        let unwanted = expected("forwarded_without");
        if unwanted.is_some_and(|name| request.headers.first(name).is_some()) {
            return Err("a header was forwarded".into());
        }
        if head.contains("\n\n") || head.matches("\r\n\r\n").count() != 1 {
            return Err("what was forwarded is framed oddly".into());
        }
    }
    Ok(())
}
