//! `run` over HTTP/1.1, with and without TLS, against servers that behave and servers that do not.

#![expect(
    clippy::expect_used,
    reason = "what goes wrong in a helper must fail the test"
)]

mod tool;

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use countersign_testkit::site::{Reply, Seen, Site};
use countersign_testkit::tls::Authority;
use tempfile::{NamedTempFile, TempDir};

use crate::tool::{load, run};

fn hello() -> Site {
    Site::start(|_| Reply::new(200).body("hello\n"))
}

fn tokens(lines: usize) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    let text: String = (0..lines).map(|it| format!("eyJhb.{it}\n")).collect();
    fs::write(&file, text).expect("written");
    file
}

fn counts(seen: &[Seen], header: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for it in seen {
        let value = it.headers.first(header).expect(header);
        *counts.entry(value.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn each_token_is_carried_once_in_its_turn_and_every_answer_counts() {
    let (site, file) = (hello(), tokens(40));
    let report = run(&format!(
        "--url http://{}/a?b=c --requests 70 --connections 4 --expect-bytes 6 --tokens {} --from 10",
        site.address(),
        file.path().display(),
    ))
    .good();
    let seen = site.seen();
    assert_eq!(report["requests"], 70);
    assert_eq!(report["bytes_in"], 420);
    assert_eq!(report["reconnects"], 0);
    assert_eq!((seen.len(), site.connections()), (70, 4));
    assert!(
        seen.iter()
            .all(|it| it.target == "/a?b=c" && it.method == "GET")
    );
    let counts = counts(&seen, "authorization");
    for token in 0..40 {
        // Lines 10 to 39, then all of them.
        let times = if token < 10 { 1 } else { 2 };
        assert_eq!(counts[&format!("Bearer eyJhb.{token}")], times, "{token}");
    }
    let us = |name: &str| report[name].as_f64().expect(name);
    assert!(0.0 < us("p50_us") && us("p50_us") <= us("p99_us"));
    assert!(us("p99_us") <= us("p999_us") && us("p999_us") <= us("max_us"));
    let rate = 70.0 / us("seconds");
    assert!((us("requests_per_second") - rate).abs() < rate / 100.0);
}

#[test]
fn hosts_headers_and_uploads_are_sent() {
    let site = hello();
    let url = format!("http://{}/", site.address());
    let words = [
        "run",
        "--url",
        &url,
        "--requests",
        "9",
        "--hosts",
        "3",
        "--header",
        "X-A: b c",
    ];
    load(&[&words[..], &["--upload", "70000"]].concat()).good();
    let seen = site.seen();
    let hosts = counts(&seen, "host");
    assert_eq!(hosts.len(), 3);
    for host in ["h0.test", "h1.test", "h2.test"] {
        assert_eq!(hosts[host], 3);
    }
    for it in &seen {
        assert_eq!((it.method.as_str(), it.body.len()), ("POST", 70_000));
        assert_eq!(it.headers.first("x-a"), Some("b c"));
    }
}

#[test]
fn the_first_answer_that_is_not_as_expected_ends_it_without_a_token() {
    let site = Site::start(|seen| {
        let token = seen.headers.first("authorization").unwrap_or_default();
        Reply::new(401).body(format!("Jwt is expired: {token}"))
    });
    let (url, file) = (format!("--url http://{}/", site.address()), tokens(3));
    let with = format!("{url} --requests 9 --tokens {}", file.path().display());
    let told = run(&with).bad(1);
    assert_eq!(
        told,
        "error: expected 200, got 401 with 30 bytes: Jwt is expired: Bearer [token]\n"
    );
    assert_eq!(run(&format!("{with} --expect 401")).good()["requests"], 9);
    let told = run(&format!("{with} --expect 401 --expect-bytes 4")).bad(1);
    assert!(
        told.starts_with("error: expected 4 bytes, got 401 with 30 bytes: "),
        "{told}"
    );
}

#[test]
fn broken_answers_are_errors_and_announced_ends_are_not() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n";
    let cases = [
        (Reply::hang_up(), "without an answer"),
        (
            Reply::raw(format!("{head}\r\nhalf")),
            "in the middle of an answer",
        ),
        (
            Reply::raw(format!("{head}\r\nand too much")),
            "3 bytes after the answer",
        ),
        (Reply::raw("nonsense\r\n\r\n"), "no HTTP head"),
    ];
    for (reply, why) in cases {
        let site = Site::start(move |_| reply.clone());
        let told = run(&format!("--url http://{}/ --requests 5", site.address())).bad(1);
        assert!(told.contains(why), "{told}");
    }
    let site = Site::start(|_| Reply::spaces(200_000).close());
    let words = format!(
        "--url http://{}/ --requests 6 --connections 2",
        site.address()
    );
    let report = run(&format!("{words} --expect-bytes 200000")).good();
    assert_eq!(report["requests"], 6);
    // The last two connections may or may not have been replaced.
    assert!(
        (6..=8).contains(&site.connections()),
        "{}",
        site.connections()
    );
}

#[test]
fn idle_connections_do_one_request_each_and_stay() {
    let site = hello();
    let words = format!(
        "--url http://{}/ --requests 30 --connections 2",
        site.address()
    );
    let report = run(&format!("{words} --idle 40")).good();
    assert_eq!(
        (&report["requests"], &report["idle_open"]),
        (&30.into(), &40.into())
    );
    assert_eq!((site.seen().len(), site.connections()), (70, 42));
}

#[test]
fn a_paced_run_keeps_its_times_and_counts_what_waits() {
    let site = hello();
    let report = run(&format!(
        "--url http://{}/ --seconds 0.2 --rate 500",
        site.address()
    ))
    .good();
    assert_eq!(report["requests"], 100);
    // The last is due after 99 of 100 spaces.
    assert!(report["seconds"].as_f64().expect("seconds") >= 0.198);

    // One connection, 20 ms an answer, a request due each 5 ms: the last of ten waits for the others.
    let site = Site::start(|_| Reply::new(200).after(Duration::from_millis(20)));
    let words = format!(
        "--url http://{}/ --requests 10 --connections 1",
        site.address()
    );
    let report = run(&format!("{words} --rate 200")).good();
    let max = report["max_us"].as_f64().expect("max");
    assert!(max >= 150_000.0, "{max}");
}

#[test]
fn tls_trusts_the_named_authority_alone() {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let identity = good.issue(&["127.0.0.1"]);
    let tls = Authority::server(&identity);
    let site = Site::bind(([127, 0, 0, 1], 0).into(), Some(tls), |_| {
        Reply::new(200).body("a")
    });
    let site = site.expect("a site");
    let folder = TempDir::new().expect("a folder");
    let ca = |authority: &Authority, name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, authority.pem()).expect("written");
        path.display().to_string()
    };
    let words = format!(
        "--url https://{}/ --requests 12 --connections 3",
        site.address()
    );
    let report = run(&format!("{words} --idle 2 --ca {}", ca(&good, "good"))).good();
    assert_eq!(
        (&report["requests"], &report["idle_open"]),
        (&12.into(), &2.into())
    );
    let told = run(&format!("{words} --ca {}", ca(&other, "other"))).bad(1);
    assert!(told.contains("certificate"), "{told}");
}

