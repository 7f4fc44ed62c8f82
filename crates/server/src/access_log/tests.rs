//! Lines as people and machines read them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, UNIX_EPOCH};

use countersign_core::authz::{Action, Remark, Remarked};
use countersign_core::origin::Origin;

use countersign_runtime::Counter;

use super::*;

fn entry() -> Entry<'static> {
    Entry {
        time: UNIX_EPOCH + Duration::from_millis(1_767_225_600_250),
        listener: "shop/web/http",
        route: "shop/cart/0",
        method: "GET",
        path: "/cart",
        status: 200,
        reason: "ok",
        cut: None,
        rule: None,
        detail: "",
        remarks: &[],
        provider: Some("idp"),
        subject: Some("alice"),
        client: "192.0.2.1".parse().unwrap(),
        sni: None,
        backend: Some("shop/cart:80"),
        upstream: Some("10.0.0.1:8080"),
        took: Duration::from_micros(1_234),
        waited: Some(Duration::from_micros(900)),
        received: 0,
        sent: 12,
        protocol: "HTTP/1.1",
        request: Some("r-1"),
        trace: None,
        decision: None,
    }
}

fn line(form: AccessLog, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    assert!(entry.write(form, &mut time::Stamp::default(), &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_of_text() {
    assert_eq!(
        line(AccessLog::Text, &entry()),
        "time=2026-01-01T00:00:00.250Z client=192.0.2.1 method=GET path=/cart status=200 \
         reason=ok provider=idp subject=alice listener=shop/web/http route=shop/cart/0 \
         backend=shop/cart:80 upstream=10.0.0.1:8080 duration_ms=1.234 upstream_ms=0.900 \
         bytes_in=0 bytes_out=12 protocol=HTTP/1.1 request_id=r-1\n"
    );
}

#[test]
fn remarks_of_policies() {
    let remark = |outcome, part: &str| Remark {
        action: Action::Deny,
        outcome,
        origin: Arc::new(Origin {
            kind: "AuthorizationPolicy",
            namespace: "shop".into(),
            name: "web".into(),
            part: part.into(),
            file: "policy.yaml".into(),
            line: 3,
        }),
    };
    let mut remarks = vec![
        remark(Remarked::WouldDeny, "rules[0]"),
        remark(Remarked::Audited, "rules[1]"),
        remark(Remarked::WouldAllow, "rules[2]"),
    ];
    let text = |remarks: &[Remark]| {
        let entry = Entry { remarks, ..entry() };
        line(AccessLog::Text, &entry)
    };
    let web = |part| format!("AuthorizationPolicy shop/web rules[{part}] (policy.yaml:3)");
    let wanted = format!(
        " dry_run=\"would_deny {}; would_allow {}\" audit=\"{}\" ",
        web(0),
        web(2),
        web(1)
    );
    assert!(text(&remarks).contains(&wanted), "{}", text(&remarks));
    remarks.extend((0..9).map(|_| remark(Remarked::Audited, "rules[1]")));
    assert!(text(&remarks).contains("; and 2 more\" provider="));
}

#[test]
fn a_refusal_names_its_rule() {
    let origin = Origin {
        kind: "RequestAuthentication",
        namespace: "shop".into(),
        name: "jwt".into(),
        part: "jwtRules[0]".into(),
        file: "policy.yaml".into(),
        line: 12,
    };
    let refused = Entry {
        status: 401,
        reason: "jwt_expired",
        rule: Some(&origin),
        detail: "expired 3 s ago",
        provider: None,
        subject: None,
        ..entry()
    };
    let text = line(AccessLog::Text, &refused);
    assert!(
        text.contains(
            "status=401 reason=jwt_expired rule=\"RequestAuthentication shop/jwt jwtRules[0] \
             (policy.yaml:12)\" detail=\"expired 3 s ago\" listener="
        ),
        "{text}"
    );
}

/// Whoever chooses a subject or a path must not write lines of their own.
#[test]
fn hostile_values_stay_values() {
    let hostile = "a\" status=200\n\u{1b}[2J\u{9b}\\ é";
    let entry = Entry {
        subject: Some(hostile),
        path: "/x=\"y",
        ..entry()
    };
    let text = line(AccessLog::Text, &entry);
    assert_eq!(text.matches('\n').count(), 1);
    assert!(
        text.contains(r#"subject="a\" status=200\n\u001b[2J\u009b\\ é""#),
        "{text}"
    );
    assert!(text.contains(r#"path="/x=\"y""#), "{text}");

    let json: serde_json::Value = serde_json::from_str(&line(AccessLog::Json, &entry)).unwrap();
    assert_eq!(json["subject"], hostile);
    assert_eq!(json["path"], "/x=\"y");
    assert_eq!(json["status"], 200);
    assert_eq!(json["duration_ms"], 1.234);
    assert_eq!(json["time"], "2026-01-01T00:00:00.250Z");
    assert!(json.get("trace_id").is_none());
}

/// What shows as nothing, or in another order than it stands there, would let
/// one subject pass for another before the eyes of who reads the log.
#[test]
fn nothing_hides_in_a_value_and_nothing_turns_it_round() {
    let hidden = "a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{ad}f\u{2028}g\u{61c}h\u{e0041}ü\u{1f600}";
    let shown = r#""a\u202eb\u2066c\u200bd\ufeffe\u00adf\u2028g\u061ch\udb40\udc41ü"#.to_owned()
        + "\u{1f600}\"";
    let entry = Entry {
        subject: Some(hidden),
        path: hidden,
        ..entry()
    };
    let text = line(AccessLog::Text, &entry);
    for key in ["subject", "path"] {
        assert!(text.contains(&format!(" {key}={shown} ")), "{text}");
    }
    let json = line(AccessLog::Json, &entry);
    assert!(json.contains(&format!("\"subject\":{shown},")), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["subject"], hidden);
}

#[test]
fn off_is_off() {
    assert!(!entry().write(AccessLog::Off, &mut time::Stamp::default(), &mut Vec::new()));
}

/// Hands on what is written, and may be held up.
struct Out(Sender<Vec<u8>>, Option<Receiver<()>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &self.1 {
            held.recv().ok();
        }
        self.0.send(bytes.to_vec()).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_is_written_before_the_end() {
    let (sender, written) = channel();
    let (sink, writer) = Sink::start(Out(sender, None), Counter::default()).unwrap();
    let lines = Lines::new(sink);
    for _ in 0..1000 {
        lines.push(AccessLog::Text, &entry());
    }
    drop(lines);
    writer.finish();
    let text: Vec<u8> = written.iter().flatten().collect();
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1000);
}

#[test]
fn a_slow_log_loses_lines_and_holds_up_nobody() {
    let ((sender, written), (release, held)) = (channel(), channel());
    let dropped = Counter::default();
    let (sink, writer) = Sink::start(Out(sender, Some(held)), dropped.clone()).unwrap();
    let lines = Lines::new(sink.clone());
    let pushed = 60_000;
    for _ in 0..pushed {
        lines.push(AccessLog::Json, &entry());
    }
    drop(lines);
    let lost = dropped.total();
    assert!(lost > 0);
    drop((release, sink));
    writer.finish();
    let text: Vec<u8> = written.iter().flatten().collect();
    let kept = text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(u64::try_from(kept).unwrap() + lost, pushed);
}
