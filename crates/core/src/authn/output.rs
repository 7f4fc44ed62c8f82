//! What accepted tokens change about a request: token away, claims in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jose::{Claims, Value};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::evaluate::Accepted;
use super::find::{append, remove_query_parameters};
use super::{Requirement, TokenRule};
use crate::reason::Reason;
use crate::source::Source;

/// Changes to a request, decided in the core and applied at the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that carried a token.
    pub remove_headers: SmallVec<[HeaderName; 2]>,
    /// Query parameters that carried a token.
    pub remove_query: SmallVec<[Box<str>; 1]>,
    /// Headers that say who the caller is. The client's own were stripped
    /// before, so these are all there are.
    pub identity: SmallVec<[(HeaderName, HeaderValue); 4]>,
}

impl Edits {
    /// Makes the changes.
    pub fn apply(&self, parts: &mut Parts) {
        for name in &self.remove_headers {
            parts.headers.remove(name);
        }
        if !self.remove_query.is_empty() {
            remove_query_parameters(parts, &self.remove_query);
        }
        append(parts, &self.identity);
    }

    /// The headers as they will be, for a second route lookup.
    pub(crate) fn preview(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        for name in &self.remove_headers {
            headers.remove(name);
        }
        for (name, value) in &self.identity {
            headers.append(name.clone(), value.clone());
        }
        headers
    }

    /// Adds what the tokens accepted under one requirement change.
    ///
    /// Claims come from the first rule that accepted a token, as in Envoy,
    /// where the first rule to succeed ends the search.
    pub(crate) fn add(
        &mut self,
        requirement: &Requirement,
        accepted: &[Accepted],
    ) -> Result<(), Reason> {
        let winner = accepted.iter().map(|it| it.rule).min();
        for it in accepted {
            let Some(rule) = requirement.rules.get(it.rule as usize) else {
                continue;
            };
            if !rule.forward {
                self.take_away(requirement, it.place);
            }
            if Some(it.rule) == winner {
                self.put_claims(rule, it)?;
            }
        }
        Ok(())
    }

    fn take_away(&mut self, requirement: &Requirement, place: usize) {
        match requirement.places.get(place).map(|it| &it.source) {
            Some(Source::Header { name, .. }) => {
                if let Ok(name) = HeaderName::try_from(&**name)
                    && !self.remove_headers.contains(&name)
                {
                    self.remove_headers.push(name);
                }
            }
            Some(Source::Query(name)) if !self.remove_query.contains(name) => {
                self.remove_query.push(name.clone());
            }
            // Cookies stay, as in Envoy; the upstream may need the others.
            Some(Source::Query(_) | Source::Cookie(_)) | None => {}
        }
    }

    /// Says what a token says, unless an earlier token or requirement said the same: of one value must not become two,
    /// since routes and upstreams compare all that a header holds.
    fn put_claims(&mut self, rule: &TokenRule, accepted: &Accepted) -> Result<(), Reason> {
        let mut told: SmallVec<[(HeaderName, HeaderValue); 4]> = SmallVec::new();
        if let (Some(name), Some(payload)) = (&rule.payload_header, &accepted.payload) {
            let payload = HeaderValue::try_from(&**payload);
            told.push((name.clone(), payload.map_err(|_| Reason::ClaimNotHeader)?));
        }
        for entry in &rule.claim_headers {
            if let Some(value) = claim_header(&accepted.claims, &entry.path)? {
                told.push((entry.header.clone(), value));
            }
        }
        told.retain(|it| !self.identity.contains(it));
        self.identity.extend(told);
        Ok(())
    }
}

fn claim_header(claims: &Claims, path: &[Box<str>]) -> Result<Option<HeaderValue>, Reason> {
    claims.path(path).map_or(Ok(None), claim_header_value)
}

/// A claim as a header value: text as it is, numbers as JSON writes them
/// (decision T7), lists and objects as base64 of their JSON. `None` for null
/// and empty text.
///
/// # Errors
/// A text with control characters: leaving the header out would turn a named
/// caller into a nameless one, so the request is refused.
pub fn claim_header_value(value: Value<'_>) -> Result<Option<HeaderValue>, Reason> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Bool(it) => {
            return Ok(Some(HeaderValue::from_static(if it {
                "true"
            } else {
                "false"
            })));
        }
        Value::String(text) => match text.trim_matches([' ', '\t']) {
            // White space around a value is no part of it on the wire.
            "" => return Ok(None),
            text => return header_value(text.as_bytes()).map(Some),
        },
        Value::Number(number) => number.to_string(),
        Value::List(_) | Value::Object(_) => STANDARD.encode(value.to_json()),
    };
    header_value(text.as_bytes()).map(Some)
}

fn header_value(bytes: &[u8]) -> Result<HeaderValue, Reason> {
    HeaderValue::from_bytes(bytes).map_err(|_| Reason::ClaimNotHeader)
}