#[test]
fn commands_that_make_no_sense_end_with_a_code_of_their_own() {
    let cases = [
        ("", "<URL>"),
        ("--url http://127.0.0.1:1/", "--requests"),
        ("--url https://127.0.0.1:1/ --requests 1", "needs `--ca`"),
        (
            "--url http://127.0.0.1:1/ --requests 1 --streams 2",
            "`--streams` is for HTTP/2",
        ),
        (
            "--url http://127.0.0.1:1/ --requests 1 --rate x",
            "number from 0.001",
        ),
    ];
    for (words, why) in cases {
        let told = run(words).bad(2);
        assert!(told.contains(why), "{words}: {told}");
    }
    let told = load(&["signature", "--algorithm", "HS256"]).bad(2);
    assert!(told.contains("RS256, ES256, EdDSA"), "{told}");
    let told = run("--url http://127.0.0.1:1/ --requests 1").bad(1);
    assert!(told.contains("no connection to 127.0.0.1:1"), "{told}");
}

#[test]
fn minted_tokens_are_carried_and_a_signature_is_timed() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let words = ["mint", path, "--rotating", "3", "--fresh", "2"];
    assert_eq!(load(&words).code, Some(0));
    let site = hello();
    let words = format!("--url http://{}/ --requests 2 --tokens", site.address());
    run(&format!("{words} {path}/ES256-new.txt")).good();
    let text = fs::read_to_string(folder.path().join("ES256-new.txt")).expect("tokens");
    let counts = counts(&site.seen(), "authorization");
    for token in text.lines() {
        assert_eq!(counts[&format!("Bearer {token}")], 1);
    }
    let report = load(&["signature", "--algorithm", "EdDSA", "--seconds", "1"]).good();
    assert_eq!(report["algorithm"], "EdDSA");
    assert!(report["cpu_us"].as_f64() > Some(1.0), "{report}");
}
