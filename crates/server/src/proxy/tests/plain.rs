//! One request after the other over HTTP/1.1.

use std::net::SocketAddr;
use std::time::Duration;

use countersign_core::backend::AppProtocol;
use countersign_core::filter::{Cors, HeaderEdits, OriginPattern, PathEdit, Redirect, Rewrite};
use countersign_core::route::WeightedBackend;
use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::site::{Reply, Site};
use countersign_testkit::upstream::Upstream;
use http::{HeaderValue, StatusCode};

use super::scene::Scene;

fn header<'a>(response: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    let headers = response["headers"].as_array().unwrap();
    let named = headers
        .iter()
        .filter(|it| it[0].as_str().unwrap().eq_ignore_ascii_case(name));
    named.map(|it| it[1].as_str().unwrap()).collect()
}

fn get(path: &str, to: SocketAddr) -> Response {
    Request::get(path).send(to)
}

#[test]
fn a_request_reaches_its_backend_and_its_answer_the_client() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let response = Request::get("/x/../y?q=1")
        .header("host", "shop.test")
        .header("x-custom", "1")
        .header("x-custom", "2")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "mine")
        .header("traceparent", trace)
        .send(gateway.address);
    assert_eq!(response.status, 200);
    let seen = response.json();
    assert_eq!(seen["path"], "/y?q=1");
    assert_eq!(seen["version"], "HTTP/1.1");
    assert_eq!(header(&seen, "host"), ["shop.test"]);
    assert_eq!(header(&seen, "x-custom"), ["1", "2"]);
    assert_eq!(header(&seen, "x-secret"), [""; 0]);
    assert_eq!(header(&seen, "connection"), [""; 0]);
    assert_eq!(header(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(header(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(header(&seen, "traceparent"), [trace]);
    let id = header(&seen, "x-request-id");
    assert_eq!((id.len(), id[0].len()), (1, 36));

    let line = gateway.logged("/y");
    let expected = serde_json::json!({
        "method": "GET", "path": "/y", "status": 200, "reason": "ok", "client": "127.0.0.1",
        "listener": "test/web/http", "route": "test/route/0", "backend": "test/backend-0:80",
        "upstream": upstream.address().to_string(), "protocol": "HTTP/1.1", "bytes_in": 0,
        "bytes_out": response.body.len(), "request_id": id[0],
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{key} of {line}");
    }
    assert!(line.get("cut").is_none() && line["upstream_ms"].as_f64().unwrap() > 0.0);
    let text = gateway.metrics.render();
    assert!(
        text.contains("test/route/0") && text.contains("\"200\""),
        "{text}"
    );
}

#[test]
fn connections_to_the_backend_are_used_again() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let mut client = Client::connect(gateway.address).unwrap();
    for path in ["/1", "/2", "/3"] {
        assert_eq!(client.send(&Request::get(path)).unwrap().status, 200);
    }
    assert_eq!(
        client.send(&Request::new("HEAD", "/4")).unwrap().status,
        200
    );
    assert_eq!(
        client
            .send(&Request::new("POST", "/5").body("x"))
            .unwrap()
            .json()["body"],
        "x"
    );
    assert_eq!(get("/6", gateway.address).status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_the_backend_closed_is_replaced_unnoticed() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    for round in 1..=20 {
        assert_eq!(get("/", gateway.address).status, 200, "round {round}");
        upstream.cut();
    }
    assert_eq!(upstream.connections(), 20);
}

/// The backend takes the request off a used connection and hangs up.
#[test]
fn a_used_connection_that_breaks_before_the_answer_is_tried_once_more() {
    let site = Site::start(|seen| match (seen.connection, seen.target.as_str()) {
        (1, "/first") | (2.., _) => Reply::new(200),
        _ => Reply::hang_up(),
    });
    let gateway = Scene::to(site.address()).start();
    assert_eq!(get("/first", gateway.address).status, 200);
    assert_eq!(get("/again", gateway.address).status, 200);
    assert_eq!(
        site.seen()
            .iter()
            .filter(|it| it.target == "/again")
            .count(),
        2
    );
    assert_eq!(site.connections(), 2);
}

/// What may have had an effect is not sent twice.
#[test]
fn a_request_that_is_not_idempotent_is_not_repeated() {
    let site = Site::start(|seen| match seen.target.as_str() {
        "/first" => Reply::new(200),
        _ => Reply::hang_up(),
    });
    let gateway = Scene::to(site.address()).start();
    for request in [
        Request::new("POST", "/again"),
        Request::new("PUT", "/again").body("x"),
    ] {
        assert_eq!(get("/first", gateway.address).status, 200);
        assert_eq!(request.send(gateway.address).status, 502);
    }
    assert_eq!(
        site.seen()
            .iter()
            .filter(|it| it.target == "/again")
            .count(),
        2
    );
}

#[test]
fn head_keeps_the_length_of_what_get_would_get() {
    let upstream = Upstream::start("a");
    upstream.answer("/file", Reply::new(200).body("0123456789"));
    let gateway = Scene::to(upstream.address()).start();
    let response = Request::new("HEAD", "/file").send(gateway.address);
    assert_eq!(response.headers.all("content-length"), ["10"]);
    assert_eq!(gateway.logged("/file")["bytes_out"], 0);
}

#[test]
fn an_answer_loses_what_concerned_its_connection() {
    let upstream = Upstream::start("a");
    let reply = Reply::new(204)
        .header("keep-alive", "timeout=5")
        .header("x-app", "1");
    upstream.answer(
        "/",
        reply.header("connection", "x-hop").header("x-hop", "1"),
    );
    let gateway = Scene::to(upstream.address()).start();
    let response = get("/", gateway.address);
    assert_eq!(response.status, 204);
    assert_eq!(response.headers.all("x-app"), ["1"]);
    for name in ["keep-alive", "connection", "x-hop", "transfer-encoding"] {
        assert_eq!(response.headers.first(name), None, "{name}");
    }
    assert!(response.headers.first("date").is_some());
}

#[test]
fn filters_of_rule_and_backend() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    let set = |name: &'static str, value: &'static str| HeaderEdits {
        set: Box::new([(name.parse().unwrap(), HeaderValue::from_static(value))]),
        ..HeaderEdits::default()
    };
    let filters = scene.filters();
    filters.request_headers = set("x-rule", "1");
    filters.response_headers = set("x-answer", "rule");
    filters.rewrite = Some(Rewrite {
        host: Some("inside.test".into()),
        path: Some(PathEdit::Prefix {
            from: "/a".into(),
            to: "/b".into(),
        }),
    });
    let backend = &mut scene.rules[0].backends[0];
    backend.filters.request_headers = set("x-backend", "2");
    backend.filters.response_headers = set("x-backend-answer", "2");
    let gateway = scene.start();
    let response = get("/a/c?d", gateway.address);
    let seen = response.json();
    assert_eq!(seen["path"], "/b/c?d");
    assert_eq!(header(&seen, "host"), ["inside.test"]);
    assert_eq!(
        (header(&seen, "x-rule"), header(&seen, "x-backend")),
        (vec!["1"], vec!["2"])
    );
    assert_eq!(response.headers.first("x-answer"), Some("rule"));
    assert_eq!(response.headers.first("x-backend-answer"), Some("2"));
    gateway.logged("/a/c");
}

#[test]
fn redirects_and_preflights_need_no_backend() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.filters().redirect = Some(Redirect {
        scheme: Some("https"),
        host: None,
        port: None,
        path: None,
        status: StatusCode::MOVED_PERMANENTLY,
    });
    scene.filters().cors = Some(Cors {
        allow_origins: Box::new([OriginPattern::Exact("https://app.test".into())]),
        max_age: 5,
        ..Cors::default()
    });
    let gateway = scene.start();
    let response = Request::get("/p?q=1")
        .header("host", "a.test:81")
        .send(gateway.address);
    assert_eq!(response.status, 301);
    assert_eq!(
        response.headers.first("location"),
        Some("https://a.test/p?q=1")
    );
    assert_eq!(gateway.logged("/p")["reason"], "redirect");

    let preflight = Request::new("OPTIONS", "/o")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "GET")
        .send(gateway.address);
    assert_eq!(preflight.status, 200);
    assert_eq!(
        preflight.headers.first("access-control-allow-origin"),
        Some("https://app.test")
    );
    assert_eq!(gateway.logged("/o")["reason"], "cors_preflight");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn answers_and_refusals_of_a_shared_route_can_be_read_by_its_origins() {
    let upstream = Upstream::start("a");
    upstream.answer("/gone", Reply::hang_up());
    let mut scene = Scene::to(upstream.address());
    scene.filters().cors = Some(Cors {
        allow_origins: Box::new([OriginPattern::Exact("https://app.test".into())]),
        ..Cors::default()
    });
    let gateway = scene.start();
    for (path, status) in [("/", 200), ("/gone", 502)] {
        let response = Request::get(path)
            .header("origin", "https://app.test")
            .send(gateway.address);
        assert_eq!(response.status, status);
        let allowed = response.headers.first("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.test"), "{path}");
    }
}

#[test]
fn endpoints_take_turns_and_a_dead_one_is_passed_over() {
    let (a, b) = (Upstream::start("a"), Upstream::start("b"));
    let dead = SocketAddr::from(([127, 0, 0, 1], countersign_testkit::port::free()));
    let mut scene = Scene::to(a.address());
    scene.backend(&[a.address(), dead, b.address()], AppProtocol::Http, None);
    scene.route("/turns", false);
    let gateway = scene.start();
    for _ in 0..12 {
        assert_eq!(get("/turns", gateway.address).status, 200);
    }
    let (from_a, from_b) = (a.seen().len(), b.seen().len());
    assert_eq!(from_a + from_b, 12);
    assert!(from_a.abs_diff(from_b) <= 2, "{from_a} {from_b}");
}

#[test]
fn a_share_without_backend_gets_500_and_an_unreachable_one_503_at_once() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    let route = scene.route("/none", false);
    route.backends = Box::new([WeightedBackend {
        backend: None,
        weight: 1,
        filters: Default::default(),
    }]);
    scene.backend(&[], AppProtocol::Http, None);
    scene.route("/empty", false);
    let dead = SocketAddr::from(([127, 0, 0, 1], countersign_testkit::port::free()));
    scene.backend(&[dead], AppProtocol::Http, None);
    scene.route("/dead", false);
    let gateway = scene.start();
    for (path, status, reason, body) in [
        ("/none", 500, "no_backend", "no backend"),
        (
            "/empty",
            503,
            "upstream_unavailable",
            "upstream unavailable",
        ),
        ("/dead", 503, "upstream_unavailable", "upstream unavailable"),
    ] {
        let start = std::time::Instant::now();
        let response = get(path, gateway.address);
        assert_eq!(
            (response.status, &*response.text()),
            (status, body),
            "{path}"
        );
        assert_eq!(gateway.logged(path)["reason"], reason);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    assert!(
        gateway.logged("/dead")["detail"]
            .as_str()
            .unwrap()
            .contains("refused")
    );
}

#[test]
fn a_backend_may_be_known_by_its_name() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.backends[0].endpoints[0].host = "localhost".into();
    scene.backend(&[upstream.address()], AppProtocol::Http, None);
    scene.backends[1].endpoints[0].host = "nowhere.invalid".into();
    scene.settings.timeouts.connect = Duration::from_secs(2);
    scene.route("/nowhere", false);
    let gateway = scene.start();
    assert_eq!(get("/", gateway.address).status, 200);
    assert_eq!(
        gateway.logged("/")["upstream"],
        format!("localhost:{}", upstream.address().port())
    );
    assert_eq!(get("/nowhere", gateway.address).status, 503);
}
