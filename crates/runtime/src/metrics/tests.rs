use std::time::Duration;

use countersign_core::authz::Remarked;
use countersign_core::{Origin, Reason};

use super::*;

fn name(text: &str) -> Arc<str> {
    text.into()
}

fn count(shard: &Shard, route: &str, status: u16, reason: &'static str, millis: u64) {
    let labels = Labels {
        listener: &name("ns/edge/http"),
        route: &name(route),
        status,
        reason,
    };
    shard.count(&labels, Duration::from_millis(millis));
}

/// The lines of one family, without its comments.
fn family(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.render();
    text.lines()
        .filter(|line| line.starts_with(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_are_counted_by_what_they_say() {
    let metrics = Metrics::new();
    let (one, two) = (metrics.shard(0), metrics.shard(1));
    let rule = |part: &str, line| {
        Arc::new(Origin {
            kind: "AuthorizationPolicy",
            namespace: name("shop"),
            name: name("web"),
            part: name(part),
            file: name("policy.yaml"),
            line,
        })
    };
    let denied = Verdict::of_denial(&Reason::PolicyDenied).unwrap();
    one.judge(&rule("rules[0]", 7), denied);
    // Moved in its file by a reload.
    two.judge(&rule("rules[0]", 9), denied);
    two.judge(
        &rule("", 1),
        Verdict::of_denial(&Reason::PolicyNotAllowed).unwrap(),
    );
    two.judge(
        &rule("rules[1]", 8),
        Verdict::of_remark(Remarked::WouldDeny),
    );
    two.judge(&rule("rules[2]", 9), Verdict::of_remark(Remarked::Audited));
    assert_eq!(Verdict::of_denial(&Reason::TokenMissing), None);
    let web = r#"kind="AuthorizationPolicy",policy="shop/web""#;
    assert_eq!(
        family(&metrics, "countersign_policy_denials_total"),
        [
            format!(
                r#"countersign_policy_denials_total{{{web},rule="rules[0]",reason="policy_denied"}} 2"#
            ),
            format!(
                r#"countersign_policy_denials_total{{{web},rule="",reason="policy_not_allowed"}} 1"#
            ),
        ]
    );
    assert_eq!(
        family(&metrics, "countersign_dry_run_total"),
        [format!(
            r#"countersign_dry_run_total{{{web},rule="rules[1]",outcome="would_deny"}} 1"#
        )]
    );
    assert_eq!(
        family(&metrics, "countersign_audit_total"),
        [format!(
            r#"countersign_audit_total{{{web},rule="rules[2]"}} 1"#
        )]
    );
}

#[test]
fn rules_beyond_a_bound_are_counted_together() {
    let metrics = Metrics::new();
    let shard = metrics.shard(0);
    for number in 0..10_003 {
        let rule = Origin {
            kind: "AuthorizationPolicy",
            namespace: name("shop"),
            name: name(&number.to_string()),
            part: name(""),
            file: name("policy.yaml"),
            line: 1,
        };
        shard.judge(&Arc::new(rule), Verdict::Audited);
    }
    let lines = family(&metrics, "countersign_audit_total");
    assert_eq!(lines.len(), 10_001);
    let other = r#"countersign_audit_total{kind="_other",policy="_other",rule="_other"} 3"#;
    assert!(lines.iter().any(|line| line == other));
}

#[test]
fn shards_are_summed_up() {
    let metrics = Metrics::new();
    let (one, two) = (metrics.shard(0), metrics.shard(1));
    assert!(Arc::ptr_eq(&one, &metrics.shard(0)));
    count(&one, "ns/cart/0", 200, "ok", 3);
    count(&two, "ns/cart/0", 200, "ok", 30);
    count(&two, "ns/cart/0", 401, "jwt_missing", 0);
    count(&two, "", 404, "route_not_found", 60_000);
    assert_eq!(
        family(&metrics, "countersign_requests_total"),
        [
            r#"countersign_requests_total{listener="ns/edge/http",route="",status="404",reason="route_not_found"} 1"#,
            r#"countersign_requests_total{listener="ns/edge/http",route="ns/cart/0",status="200",reason="ok"} 2"#,
            r#"countersign_requests_total{listener="ns/edge/http",route="ns/cart/0",status="401",reason="jwt_missing"} 1"#,
        ]
    );
    let cart = |name: &str| -> Vec<String> {
        let lines = family(&metrics, name);
        let of_cart = lines
            .iter()
            .filter(|line| line.contains("route=\"ns/cart/0\""));
        of_cart
            .map(|line| line.rsplit(['{', '}']).next().unwrap().trim().to_owned())
            .collect()
    };
    assert_eq!(
        cart("countersign_request_seconds_bucket").join(" "),
        "1 1 1 2 2 2 3 3 3 3 3 3 3 3 3"
    );
    assert_eq!(
        (
            cart("countersign_request_seconds_sum"),
            cart("countersign_request_seconds_count")
        ),
        (vec!["0.033".into()], vec!["3".into()])
    );
    let slow = family(
        &metrics,
        r#"countersign_request_seconds_bucket{listener="ns/edge/http",route="","#,
    );
    assert!(
        slow[13].ends_with(r#"le="10"} 0"#) && slow[14].ends_with(r#"le="+Inf"} 1"#),
        "{slow:?}"
    );
}

#[test]
fn connections_go_up_and_down() {
    let metrics = Metrics::new();
    let listener = name("ns/edge/http");
    let (one, two) = (
        metrics.shard(0).open(&listener),
        metrics.shard(1).open(&listener),
    );
    assert_eq!(
        family(&metrics, "countersign_connections"),
        [r#"countersign_connections{listener="ns/edge/http"} 2"#]
    );
    drop((one, two));
    assert_eq!(
        family(&metrics, "countersign_connections"),
        [r#"countersign_connections{listener="ns/edge/http"} 0"#]
    );
}

#[test]
fn routes_without_end_share_one_name() {
    let metrics = Metrics::new();
    let shard = metrics.shard(0);
    for route in 0..10_100 {
        count(&shard, &route.to_string(), 200, "ok", 1);
    }
    count(&shard, "7", 200, "ok", 1);
    let lines = family(&metrics, "countersign_requests_total");
    assert_eq!(lines.len(), 10_001);
    assert!(lines.contains(&r#"countersign_requests_total{listener="_other",route="_other",status="200",reason="ok"} 100"#.into()));
    assert!(lines.contains(&r#"countersign_requests_total{listener="ns/edge/http",route="7",status="200",reason="ok"} 2"#.into()));
}

#[tokio::test(start_paused = true)]
async fn keys_and_reloads() {
    let metrics = Metrics::new();
    let names = [name("a\"b\\c\n"), name("quiet")];
    metrics.providers(names.iter());
    metrics.fetched(&names[..1], "ok");
    metrics.providers(names.iter().chain(&names));
    metrics.fetched(&names[..1], "timeout");
    metrics.fetched(&names[..1], "ok");
    metrics.fetched(&[name("stranger")], "ok");
    metrics.fresh(&names[..1], Instant::now());
    tokio::time::advance(Duration::from_millis(90_500)).await;
    metrics.reloaded("applied");
    metrics.loaded(UnixTime(1_700_000_000));
    let text = metrics.render();
    let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            "countersign_token_cache_hits_total 0",
            "countersign_token_cache_misses_total 0",
            r#"countersign_jwks_age_seconds{provider="a\"b\\c\n"} 90.5"#,
            r#"countersign_jwks_fetch_total{provider="a\"b\\c\n",result="ok"} 2"#,
            r#"countersign_jwks_fetch_total{provider="a\"b\\c\n",result="timeout"} 1"#,
            r#"countersign_reload_total{result="applied"} 1"#,
            "countersign_config_load_timestamp_seconds 1700000000",
            concat!(
                "countersign_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        ]
    );
    metrics.providers(names[1..].iter());
    assert!(!metrics.render().contains("provider="));
}

#[test]
fn connections_that_are_passed_on_are_summed_by_reason() {
    let metrics = Metrics::new();
    let (listener, route): (Arc<str>, Arc<str>) = ("l".into(), "r".into());
    for (worker, reason) in [(0, "ok"), (1, "ok"), (1, "policy_denied")] {
        metrics.shard(worker).stream(&listener, &route, reason);
    }
    let text = metrics.render();
    for (reason, count) in [("ok", 2), ("policy_denied", 1)] {
        let line = format!(
            "countersign_streams_total{{listener=\"l\",route=\"r\",reason=\"{reason}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn each_family_is_described_once() {
    let metrics = Metrics::new();
    count(&metrics.shard(0), "a", 200, "ok", 1);
    let text = metrics.render();
    let described: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert_eq!(
        described,
        [
            "countersign_requests_total counter",
            "countersign_request_seconds histogram",
            "countersign_streams_total counter",
            "countersign_connections gauge",
            "countersign_policy_denials_total counter",
            "countersign_dry_run_total counter",
            "countersign_audit_total counter",
            "countersign_token_cache_hits_total counter",
            "countersign_token_cache_misses_total counter",
            "countersign_jwks_age_seconds gauge",
            "countersign_jwks_fetch_total counter",
            "countersign_reload_total counter",
            "countersign_config_load_timestamp_seconds gauge",
            "countersign_build_info gauge",
        ]
    );
    assert_eq!(text.matches("# HELP ").count(), described.len());
    assert!(text.ends_with('\n'));
}

#[test]
fn tokens_are_summed_over_workers_and_gauges_read_anew() {
    let metrics = Metrics::new();
    for worker in [0, 1, 1] {
        metrics.shard(worker).token_known();
    }
    metrics.shard(1).token_new();
    let level = Counter::default();
    let read = level.clone();
    metrics.gauge("countersign_test_level", "A level.", move || read.total());
    level.add(7);
    let text = metrics.render();
    for line in [
        "\ncountersign_token_cache_hits_total 3\n",
        "\ncountersign_token_cache_misses_total 1\n",
        "\n# TYPE countersign_test_level gauge\ncountersign_test_level 7\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn counters_are_shared_by_name_and_result() {
    let metrics = Metrics::new();
    let help = "Copies of requests to mirrors, by result.";
    metrics
        .counter("countersign_mirror_total", "sent", help)
        .add(2);
    metrics
        .counter("countersign_mirror_total", "sent", help)
        .add(1);
    metrics.counter("countersign_mirror_total", "failed", help);
    metrics
        .counter("countersign_lost_total", "", "Lost.")
        .add(4);
    let text = metrics.render();
    for line in [
        "# HELP countersign_mirror_total Copies of requests to mirrors, by result.",
        "# TYPE countersign_mirror_total counter",
        "countersign_mirror_total{result=\"sent\"} 3",
        "countersign_mirror_total{result=\"failed\"} 0",
        "countersign_lost_total 4",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line}\nis not in\n{text}"
        );
    }
}
