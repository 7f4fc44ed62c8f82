//! Holding a gateway's answer against Envoy's, recorded or live.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::client::Response;
use crate::corpus::IstioExpect;

/// How much of an answer is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Status, and whether the upstream was reached.
    Status,
    /// Also body and challenge of refusals, path and headers at the upstream.
    Full,
}

/// Headers in which proxies differ without meaning anything by it.
const NOISE: &[&str] = &[
    "x-request-id",
    "x-envoy-expected-rq-timeout-ms",
    "x-forwarded-proto",
    "x-forwarded-for",
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-upstream-service-time",
    "date",
    "server",
    "connection",
    "x-forwarded-client-cert",
    "content-length",
    "via",
    "transfer-encoding",
    "x-envoy-attempt-count",
];

/// Whether proxies may differ in this header without meaning anything by it.
#[must_use]
pub fn is_noise(name: &str) -> bool {
    NOISE.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// In what the answer is not what is expected; `None` when they agree. In the expectation `__PORT__` stands for
/// `port`.
#[must_use]
pub fn compare(
    expect: &IstioExpect,
    answer: &Response,
    reached: bool,
    level: Level,
    port: u16,
) -> Option<String> {
    let mut checks = vec![
        differs("status", &expect.status, &answer.status),
        differs("reached upstream", &expect.reached_upstream, &reached),
    ];
    if level == Level::Full && checks.iter().all(Option::is_none) {
        checks.push(if reached {
            upstream(expect, answer)
        } else {
            refusal(expect, answer, port)
        });
    }
    checks.into_iter().flatten().next()
}

/// What this answer of Envoy lets one expect of others. Where it came from the upstream, its body says what the
/// upstream saw.
#[must_use]
pub fn expectation(answer: &Response, reached: bool) -> IstioExpect {
    let values = |name: &str| {
        let values = answer.headers.all(name);
        (!values.is_empty()).then(|| values.into_iter().map(str::to_owned).collect())
    };
    IstioExpect {
        status: answer.status,
        reached_upstream: reached,
        body: (!reached).then(|| answer.text()),
        content_type: None,
        www_authenticate: values("www-authenticate"),
        location: values("location"),
        upstream: reached
            .then(|| serde_json::from_slice(&answer.body).ok())
            .flatten(),
        upstream_has: None,
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, want: &T, got: &T) -> Option<String> {
    (want != got).then(|| format!("{what}: want {want:?}, got {got:?}"))
}

fn refusal(expect: &IstioExpect, answer: &Response, port: u16) -> Option<String> {
    let fill = |text: &str| text.replace("__PORT__", &port.to_string());
    if let Some(body) = &expect.body {
        let wrong = differs("body", &fill(body), &answer.text());
        if wrong.is_some() {
            return wrong;
        }
        let challenges: Vec<String> = expect
            .www_authenticate
            .iter()
            .flatten()
            .map(|it| fill(it))
            .collect();
        let got: Vec<&str> = answer.headers.all("www-authenticate");
        return differs(
            "www-authenticate",
            &challenges.iter().map(String::as_str).collect(),
            &got,
        );
    }
    None
}

fn upstream(expect: &IstioExpect, answer: &Response) -> Option<String> {
    if expect.upstream_has.is_none() && expect.upstream.is_none() {
        return None;
    }
    let seen = answer.json();
    if let Some(has) = &expect.upstream_has {
        let path = has
            .get("path")
            .and_then(|it| differs("upstream path", it, &seen["path"]));
        let got: BTreeMap<String, String> = headers(&seen["headers"]).into_iter().collect();
        let wanted = has["headers"].as_object().into_iter().flatten();
        let header = wanted
            .filter_map(|(name, value)| {
                let got = got.get(name).map(|it| Value::from(it.as_str()));
                differs(
                    &format!("upstream header {name}"),
                    &value.clone(),
                    &got.unwrap_or_default(),
                )
            })
            .next();
        return path.or(header);
    }
    let want = expect.upstream.as_ref()?;
    differs("upstream method", &want["method"], &seen["method"])
        .or_else(|| differs("upstream path", &want["path"], &seen["path"]))
        .or_else(|| {
            differs(
                "upstream headers",
                &headers(&want["headers"]),
                &headers(&seen["headers"]),
            )
        })
}

/// Names in lower case, noise left out, sorted; lines of `Authorization`, which Envoy joins, as one; JSON in base64 with its members sorted, since
/// their order means nothing.
fn headers(pairs: &Value) -> Vec<(String, String)> {
    let pairs = pairs.as_array().into_iter().flatten();
    let mut headers: Vec<(String, String)> = pairs
        .map(|pair| {
            let text = |index: usize| pair[index].as_str().unwrap_or_default().to_owned();
            (text(0).to_ascii_lowercase(), canonical(text(1)))
        })
        .filter(|(name, _)| !is_noise(name))
        .collect();
    let is_joined = |it: &(String, String)| it.0 == "authorization";
    if headers.iter().filter(|it| is_joined(it)).count() > 1 {
        let lines = headers.iter().filter(|it| is_joined(it));
        let lines = lines.map(|(_, value)| value.as_str());
        let joined: Vec<&str> = lines.filter(|it| !it.is_empty()).collect();
        let joined = joined.join(",");
        headers.retain(|it| !is_joined(it));
        headers.push(("authorization".into(), joined));
    }
    headers.sort();
    headers
}

fn canonical(value: String) -> String {
    let decoded = STANDARD
        .decode(&value)
        .ok()
        .filter(|_| value.starts_with("ey") || value.starts_with('W'));
    let json = decoded.and_then(|it| serde_json::from_slice::<Value>(&it).ok());
    json.map_or(value, |it| sorted(it).to_string())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            ordered.into_iter().collect()
        }
        Value::Array(list) => list.into_iter().map(sorted).collect(),
        other => other,
    }
}
