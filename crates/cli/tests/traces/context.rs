//! What backends are told of the trace (W3C Trace Context), and which requests are traced at all.

use countersign_testkit::client::Request;
use countersign_testkit::site::Seen;

use crate::collector::{CLIENT, Collector};
use crate::scene::{PARENT, Scene, TRACE, traced};

/// The one `traceparent` that a backend saw, field by field.
fn parent(seen: &Seen) -> [String; 4] {
    let values = seen.headers.all("traceparent");
    assert_eq!(values.len(), 1, "{values:?}");
    let fields: Vec<String> = values[0].split('-').map(str::to_owned).collect();
    fields.try_into().expect("four fields")
}

#[test]
fn who_says_no_is_not_traced() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url(), "--otlp-sample", "1"], &[]);
    let seen = scene.seen(&traced("/", "00"));
    let unchanged = [format!("00-{TRACE}-{PARENT}-00")];
    assert_eq!(seen.headers.all("traceparent"), unchanged);
    assert_eq!(seen.headers.all("tracestate"), ["vendor=value"]);
    scene.end();
    assert_eq!(collector.connections(), 0);
}

#[test]
fn the_share_decides_where_nobody_has() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url(), "--otlp-sample", "0"], &[]);
    let seen = scene.seen(&Request::get("/").header("tracestate", "vendor=value"));
    let [version, trace, span, flags] = parent(&seen);
    assert_eq!((&*version, &*flags), ("00", "00"), "the decision goes on");
    assert!(trace.len() == 32 && span.len() == 16);
    assert_eq!(seen.headers.first("tracestate"), None, "of no trace");
    // Who says yes is traced all the same.
    let seen = scene.seen(&traced("/", "01"));
    let ended = scene.end();
    assert_eq!(parent(&seen)[2], collector.span(CLIENT).text("spanId"));
    assert_eq!(collector.spans().len(), 2);
    assert!(
        ended.stdout.contains(&format!("trace_id={trace}")),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_is_no_parent_begins_a_trace() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url()], &[]);
    let mut traces = Vec::new();
    let valid = format!("00-{TRACE}-{PARENT}-01");
    for bad in [
        vec![format!("00-{}-{PARENT}-01", TRACE.to_uppercase())],
        vec![format!("00-{}-{PARENT}-01", "0".repeat(32))],
        vec![format!("ff-{TRACE}-{PARENT}-01")],
        vec![format!("{valid}-more")],
        vec!["\u{e9}\u{ff}".to_owned()],
        vec![valid.clone(), valid.clone()],
    ] {
        let request = Request::get("/").header("tracestate", "vendor=value");
        let request = bad
            .iter()
            .fold(request, |it, value| it.header("traceparent", value));
        let seen = scene.seen(&request);
        let [version, trace, _, flags] = parent(&seen);
        assert_eq!((&*version, &*flags), ("00", "01"), "{bad:?}");
        assert_ne!(trace, TRACE, "{bad:?}");
        assert_eq!(seen.headers.first("tracestate"), None, "{bad:?}");
        traces.push(trace);
    }
    // Another version is read as far as it is known, and goes on as ours.
    let seen =
        scene.seen(&Request::get("/").header("traceparent", &format!("cc-{TRACE}-{PARENT}-01-x")));
    assert_eq!(parent(&seen)[..2], ["00".to_owned(), TRACE.to_owned()]);
    scene.end();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 6, "each a trace of its own");
}

#[test]
fn a_mirror_gets_what_the_caller_said() {
    let collector = Collector::start();
    let scene = Scene::start(&["--otlp", &collector.url()], &[]);
    let seen = scene.seen(&traced("/mirrored", "01"));
    let copy = scene.mirror.wait(1).remove(0);
    assert_eq!(parent(&copy)[2], PARENT, "not called by our attempt");
    assert_ne!(parent(&seen)[2], PARENT);
    scene.end();
    assert_eq!(collector.spans().len(), 2, "none for the copy");
}

#[test]
fn off_unless_asked_for() {
    let scene = Scene::start(
        &["--otlp-sample", "1"],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
    );
    let seen = scene.seen(&traced("/", "01"));
    assert_eq!(parent(&seen)[2], PARENT);
    let seen = scene.seen(
        &Request::get("/")
            .header("traceparent", "nonsense")
            .header("tracestate", "a=b"),
    );
    assert_eq!(seen.headers.all("traceparent"), ["nonsense"]);
    assert_eq!(seen.headers.all("tracestate"), ["a=b"]);
    assert_eq!(
        scene.seen(&Request::get("/")).headers.first("traceparent"),
        None
    );
    let metrics = scene.gateway.admin("/metrics").text();
    assert!(!metrics.contains("countersign_traces"), "{metrics}");
}
