//! Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio::time::Instant;

use super::policies::{Sums, Verdict};
use super::shard::{BOUNDS, Series, Totals};
use super::{Control, counter};

/// Requests and connections.
pub(super) fn requests(out: &mut String, totals: &Totals) {
    family(
        out,
        "countersign_requests_total",
        "counter",
        "Requests, by what became of them.",
    );
    for ((listener, route), series) in &totals.requests {
        for (status, reason, count) in &series.outcomes {
            let labels = labels(&[
                ("listener", listener),
                ("route", route),
                ("status", &status.to_string()),
                ("reason", reason),
            ]);
            line(out, "countersign_requests_total", &labels, *count);
        }
    }
    family(
        out,
        "countersign_request_seconds",
        "histogram",
        "From a request's headers to the end of its answer.",
    );
    for ((listener, route), series) in &totals.requests {
        histogram(out, &[("listener", listener), ("route", route)], series);
    }
    streams(out, totals);
    family(
        out,
        "countersign_connections",
        "gauge",
        "Open client connections.",
    );
    for (listener, open) in &totals.connections {
        line(
            out,
            "countersign_connections",
            &labels(&[("listener", listener)]),
            *open,
        );
    }
}

/// What policies refused, would have refused, and noted.
pub(super) fn policies(out: &mut String, sums: &Sums) {
    let families = [
        (
            "countersign_policy_denials_total",
            "Refusals, by the rule that caused them.",
        ),
        (
            "countersign_dry_run_total",
            "What policies under trial would have done, by rule.",
        ),
        (
            "countersign_audit_total",
            "Requests that AUDIT policies noted, by rule.",
        ),
    ];
    for (name, help) in families {
        family(out, name, "counter", help);
        for ((verdict, rule), count) in &sums.0 {
            let (of, more) = match verdict {
                Verdict::Denied(reason) => (
                    "countersign_policy_denials_total",
                    Some(("reason", *reason)),
                ),
                Verdict::Trial(outcome) => {
                    ("countersign_dry_run_total", Some(("outcome", *outcome)))
                }
                Verdict::Audited => ("countersign_audit_total", None),
            };
            if of == name {
                let named = [
                    ("kind", rule.kind),
                    ("policy", &rule.policy),
                    ("rule", &rule.rule),
                ];
                let pairs: Vec<(&str, &str)> = named.into_iter().chain(more).collect();
                line(out, name, &labels(&pairs), *count);
            }
        }
    }
}

/// What the cache of verified tokens was good for.
pub(super) fn tokens(out: &mut String, totals: &Totals) {
    let families = [
        (
            "countersign_token_cache_hits_total",
            "Tokens that were verified before.",
            totals.tokens_known,
        ),
        (
            "countersign_token_cache_misses_total",
            "Good tokens that had to be verified.",
            totals.tokens_new,
        ),
    ];
    for (name, help, count) in families {
        family(out, name, "counter", help);
        line(out, name, "", count);
    }
}

/// Numbers that others keep.
pub(super) fn gauges(out: &mut String, gauges: &BTreeMap<&'static str, counter::Gauge>) {
    for (name, gauge) in gauges {
        family(out, name, "gauge", gauge.help);
        line(out, name, "", (gauge.read)());
    }
}

/// Connections that are passed on unread.
fn streams(out: &mut String, totals: &Totals) {
    let help = "Connections that were passed on unread or refused, by reason.";
    family(out, "countersign_streams_total", "counter", help);
    for ((listener, route), reasons) in &totals.streams {
        for (reason, count) in reasons {
            let labels = labels(&[("listener", listener), ("route", route), ("reason", reason)]);
            line(out, "countersign_streams_total", &labels, *count);
        }
    }
}

/// Keys, reloads and the build.
pub(super) fn control(out: &mut String, control: &Control, now: Instant) {
    family(
        out,
        "countersign_jwks_age_seconds",
        "gauge",
        "Time since a provider's keys were fetched with success.",
    );
    for (name, provider) in &control.providers {
        if let Some(fresh) = provider.fresh {
            let age = now.saturating_duration_since(fresh).as_secs_f64();
            line(
                out,
                "countersign_jwks_age_seconds",
                &labels(&[("provider", name)]),
                age,
            );
        }
    }
    family(
        out,
        "countersign_jwks_fetch_total",
        "counter",
        "Attempts to fetch a provider's keys, by result.",
    );
    for (name, provider) in &control.providers {
        for (result, count) in &provider.results {
            line(
                out,
                "countersign_jwks_fetch_total",
                &labels(&[("provider", name), ("result", result)]),
                *count,
            );
        }
    }
    family(
        out,
        "countersign_reload_total",
        "counter",
        "Configuration reloads, by result.",
    );
    for (result, count) in &control.reloads {
        line(
            out,
            "countersign_reload_total",
            &labels(&[("result", result)]),
            *count,
        );
    }
    let help = "When the configuration in force was loaded, in seconds since 1970.";
    family(
        out,
        "countersign_config_load_timestamp_seconds",
        "gauge",
        help,
    );
    if let Some(loaded) = control.loaded {
        line(
            out,
            "countersign_config_load_timestamp_seconds",
            "",
            loaded.0,
        );
    }
    family(
        out,
        "countersign_build_info",
        "gauge",
        "Always 1; its label says which build this is.",
    );
    line(
        out,
        "countersign_build_info",
        &labels(&[("version", env!("CARGO_PKG_VERSION"))]),
        1,
    );
}

/// Counters by name and result.
pub(super) fn counters(out: &mut String, counters: &BTreeMap<&'static str, counter::Family>) {
    for (name, of_name) in counters {
        family(out, name, "counter", of_name.help);
        for (result, counter) in &of_name.results {
            let labels = match *result {
                "" => String::new(),
                result => labels(&[("result", result)]),
            };
            line(out, name, &labels, counter.total());
        }
    }
}

fn histogram(out: &mut String, names: &[(&str, &str)], series: &Series) {
    let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    let mut total = 0;
    for (bound, count) in bounds.zip(series.buckets) {
        total += count;
        let labels = labels(&[names, &[("le", &bound)]].concat());
        line(out, "countersign_request_seconds_bucket", &labels, total);
    }
    line(
        out,
        "countersign_request_seconds_sum",
        &labels(names),
        series.seconds,
    );
    line(
        out,
        "countersign_request_seconds_count",
        &labels(names),
        total,
    );
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string does not fail.
    let _ok = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ok = writeln!(out, "{name}{labels} {value}");
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    format!(
        "{{{}}}",
        pairs.iter().map(pair).collect::<Vec<_>>().join(",")
    )
}
