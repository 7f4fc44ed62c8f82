use serde_json::{Value as Json, json};

use super::*;

fn context(parent: bool, flags: u8) -> Context {
    let mut headers = http::HeaderMap::new();
    if parent {
        let value = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags:02x}");
        headers.insert(super::super::TRACEPARENT, value.parse().unwrap());
    }
    let mut last = 0;
    let mut random = move || {
        last += 1;
        last
    };
    match super::super::context::Parent::of(&headers) {
        Some(parent) => Context::below(parent, random),
        None => Context::root(TraceId::new(random(), random()).unwrap(), true, random),
    }
}

fn call(context: &Context) -> Call<'_> {
    Call {
        context,
        start: UNIX_EPOCH + Duration::from_millis(1_767_225_600_250),
        took: Duration::from_micros(1_234),
        method: "GET",
        path: "/cart",
        scheme: "https",
        host: Some(("shop.example", None)),
        version: "2",
        client: "192.0.2.1".parse().unwrap(),
        listener: "shop/web/https",
        route: "shop/cart/0",
        status: Some(200),
        reason: "ok",
        failed: false,
        cut: None,
        rule: None,
        provider: Some("idp"),
        attempt: Some(Attempt {
            endpoint: "10.0.0.1:8080",
            backend: Some("shop/cart:80"),
            after: Duration::from_micros(100),
            took: Duration::from_micros(900),
            status: Some(200),
        }),
    }
}

fn spans(call: &Call<'_>) -> Vec<Json> {
    let spans = Spans::of(call).unwrap();
    let all: Vec<Json> = spans
        .iter()
        .map(|span| serde_json::from_str(span.get()).unwrap())
        .collect();
    assert_eq!(all.len() as u64, spans.count());
    all
}

/// `None` where there is no such attribute.
fn attribute<'s>(span: &'s Json, key: &str) -> Option<&'s str> {
    let all = span["attributes"].as_array().unwrap();
    let mut of_key = all.iter().filter(|it| it["key"] == key);
    let value = &of_key.next()?["value"];
    assert!(of_key.next().is_none(), "{key} twice");
    assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
    value
        .get("stringValue")
        .or(value.get("intValue"))
        .unwrap()
        .as_str()
}

#[test]
fn a_granted_request_to_the_letter() {
    let context = context(true, 3);
    let spans = Spans::of(&call(&context)).unwrap();
    let texts: Vec<&str> = spans.iter().map(RawValue::get).collect();
    assert_eq!(
        texts,
        [
            concat!(
                r#"{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"0000000000000001","#,
                r#""parentSpanId":"b7ad6b7169203331","flags":771,"name":"GET shop/cart/0","kind":2,"#,
                r#""startTimeUnixNano":"1767225600250000000","endTimeUnixNano":"1767225600251234000","#,
                r#""attributes":["#,
                r#"{"key":"http.request.method","value":{"stringValue":"GET"}},"#,
                r#"{"key":"url.scheme","value":{"stringValue":"https"}},"#,
                r#"{"key":"url.path","value":{"stringValue":"/cart"}},"#,
                r#"{"key":"server.address","value":{"stringValue":"shop.example"}},"#,
                r#"{"key":"server.port","value":{"intValue":"443"}},"#,
                r#"{"key":"http.route","value":{"stringValue":"shop/cart/0"}},"#,
                r#"{"key":"http.response.status_code","value":{"intValue":"200"}},"#,
                r#"{"key":"client.address","value":{"stringValue":"192.0.2.1"}},"#,
                r#"{"key":"network.protocol.version","value":{"stringValue":"2"}},"#,
                r#"{"key":"countersign.listener","value":{"stringValue":"shop/web/https"}},"#,
                r#"{"key":"countersign.reason","value":{"stringValue":"ok"}},"#,
                r#"{"key":"countersign.provider","value":{"stringValue":"idp"}}]}"#,
            ),
            concat!(
                r#"{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"0000000000000002","#,
                r#""parentSpanId":"0000000000000001","flags":259,"name":"GET","kind":3,"#,
                r#""startTimeUnixNano":"1767225600250100000","endTimeUnixNano":"1767225600251000000","#,
                r#""attributes":["#,
                r#"{"key":"http.request.method","value":{"stringValue":"GET"}},"#,
                r#"{"key":"server.address","value":{"stringValue":"10.0.0.1"}},"#,
                r#"{"key":"server.port","value":{"intValue":"8080"}},"#,
                r#"{"key":"http.response.status_code","value":{"intValue":"200"}},"#,
                r#"{"key":"countersign.backend","value":{"stringValue":"shop/cart:80"}}]}"#,
            ),
        ]
    );
}

