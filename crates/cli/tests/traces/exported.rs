//! What the collector gets, and what becomes of requests when it gets nothing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_testkit::client::Request;
use countersign_testkit::port;
use countersign_testkit::site::{Reply, Site};

use crate::collector::{CLIENT, Collector, SERVER};
use crate::scene::{PARENT, Scene, TRACE, token, traced};

#[test]
fn a_granted_request() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url()], &[]);
    let token = token("alice-the-subject");
    let before = SystemTime::now();
    let request = traced("/orders/7?key=in-the-query", "01").bearer(&token);
    let seen = scene.seen(&request.header("x-own", "in-a-header"));
    let port = scene.address.port().to_string();
    let backend = scene.upstream.address().port().to_string();
    let ended = scene.end();

    let (server, client) = (collector.span(SERVER), collector.span(CLIENT));
    assert_eq!(server.text("traceId"), TRACE);
    assert_eq!(server.text("parentSpanId"), PARENT);
    assert_eq!(server.text("name"), "GET apps/orders/0");
    assert_eq!(client.text("traceId"), TRACE);
    assert_eq!(client.text("parentSpanId"), server.text("spanId"));
    assert_eq!(
        seen.headers.all("traceparent"),
        [format!("00-{TRACE}-{}-01", client.text("spanId"))],
        "the backend is called by our attempt"
    );
    assert_eq!(seen.headers.all("tracestate"), ["vendor=value"]);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/orders/7"),
        ("server.address", "localhost"),
        ("server.port", "80"),
        ("http.route", "apps/orders/0"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("countersign.listener", "apps/edge/http"),
        ("countersign.reason", "ok"),
        ("countersign.provider", "apps/jwt/idp"),
    ] {
        assert_eq!(
            server.attribute(key).as_deref(),
            Some(value),
            "{key} ({port})"
        );
    }
    for (key, value) in [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", &backend),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(client.attribute(key).as_deref(), Some(value), "{key}");
    }
    assert!(!server.is_error() && !client.is_error());

    let began = before
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    let start = server.time("startTimeUnixNano");
    assert!(u128::from(start) >= began, "{start} is before {began}");
    assert!(start <= client.time("startTimeUnixNano"));
    assert!(client.time("startTimeUnixNano") <= client.time("endTimeUnixNano"));
    assert!(client.time("endTimeUnixNano") <= server.time("endTimeUnixNano"));

    let sent = collector.bodies().concat();
    for secret in [&token, "alice-the-subject", "in-the-query", "in-a-header"] {
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
    assert!(
        ended.stdout.contains(&format!("trace_id={TRACE}")),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_refused_request_says_why() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url(), "--otlp-service", "edge"], &[]);
    assert_eq!(scene.send(&Request::get("/orders")).status, 401);
    let ended = scene.end();

    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "no backend was asked: {spans:?}");
    assert_eq!(spans[0].0, "edge");
    let span = collector.span(SERVER);
    let named = (span.text("name"), span.text("parentSpanId"));
    assert_eq!(named, ("GET apps/orders/0", ""));
    for (key, value) in [
        ("http.response.status_code", "401"),
        ("countersign.reason", "jwt_missing"),
        ("url.path", "/orders"),
    ] {
        assert_eq!(span.attribute(key).as_deref(), Some(value), "{key}");
    }
    let rule = span.attribute("countersign.rule").expect("the rule");
    assert!(
        rule.contains("apps/jwt") && rule.contains("all.yaml:"),
        "{rule}"
    );
    assert!(!span.is_error(), "the caller's fault");
    // The way from the log's line to the trace.
    let named = format!("trace_id={}", span.text("traceId"));
    assert!(ended.stdout.contains(&named), "{named}: {}", ended.stdout);
}

#[test]
fn a_backend_that_is_down() {
    let grpc = Request::new("POST", "/down").header("content-type", "application/grpc");
    for (request, status) in [(Request::get("/down"), 503), (grpc, 200)] {
        let collector = Collector::start();
        let scene = Scene::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]);
        assert_eq!(scene.send(&request).status, status);
        scene.end();
        let server = collector.span(SERVER);
        assert!(server.is_error(), "{server:?}");
        for (key, value) in [
            ("http.response.status_code", &*status.to_string()),
            ("error.type", "upstream_unavailable"),
            ("countersign.reason", "upstream_unavailable"),
            ("http.route", "apps/rest/0"),
        ] {
            assert_eq!(server.attribute(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(collector.spans().len(), 1, "nobody was there to be asked");
    }
}

#[test]
fn spans_leave_while_it_runs() {
    let collector = Collector::start();
    let scene = Scene::start(
        &["--otlp", &collector.url()],
        &[("OTEL_SERVICE_NAME", "by-name")],
    );
    let begin = Instant::now();
    while collector.connections() == 0 {
        assert_eq!(scene.send(&Request::get("/")).status, 200);
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "nothing was sent"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let asked = scene.upstream.seen().len();
    let counted = |result: &str| {
        let series = format!("countersign_traces_exported_total{{result=\"{result}\"}}");
        scene.gateway.metric(&series)
    };
    while counted("ok") == Some(0.0) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "nothing was counted"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counted("failed"), Some(0.0));
    assert_eq!(
        scene.gateway.metric("countersign_traces_dropped_total"),
        Some(0.0)
    );
    scene.end();
    let spans = collector.spans();
    assert_eq!(spans.len(), 2 * asked, "each request and its attempt, once");
    assert!(spans.iter().all(|(service, _)| service == "by-name"));
}

#[test]
fn a_dead_collector_is_logged_and_nothing_else() {
    let url = format!("http://127.0.0.1:{}", port::free());
    let scene = Scene::start(&["--otlp", &url], &[]);
    for _ in 0..50 {
        assert_eq!(scene.send(&Request::get("/")).status, 200);
    }
    let told = scene.gateway.logs("does not take spans");
    assert!(told.contains(&format!("{url}/v1/traces")), "{told}");
    assert_eq!(scene.send(&Request::get("/")).status, 200);
    let ended = scene.end();
    assert_eq!(
        ended.stderr.matches("does not take spans").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_collector_that_never_answers_holds_up_no_end() {
    let site = Site::start(|_| Reply::silence());
    let scene = Scene::start(&["--otlp", &format!("http://{}", site.address())], &[]);
    assert_eq!(scene.send(&Request::get("/")).status, 200);
    let begin = Instant::now();
    let ended = scene.end();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert!(ended.stderr.contains("spans are lost"), "{}", ended.stderr);
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start() {
    for (flag, value, why) in [
        ("--otlp", "collector:4318", "must begin with"),
        ("--otlp", "http://collector:4318?a", "no `?`"),
        ("--otlp-sample", "2", "from 0 (none) to 1 (all)"),
        ("--otlp-sample", "some", "from 0 (none) to 1 (all)"),
    ] {
        let started = countersign_testkit::gateway::Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .arg(flag)
            .arg(value)
            .start();
        let Err(ended) = started else {
            panic!("{flag} {value} was taken")
        };
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}
