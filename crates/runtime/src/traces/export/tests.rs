use std::io;
use std::sync::{Arc, Mutex};

use countersign_testkit::site::{Reply, Seen, Site};
use serde_json::Value;

use super::*;
use crate::metrics::Metrics;
use crate::traces::{Attempt, Call, Context, Plan, Ratio, TraceId, Tracer};

const QUICK: Pace = Pace {
    gather: Duration::from_millis(50),
    attempt: Duration::from_millis(500),
    pause: Duration::from_millis(10),
};

/// An exporter to a site, with its metrics.
struct Scene {
    queue: Sender<Spans>,
    exporter: Exporter,
    metrics: Arc<Metrics>,
}

fn start(to: &str, pace: Pace) -> Scene {
    let metrics = Metrics::new();
    let (queue, exporter) = Exporter::paced(
        to.parse().unwrap(),
        Resource::new("edge \"1\"".into()),
        Counts::new(&metrics),
        pace,
    );
    Scene {
        queue,
        exporter,
        metrics,
    }
}

fn base(site: &Site) -> String {
    format!("http://{}/otlp", site.address())
}

impl Scene {
    async fn put(&self, paths: impl IntoIterator<Item = &str>) {
        for path in paths {
            let spans = spans(path);
            self.queue.send(spans).await.unwrap();
        }
    }

    /// Ends it and returns what was counted, by the words after the names' common part.
    async fn end(self) -> Vec<String> {
        self.exporter.finish().await;
        counted(&self.metrics)
    }
}

fn counted(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("countersign_traces_"));
    lines
        .filter(|line| !line.ends_with(" 0"))
        .map(str::to_owned)
        .collect()
}

fn spans(path: &str) -> Spans {
    let context = Context::root(TraceId::new(1, 2).unwrap(), true, || 3);
    Spans::of(&call(&context, path)).unwrap()
}

fn call<'a>(context: &'a Context, path: &'a str) -> Call<'a> {
    Call {
        context,
        start: std::time::UNIX_EPOCH,
        took: Duration::ZERO,
        method: "GET",
        path,
        scheme: "http",
        host: None,
        version: "1.1",
        client: "192.0.2.1".parse().unwrap(),
        listener: "",
        route: "",
        status: Some(200),
        reason: "ok",
        failed: false,
        cut: None,
        rule: None,
        provider: None,
        attempt: None,
    }
}