#[test]
fn a_refusal_names_its_rule_and_is_no_error() {
    let origin = Origin {
        kind: "RequestAuthentication",
        namespace: "shop".into(),
        name: "jwt".into(),
        part: "jwtRules[0]".into(),
        file: "policy.yaml".into(),
        line: 12,
    };
    let context = context(false, 0);
    let refused = Call {
        status: Some(401),
        reason: "jwt_expired",
        rule: Some(&origin),
        provider: None,
        attempt: None,
        host: Some(("::1", Some(8080))),
        route: "",
        listener: "",
        ..call(&context)
    };
    let all = spans(&refused);
    let [span] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!((span.get("parentSpanId"), span.get("status")), (None, None));
    assert_eq!(
        (&span["name"], &span["flags"]),
        (&json!("GET"), &json!(0x101))
    );
    for (key, value) in [
        ("http.response.status_code", Some("401")),
        ("countersign.reason", Some("jwt_expired")),
        (
            "countersign.rule",
            Some("RequestAuthentication shop/jwt jwtRules[0] (policy.yaml:12)"),
        ),
        ("server.address", Some("::1")),
        ("server.port", Some("8080")),
        ("countersign.provider", None),
        ("countersign.listener", None),
        ("http.route", None),
        ("error.type", None),
    ] {
        assert_eq!(attribute(span, key), value, "{key}");
    }
}

/// Whose fault it is decides, and that differs between the two kinds of span.
#[test]
fn failures() {
    let context = context(true, 1);
    let error = json!({"code": 2});
    for (status, reason, failed, answered, server, client) in [
        (Some(200), "ok", false, Some(200), None, None),
        (Some(404), "ok", false, Some(404), None, Some("404")),
        (Some(503), "ok", true, Some(503), Some("503"), Some("503")),
        (
            Some(502),
            "upstream_reset",
            true,
            None,
            Some("upstream_reset"),
            Some("upstream_reset"),
        ),
        // Trailers-only answers of gRPC have status 200.
        (
            Some(200),
            "timeout",
            true,
            None,
            Some("timeout"),
            Some("timeout"),
        ),
        (None, "client_gone", false, None, None, Some("client_gone")),
    ] {
        let attempt = call(&context).attempt.map(|attempt| Attempt {
            status: answered,
            ..attempt
        });
        let all = spans(&Call {
            status,
            reason,
            failed,
            attempt,
            ..call(&context)
        });
        for (span, kind) in all.iter().zip([server, client]) {
            assert_eq!(attribute(span, "error.type"), kind, "{reason}: {span}");
            assert_eq!(span.get("status"), kind.map(|_| &error), "{reason}: {span}");
        }
        let stated = status.map(|status| status.to_string());
        assert_eq!(
            attribute(&all[0], "http.response.status_code"),
            stated.as_deref()
        );
    }
}

/// Whoever chooses a method or a path must not choose names or sizes.
#[test]
fn hostile_values_stay_values() {
    let context = context(true, 1);
    let path = format!("/\"\n\u{1b}[2J{}", "é".repeat(1000));
    let method = "X".repeat(5000);
    let all = spans(&Call {
        method: &method,
        path: &path,
        ..call(&context)
    });
    assert_eq!(all[0]["name"], "HTTP shop/cart/0");
    assert_eq!(all[1]["name"], "HTTP");
    assert_eq!(attribute(&all[0], "http.request.method"), Some("_OTHER"));
    let original = attribute(&all[0], "http.request.method_original").unwrap();
    assert_eq!(original.len(), 1024);
    let shown = attribute(&all[0], "url.path").unwrap();
    assert!(path.starts_with(shown) && (1023..=1024).contains(&shown.len()));
}

#[test]
fn a_clock_before_1970_and_endless_requests() {
    let context = context(true, 1);
    let all = spans(&Call {
        start: UNIX_EPOCH - Duration::from_secs(1),
        took: Duration::MAX,
        ..call(&context)
    });
    assert_eq!(all[0]["startTimeUnixNano"], "0");
    assert_eq!(all[0]["endTimeUnixNano"], u64::MAX.to_string());
}
