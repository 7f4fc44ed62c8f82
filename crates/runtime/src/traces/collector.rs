//! Where spans go.

use std::fmt;
use std::str::FromStr;

use crate::http::{Error, Url};

/// An OTLP/HTTP receiver, as `OTEL_EXPORTER_OTLP_ENDPOINT` names it: the URL that `/v1/traces` is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector(Url);

impl Collector {
    /// Where spans are posted.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// Whether the port is the one where collectors take gRPC, which is not spoken here.
    pub(super) fn takes_grpc(&self) -> bool {
        self.0.port() == 4317
    }
}

impl FromStr for Collector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.contains(['?', '#']) {
            return Err(Error::Url(
                "the URL of a collector has no `?` or `#`: write it up to where `/v1/traces` begins",
            ));
        }
        Url::parse(text)?;
        let base = text.trim_end_matches('/');
        // Meant for all signals, but people copy the whole of it.
        let base = base.strip_suffix(TRACES).unwrap_or(base);
        Url::parse(&format!("{base}{TRACES}")).map(Self)
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// OTLP 1.9.0, "OTLP/HTTP Request".
const TRACES: &str = "/v1/traces";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_below_the_url() {
        for (text, url) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            (
                "https://otlp.example/in//",
                "https://otlp.example/in/v1/traces",
            ),
            (
                "http://collector:4318/v1/traces",
                "http://collector:4318/v1/traces",
            ),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(text.parse::<Collector>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_collector() {
        for (text, why) in [
            ("collector:4318", "must begin with"),
            ("collector", "must begin with"),
            ("http://", "not well formed"),
            ("grpc://collector:4317", "must begin with"),
            ("http://collector:4318/?key=secret", "no `?` or `#`"),
            ("http://collector:4318/#a", "no `?` or `#`"),
            ("http://ann:pw@collector:4318", "user name"),
        ] {
            let error = text.parse::<Collector>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(
                !error.contains("secret") && !error.contains("pw"),
                "{error}"
            );
        }
    }
}
