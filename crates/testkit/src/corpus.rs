//! Reads the conformance suites and examples that lie beside the checkout, in `../shared`.
//!
//! They are not ours to commit. Where they are missing a test says so in one line and passes; in CI (`CI` set)
//! it fails instead, so that a suite can never be lost unseen.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The file or folder `relative` of `../shared`; `None`, and one line on stderr, where it is missing.
///
/// # Panics
/// When it is missing in CI.
#[must_use]
pub fn shared(relative: &str) -> Option<PathBuf> {
    find(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        relative,
        std::env::var_os("CI").is_some(),
    )
}

/// Every case of `../shared/conformance/<suite>`, a file of one JSON object a line; none where the suite is missing.
///
/// # Panics
/// When it is missing in CI, or a line is not what `T` expects.
#[must_use]
pub fn cases<T: DeserializeOwned>(suite: &str) -> Vec<T> {
    let Some(path) = shared(&format!("conformance/{suite}")) else {
        return Vec::new();
    };
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .enumerate()
        .map(|(at, line)| parse(&path, at + 1, line))
        .collect()
}

/// One case of `jwt/cases.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub struct Jwt {
    /// Name to print when the case fails.
    pub id: String,
    /// `jws`: judge the signature only; `jwt`: the whole validation.
    pub layer: String,
    /// The key set.
    pub jwks: Option<Value>,
    /// The key set's text where it is malformed on purpose.
    pub jwks_raw: Option<String>,
    /// The compact token.
    pub token: String,
    /// Seconds since 1970; time does not matter where it is absent.
    pub now: Option<i64>,
    /// What the provider allows.
    pub algs: Vec<String>,
    /// Configured issuer; not checked where absent.
    pub iss: Option<String>,
    /// Configured audiences; not checked where absent.
    pub aud: Option<Vec<String>>,
    /// `accept`, `reject` or `either`.
    pub expect: String,
    /// What the case is about.
    pub note: String,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether the verdict holds at the real clock until 2100.
    #[serde(default)]
    pub live: bool,
    /// Claims that must come out if the token is accepted.
    pub if_accept_claims: Option<Value>,
}

/// One case of `http/cases.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub struct Http {
    /// Name to print when the case fails.
    pub id: String,
    /// What the case is about.
    pub title: String,
    request: String,
    /// `accept`, `reject`, `either`, `wait` or `incomplete`.
    pub verdict: String,
    /// What else must hold: `backend_must_not_see`, `forwarded_without`, …
    pub expect: Value,
}

impl Http {
    /// The bytes to send.
    ///
    /// # Panics
    /// When the case holds a character above U+00FF.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.request
            .chars()
            .map(|c| u8::try_from(c).expect("requests are written in latin-1"))
            .collect()
    }
}

/// One case of `istio/cases.jsonl` or `istio/istio-expectations.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub struct Istio {
    /// Name to print when the case fails.
    pub id: String,
    /// Cases of one group have the same policy and mesh.
    pub group: String,
    /// Istio YAML, one or more documents.
    pub policy_yaml: String,
    /// Mesh settings: `pathNormalization`, `numTrustedProxies`, `trustDomains`, `extensionProviders`, `remoteJwks`.
    pub mesh: Value,
    /// `namespace` and `labels` by which policies select.
    pub workload: Value,
    /// Capabilities without which the case says nothing.
    pub needs: Vec<String>,
    /// The request.
    pub request: IstioRequest,
    /// What Envoy did.
    pub expect: IstioExpect,
}

/// The request of an [`Istio`] case.
#[derive(Clone, Debug, Deserialize)]
pub struct IstioRequest {
    /// Method.
    pub method: String,
    /// The `Host` header.
    pub host: String,
    /// Request target.
    pub path: String,
    /// Headers in order, `Host` left out.
    pub headers: Vec<(String, String)>,
    /// Body, none where absent.
    pub body: Option<String>,
    /// Address the client binds.
    pub client_ip: Option<String>,
    /// Address the client connects to.
    pub connect_ip: Option<String>,
    /// Client certificate and SNI, where the listener has TLS.
    pub tls: Option<Value>,
}

/// The expected outcome of an [`Istio`] case.
#[derive(Clone, Debug, Deserialize)]
pub struct IstioExpect {
    /// Status seen by the client.
    pub status: u16,
    /// Whether the request came through.
    pub reached_upstream: bool,
    /// Body of a refusal.
    pub body: Option<String>,
    /// `Content-Type` of a refusal.
    pub content_type: Option<String>,
    /// Values of `WWW-Authenticate`.
    pub www_authenticate: Option<Vec<String>>,
    /// Values of `Location`.
    pub location: Option<Vec<String>>,
    /// What the upstream saw: `method`, `path`, `headers`.
    pub upstream: Option<Value>,
    /// Headers that the upstream must have seen, among others.
    pub upstream_has: Option<Value>,
}

fn find(root: &Path, relative: &str, ci: bool) -> Option<PathBuf> {
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(
        !ci,
        "../shared/{relative} is missing: CI must lay it beside the checkout"
    );
    eprintln!("passed over: ../shared/{relative} is not here");
    None
}

fn parse<T: DeserializeOwned>(path: &Path, number: usize, line: &str) -> T {
    serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("{}:{number}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_typed_suite_reads() {
        if shared("conformance").is_none() {
            return;
        }
        assert!(cases::<Jwt>("jwt/cases.jsonl").iter().any(|case| case.live));
        assert!(
            cases::<Istio>("istio/cases.jsonl")
                .iter()
                .any(|case| case.expect.www_authenticate.is_some())
        );
        assert!(
            cases::<Istio>("istio/istio-expectations.jsonl")
                .iter()
                .any(|case| case.expect.upstream_has.is_some())
        );
        let http = cases::<Http>("http/cases.jsonl");
        assert!(
            http.iter()
                .any(|case| case.bytes().iter().any(|byte| *byte > 0x7f)),
            "latin-1, not UTF-8"
        );
    }

    #[test]
    fn a_missing_suite_is_passed_over() {
        assert_eq!(
            find(Path::new("/nowhere"), "conformance/x.jsonl", false),
            None
        );
    }

    #[test]
    #[should_panic(expected = "CI must lay it beside the checkout")]
    fn a_missing_suite_fails_in_ci() {
        find(Path::new("/nowhere"), "conformance/x.jsonl", true);
    }

    #[test]
    #[should_panic(expected = "x.jsonl:7: ")]
    fn a_bad_line_is_named() {
        parse::<Jwt>(Path::new("x.jsonl"), 7, "{}");
    }
}
