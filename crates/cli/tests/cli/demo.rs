//! `countersign demo`: what it prints is what happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use countersign_testkit::client::Request;
use serde_json::Value;

use crate::binary::{Folder, Process};

fn start() -> Process {
    Process::start(Folder::new(), &["demo", "--port", "0"])
}

/// The port in the line of the tour that begins with `part`.
fn port(tour: &str, part: &str) -> u16 {
    let line = tour
        .lines()
        .map(str::trim_start)
        .find(|line| line.starts_with(part))
        .unwrap();
    let (_, after) = line.split_once("127.0.0.1:").unwrap();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn every_printed_command_does_what_is_said_of_it() {
    let demo = start();
    let tour = demo.stdout_until("Ctrl-C");
    let lines: Vec<&str> = tour.lines().collect();
    let steps: Vec<_> = lines
        .windows(2)
        .filter(|pair| pair[1].starts_with("   curl "))
        .collect();
    assert_eq!(steps.len(), 4, "{tour}");
    for step in steps {
        let (title, command) = (step[0], step[1]);
        let Some(answer) = shell(command) else { return };
        let status = title
            .split(": ")
            .nth(1)
            .unwrap()
            .split([' ', ','])
            .next()
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{title}\n{answer}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        // What stands in backticks is the whole body, or a header as the application saw it.
        for said in title.split('`').skip(1).step_by(2) {
            match said.split_once(": ") {
                Some((name, value)) => {
                    let seen: Value = serde_json::from_str(body).unwrap();
                    assert_eq!(seen["headers"][name], value, "{title}\n{answer}");
                }
                None => assert_eq!(body, said, "{title}"),
            }
        }
    }
    let ended = demo.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout.matches(" status=401 reason=jwt_").count(),
        2,
        "{}",
        ended.stdout
    );
    assert!(
        !ended.stderr.contains("ERROR") && !ended.stderr.contains("WARN"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_application_never_sees_a_token_or_a_spoofed_header() {
    let demo = start();
    let tour = demo.stdout_until("Ctrl-C");
    let (gateway, issuer) = (at(port(&tour, "gateway")), at(port(&tour, "issuer")));
    let form =
        Request::new("POST", "/token").header("content-type", "application/x-www-form-urlencoded");
    let grant = form.body("user=bob").send(issuer).json();
    let token = grant["access_token"].as_str().unwrap();
    let request = Request::get("/any/path?with=query").bearer(token);
    let answer = request
        .header("X_Team", "root")
        .header("x-user", "alice")
        .send(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(
        (&seen["path"], &seen["headers"]["x-user"]),
        (&"/any/path?with=query".into(), &"bob".into())
    );
    assert_eq!(seen["headers"]["x-team"], "sales");
    assert!(
        !answer.text().contains(token) && seen["headers"].get("x_team").is_none(),
        "{}",
        answer.text()
    );
    let ended = demo.interrupt();
    assert!(!ended.stdout.contains(token) && !ended.stderr.contains(token));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_port_that_is_taken_is_named_with_one_that_is_free() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Folder::new().run(&["demo", "--port", &port]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let says = format!("error: port {port} cannot be used: ");
    assert!(ended.stderr.starts_with(&says), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("`countersign demo --port "),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_printed_configuration_is_a_good_one() {
    let config = Folder::new().run(&["demo", "--print-config"]);
    assert_eq!((config.code, config.stderr.as_str()), (Some(0), ""));
    let ended = Folder::new().run_with(&["check", "-"], &config.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("0 errors, 0 warnings"),
        "{}",
        ended.stdout
    );
}

/// Runs a printed command as its reader would; `None` where there is no curl.
fn shell(command: &str) -> Option<String> {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("not found") {
        assert!(std::env::var_os("CI").is_none(), "curl is missing");
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap())
}
