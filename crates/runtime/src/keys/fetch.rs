//! Key sets over the network: straight from their URL, or by way of an issuer's metadata.

use std::time::Duration;

use countersign_config::compiled::{KeyLocation, RemoteKeys};
use countersign_jose::MAX_JWKS_BYTES;
use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Boxed, Document, Failure, Fetch};
use crate::http::{Answer, Error, Terms, Url, get};

/// Fetches over HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Network;

impl Fetch for Network {
    fn fetch(&self, source: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        let source = source.clone();
        Box::pin(async move { fetch(&source).await })
    }
}

async fn fetch(source: &RemoteKeys) -> Result<Document, Failure> {
    let deadline = Instant::now() + source.timeout;
    let origin = match &source.location {
        KeyLocation::Jwks(url) => Url::parse(url)?,
        KeyLocation::Discovery(issuer) => Url::parse(&metadata_url(issuer))?,
    };
    let terms = Terms {
        detour: source.connect.as_ref().map(|endpoint| (&origin, endpoint)),
        ca: &source.ca,
        guard: source.guard,
        deadline,
        largest: MAX_JWKS_BYTES,
    };
    let answer = match &source.location {
        KeyLocation::Jwks(_) => document(&origin, &terms).await?,
        KeyLocation::Discovery(issuer) => {
            let metadata = document(&origin, &terms).await?;
            document(&jwks_uri(&metadata, issuer)?, &terms).await?
        }
    };
    Ok(Document {
        fresh_for: fresh_for(&answer.headers),
        body: answer.body.into(),
    })
}

async fn document(url: &Url, terms: &Terms<'_>) -> Result<Answer, Failure> {
    let answer = get(url, terms).await?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let message = format!(
        "`{}` answered with status {}",
        answer.url,
        answer.status.as_u16()
    );
    Err(Failure {
        code: "status",
        message,
    })
}

/// Where an issuer's metadata is (OpenID Connect Discovery 1.0 section 4.1).
fn metadata_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", trimmed(issuer))
}

/// The part of the metadata that is used (OpenID Connect Discovery 1.0 section 3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Where the metadata says that the keys are. It must speak of this very issuer (section 4.3, decision L6): otherwise
/// whoever can publish under one path of a shared host could vouch for another.
fn jwks_uri(answer: &Answer, issuer: &str) -> Result<Url, Failure> {
    let failure = |message: String| Failure {
        code: "metadata",
        message,
    };
    let metadata: Metadata = serde_json::from_slice(&answer.body).map_err(|_| {
        failure(format!(
            "what `{}` answered is not OpenID metadata with `issuer` and `jwks_uri`",
            answer.url
        ))
    })?;
    if trimmed(&metadata.issuer) != trimmed(issuer) {
        let stated: String = metadata.issuer.escape_debug().take(200).collect();
        return Err(failure(format!(
            "the metadata is that of another issuer, `{stated}`"
        )));
    }
    let url = Url::parse(&metadata.jwks_uri).map_err(|error| {
        failure(format!(
            "the metadata's `jwks_uri` cannot be fetched: {error}"
        ))
    })?;
    if answer.url.is_https() && !url.is_https() {
        return Err(failure(
            "the metadata came by `https`, but its `jwks_uri` is `http`".into(),
        ));
    }
    Ok(url)
}

fn trimmed(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// What `Cache-Control` and `Age` say (RFC 9111 sections 4.2.1 and 5.2.2): zero where the answer should not be kept at
/// all, `None` where they say nothing.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let values = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = values
        .flat_map(|value| value.split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect();
    if directives
        .iter()
        .any(|it| it == "no-store" || it == "no-cache" || it.starts_with("no-cache="))
    {
        return Some(Duration::ZERO);
    }
    let seconds = |text: &str| text.trim_matches('"').parse::<u64>().ok();
    let age = directives
        .iter()
        .find_map(|it| it.strip_prefix("max-age=").and_then(seconds))?;
    let spent = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok())
        .and_then(seconds)
        .unwrap_or(0);
    // What a cache on the way kept to the end is still worth a moment, other than what should not be kept.
    Some(Duration::from_secs(
        age.saturating_sub(spent).max(age.min(1)),
    ))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
