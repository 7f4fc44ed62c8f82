//! Raw HTTP/1 requests, hostile ones above all, against the real server: what
//! RFC 9110 and 9112 say must be let through is, and the rest is not.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::corpus::{Http, cases};
use countersign_testkit::site::Seen;
use countersign_testkit::upstream::Upstream;
use serde_json::Value;

use crate::site::Site;

#[test]
fn every_case() {
    let cases: Vec<Http> = cases("http/cases.jsonl");
    let share = cases.len().div_ceil(LANES).max(1);
    let failures: Vec<String> = thread::scope(|scope| {
        let lanes: Vec<_> = cases
            .chunks(share)
            .map(|lane| scope.spawn(|| run(lane)))
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap())
            .collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Cases mostly wait for nothing to happen, so several run side by side.
const LANES: usize = 8;

fn run(cases: &[Http]) -> Vec<String> {
    let backend = Upstream::start("echo");
    let site = Site::start(backend.address());
    let mut failures = Vec::new();
    for case in cases {
        let before = backend.seen().len();
        let outcome = send(site.address, &case.bytes());
        let seen = backend.seen().split_off(before);
        if let Err(why) = judge(case, &outcome, &seen) {
            let statuses = &outcome.statuses;
            failures.push(format!(
                "{} ({}): {why}; answered {statuses:?}",
                case.id, case.title
            ));
        }
    }
    // Whatever a case did to its connection, the server serves on.
    let after = countersign_testkit::client::Request::get("/after").send(site.address);
    assert_eq!(after.status, 200);
    failures
}

/// What came back.
struct Outcome {
    /// Of each answer on the connection.
    statuses: Vec<u16>,
    closed: bool,
}

/// Sends the bytes and reads until the server closes or falls silent.
fn send(to: SocketAddr, bytes: &[u8]) -> Outcome {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    // A server may close before it has read all of it.
    let _sent = stream.write_all(bytes);
    let (mut answer, mut closed) = (Vec::new(), false);
    let mut chunk = [0; 4096];
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        match stream.read(&mut chunk) {
            Ok(0) => closed = true,
            Ok(count) => {
                answer.extend_from_slice(&chunk[..count]);
                continue;
            }
            Err(error) => {
                closed = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
        break;
    }
    let _closed = stream.shutdown(Shutdown::Both);
    Outcome {
        statuses: statuses(&answer),
        closed,
    }
}

const SILENCE: Duration = Duration::from_millis(700);
const LONGEST: Duration = Duration::from_secs(5);

/// The echo's answers hold no status line of their own, so every one is the server's.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let lines = text
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, line)| text.get(at + line.len()..));
    lines
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .collect()
}

fn judge(case: &Http, outcome: &Outcome, seen: &[Seen]) -> Result<(), String> {
    let all = |wanted: &dyn Fn(u16) -> bool| outcome.statuses.iter().all(|status| wanted(*status));
    let first = outcome.statuses.first().copied();
    match case.verdict.as_str() {
        "accept" if first != Some(200) || !all(&|status| status == 200) => Err("refused".into()),
        "accept" if seen.len() != outcome.statuses.len() => {
            Err(format!("{} forwarded", seen.len()))
        }
        "reject" if !all(&|status| status >= 400) => Err("let through".into()),
        "reject" if first.is_none() && !outcome.closed => Err("neither answered nor closed".into()),
        "wait" if first.is_some() || outcome.closed => Err("did not wait".into()),
        "accept" | "reject" | "either" | "wait" | "incomplete" => backend(case, seen),
        verdict => Err(format!("unknown verdict `{verdict}`")),
    }
}

/// What the backend must not have got.
fn backend(case: &Http, seen: &[Seen]) -> Result<(), String> {
    let rule = |name: &str| case.expect.get(name).and_then(Value::as_str);
    let requested = |text: &str| seen.iter().any(|it| it.target.contains(text));
    let sent = |text: &str| {
        seen.iter()
            .any(|it| String::from_utf8_lossy(&it.body).contains(text))
    };
    let smuggled = case.verdict == "reject" && (requested("/smuggled") || sent("/smuggled"));
    if smuggled || rule("backend_must_not_see").is_some_and(|it| requested(it) || sent(it)) {
        return Err("the backend got the smuggled request".into());
    }
    if rule("backend_must_not_see_as_body").is_some_and(sent) {
        return Err("the smuggled request came as a body".into());
    }
    if rule("backend_must_not_see_as_request").is_some_and(requested) {
        return Err("the smuggled request came as a request".into());
    }
    if let Some(name) = rule("forwarded_without")
        && seen.iter().any(|it| it.headers.first(name).is_some())
    {
        return Err(format!("`{name}` was forwarded"));
    }
    Ok(())
}
