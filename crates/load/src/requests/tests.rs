use std::fs;

use tempfile::NamedTempFile;

use super::*;
use crate::target::Protocol;

fn target() -> Target {
    let url = "http://127.0.0.1:8080/a?b=c".parse().expect("a URI");
    Target::new(&url, None, Protocol::Http1).expect("a target")
}

fn tokens() -> Tokens {
    let file = NamedTempFile::new().expect("a file");
    fs::write(&file, "eyJ.one\neyJ.two\n").expect("written");
    Tokens::read(file.path(), 1).expect("tokens")
}

fn requests(hosts: Hosts, tokens: Option<Tokens>, body: Option<&'static [u8]>) -> Requests {
    let name = HeaderName::from_static("x-team");
    let fields = [(name, HeaderValue::from_static("a b"))];
    let body = body.map(Bytes::from_static);
    Requests::new(&target(), hosts, &fields, tokens, body).expect("requests")
}

fn head(requests: &Requests, index: u64, out: &mut Vec<u8>) -> String {
    requests.write(index, out);
    String::from_utf8(out.clone()).expect("text")
}

#[test]
fn a_request_that_never_changes_is_written_once() {
    let all = requests(Hosts::One("shop.test:80".into()), None, None);
    let mut out = Vec::new();
    let expected = "GET /a?b=c HTTP/1.1\r\nhost: shop.test:80\r\nx-team: a b\r\n\r\n";
    assert_eq!(head(&all, 0, &mut out), expected);
    let before = out.as_ptr();
    assert_eq!(head(&all, 1, &mut out), expected);
    assert_eq!(out.as_ptr(), before);
}

#[test]
fn tokens_and_hosts_go_by_the_index() {
    let all = requests(Hosts::Turns(3), Some(tokens()), None);
    let mut out = Vec::new();
    for (index, host, token) in [(0, "h0", "two"), (1, "h1", "one"), (5, "h2", "one")] {
        let expected = format!(
            "GET /a?b=c HTTP/1.1\r\nhost: {host}.test\r\nauthorization: Bearer eyJ.{token}\r\nx-team: a b\r\n\r\n"
        );
        assert_eq!(head(&all, index, &mut out), expected);
        let request = all.http2(index).expect("a request");
        assert_eq!(
            request.uri().to_string(),
            format!("http://{host}.test/a?b=c")
        );
        assert_eq!(
            request.headers()["authorization"],
            format!("Bearer eyJ.{token}")
        );
        assert_eq!(request.headers()["x-team"], "a b");
    }
}

#[test]
fn a_body_is_posted_with_its_length() {
    let all = requests(Hosts::One("a".into()), None, Some(b"body"));
    let mut out = Vec::new();
    let expected = "POST /a?b=c HTTP/1.1\r\nhost: a\r\nx-team: a b\r\ncontent-length: 4\r\n\r\n";
    assert_eq!(head(&all, 0, &mut out), expected);
    assert_eq!(&all.body()[..], b"body");
    let request = all.http2(0).expect("a request");
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.headers()["content-length"], "4");
    // A body of no bytes is one, too.
    let all = requests(Hosts::One("a".into()), None, Some(b""));
    assert!(head(&all, 0, &mut Vec::new()).contains("content-length: 0\r\n"));
}
