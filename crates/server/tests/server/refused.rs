//! What is refused before it is a request: told to the client, the access log
//! and the metrics.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Client, Request};
use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn a_400_and_a_431_can_be_explained() {
    let nobody: SocketAddr = (Ipv4Addr::LOCALHOST, 9).into();
    let site = Site::start(nobody);
    let fat = Request::get("/fat?secret=1").header("cookie", &"c".repeat(70_000));
    let refused = [
        (fat.bytes(), 431, "request headers too large"),
        (
            b"GET /bad?secret=1 HTTP/1.1\r\nhost : a\r\n\r\n".to_vec(),
            400,
            "bad request",
        ),
        (
            b"GET http://a.test/\"?secret=\"1\" HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "bad request",
        ),
    ];
    for (bytes, status, text) in &refused {
        let mut client = Client::connect(site.address).unwrap();
        client.write(bytes).unwrap();
        let answer = client.read().unwrap();
        assert_eq!((answer.status, &*answer.text()), (*status, *text));
        assert_eq!(answer.headers.first("content-type"), Some("text/plain"));
        assert_eq!(answer.headers.first("connection"), Some("close"));
    }
    let lines = site.logged(refused.len());
    let told = |line: &Value| {
        let field = |name: &str| line[name].clone();
        json!([
            field("client"),
            field("listener"),
            field("path"),
            field("reason"),
            field("detail")
        ])
    };
    let line =
        |path, reason, detail| json!(["127.0.0.1", "default/web/http", path, reason, detail]);
    let expected = [
        line(
            "/fat",
            "headers_too_large",
            "more bytes than `limits.headerBytes`",
        ),
        line(
            "/bad",
            "bad_request",
            "white space before the colon of a header",
        ),
        line(
            "/\"",
            "bad_request",
            "a target with a character that no URI has",
        ),
    ];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    let metrics = site.metrics.render();
    for labels in [
        r#"listener="default/web/http",route="",status="431",reason="headers_too_large""#,
        r#"listener="default/web/http",route="",status="400",reason="bad_request""#,
    ] {
        assert!(metrics.contains(labels), "{labels} not in {metrics}");
    }
}