/// Waits for so many requests.
async fn seen(site: &Site, count: usize) -> Vec<Seen> {
    for _ in 0..1000 {
        let seen = site.seen();
        if seen.len() >= count {
            return seen;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{} requests came, not {count}", site.seen().len());
}

/// The paths that the spans of a request to the collector name.
fn paths(seen: &Seen) -> Vec<String> {
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
    let path = |span: &Value| {
        let all = span["attributes"].as_array().unwrap();
        let path = all.iter().find(|it| it["key"] == "url.path").unwrap();
        path["value"]["stringValue"].as_str().unwrap().to_owned()
    };
    spans.unwrap().iter().map(path).collect()
}

#[tokio::test]
async fn spans_that_come_together_go_together() {
    let site = Site::start(|_| Reply::json("{}"));
    let scene = start(&base(&site), QUICK);
    scene.put(["/a", "/b"]).await;
    sleep(Duration::from_millis(300)).await;
    scene.put(["/c"]).await;
    let counted = scene.end().await;
    assert_eq!(counted, [r#"exported_total{result="ok"} 3"#]);
    let seen = site.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (&*seen[0].method, &*seen[0].target),
        ("POST", "/otlp/v1/traces")
    );
    assert_eq!(
        (paths(&seen[0]), paths(&seen[1])),
        (vec!["/a".into(), "/b".into()], vec!["/c".into()])
    );
    let text = String::from_utf8(seen[0].body.clone()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        text.starts_with(&format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"edge \"1\""}}}},{{"key":"service.version","value":{{"stringValue":"{version}"}}}}]}},"scopeSpans":[{{"scope":{{"name":"countersign","version":"{version}"}},"spans":[{{"traceId":"#
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_full_batch_does_not_wait_and_the_end_sends_the_rest() {
    let site = Site::start(|_| Reply::json("{}"));
    let patient = Pace {
        gather: Duration::from_secs(600),
        ..QUICK
    };
    let scene = start(&base(&site), patient);
    scene.put(vec!["/"; BATCH + 1]).await;
    assert_eq!(paths(&seen(&site, 1).await[0]).len(), BATCH);
    let counted = scene.end().await;
    assert_eq!(
        counted,
        [format!(r#"exported_total{{result="ok"}} {}"#, BATCH + 1)]
    );
    assert_eq!(paths(&site.seen()[1]).len(), 1);
}

#[tokio::test]
async fn a_busy_collector_is_asked_once_more() {
    for status in [429, 502, 503, 504] {
        let asked = Mutex::new(0);
        let site = Site::start(move |_| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let busy = Reply::new(status).header("retry-after", "0");
            if *asked == 1 { busy } else { Reply::json("{}") }
        });
        let scene = start(&base(&site), QUICK);
        scene.put(["/a"]).await;
        assert_eq!(scene.end().await, [r#"exported_total{result="ok"} 1"#]);
        let seen = site.seen();
        assert_eq!(seen.len(), 2, "{status}");
        assert_eq!(seen[0].body, seen[1].body);
    }
}

#[tokio::test]
async fn what_is_no_use_is_not_tried_again() {
    for (status, times) in [(400, 1), (404, 1), (413, 1), (500, 1), (302, 1), (503, 2)] {
        let site = Site::start(move |_| Reply::new(status).header("location", "/"));
        let scene = start(&base(&site), QUICK);
        scene.put(["/a", "/b"]).await;
        assert_eq!(scene.end().await, [r#"exported_total{result="failed"} 2"#]);
        assert_eq!(site.seen().len(), times, "{status}");
    }
}

#[tokio::test]
async fn what_the_collector_rejects_is_counted_apart() {
    let site = Site::start(|_| {
        Reply::json(r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#)
    });
    let scene = start(&base(&site), QUICK);
    scene.put(["/a", "/b", "/c"]).await;
    assert_eq!(
        scene.end().await,
        [
            r#"exported_total{result="ok"} 1"#,
            r#"exported_total{result="rejected"} 2"#
        ]
    );
}

#[test]
fn how_long_a_collector_may_ask_to_wait() {
    let asked = |value: &str| {
        let url = "http://collector:4318".parse::<Collector>().unwrap();
        let mut answer = Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            url: url.url().clone(),
        };
        answer.headers.insert(RETRY_AFTER, value.parse().unwrap());
        pause(&answer)
    };
    assert_eq!(asked("2"), Some(Duration::from_secs(2)));
    assert_eq!(asked("86400"), Some(LONGEST_PAUSE));
    for other in ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "1.5"] {
        assert_eq!(asked(other), None, "{other}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let down = Arc::new(Mutex::new(true));
    let site = Site::start({
        let down = down.clone();
        move |_| Reply::new(if *down.lock().unwrap() { 500 } else { 200 })
    });
    let scene = start(&base(&site), QUICK);
    for round in 1..=6 {
        *down.lock().unwrap() = round < 4;
        scene.put(["/a"]).await;
        seen(&site, round).await;
    }
    scene.end().await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let url = format!("collector={}/v1/traces", base(&site));
    assert!(
        lines[0].contains("WARN") && lines[0].contains(&url) && lines[0].contains("status 500"),
        "{text}"
    );
    assert!(!lines[0].contains("help"), "{text}");
    assert!(
        lines[1].contains("INFO") && lines[1].contains("lost=3"),
        "{text}"
    );
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let site = Site::start(|_| Reply::silence());
    let metrics = Metrics::new();
    let plan = Plan {
        collector: base(&site).parse().unwrap(),
        sample: Ratio::ALL,
        service: "countersign".into(),
    };
    let (tracer, exporter) = Tracer::start(plan, &metrics);
    let context = tracer.begin(&http::HeaderMap::new(), || 7).unwrap();
    let attempt = Some(Attempt {
        endpoint: "10.0.0.1:80",
        backend: None,
        after: Duration::ZERO,
        took: Duration::ZERO,
        status: None,
    });
    // Nothing else runs on this thread meanwhile.
    for _ in 0..QUEUE + 10 {
        let call = Call {
            attempt,
            ..call(&context, "/")
        };
        tracer.record(&call);
    }
    assert_eq!(counted(&metrics), ["dropped_total 20"]);
    // Nor does a collector that never answers hold up the end.
    let begin = std::time::Instant::now();
    exporter.finish().await;
    assert!(begin.elapsed() < Duration::from_secs(4));
    tracer.record(&call(&context, "/"));
    assert_eq!(counted(&metrics), ["dropped_total 21"]);
}

#[tokio::test]
async fn the_caller_decides_and_otherwise_the_share() {
    let plan = |sample: &str| Plan {
        collector: "http://127.0.0.1:9".parse().unwrap(),
        sample: sample.parse().unwrap(),
        service: "countersign".into(),
    };
    let with = |flags: &str| {
        let value = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        http::HeaderMap::from_iter([(crate::traces::TRACEPARENT, value.parse().unwrap())])
    };
    let metrics = Metrics::new();
    let (none, _none) = Tracer::start(plan("0"), &metrics);
    let (all, _all) = Tracer::start(plan("1"), &metrics);
    for tracer in [&none, &all] {
        assert!(tracer.begin(&with("00"), || 7).is_none());
        let context = tracer.begin(&with("01"), || 7).unwrap();
        assert!(context.is_sampled());
        let outgoing = context.outgoing().to_str().unwrap();
        assert!(outgoing.starts_with("00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01"));
    }
    // Nobody has decided: neither who says nothing nor who says nonsense.
    for headers in [http::HeaderMap::new(), with("0")] {
        let context = none.begin(&headers, || 7).unwrap();
        assert!(!context.is_sampled());
        none.record(&call(&context, "/"));
        assert!(all.begin(&headers, || 7).unwrap().is_sampled());
        // A source of randomness that is broken makes no invalid ids.
        let outgoing = all.begin(&headers, || 0).unwrap().outgoing().clone();
        let again = http::HeaderMap::from_iter([(crate::traces::TRACEPARENT, outgoing)]);
        assert!(all.begin(&again, || 7).unwrap().parent.is_some());
    }
    assert_eq!(counted(&metrics), [""; 0]);
}
