//! What accepted tokens change about a request: token away, claims in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jose::{Claims, Value};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::evaluate::Accepted;
use super::find::remove_query_parameters;
use super::{Requirement, TokenRule};
use crate::reason::Reason;
use crate::source::Source;

/// Changes to a request, decided in the core and applied at the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that carried a token.
    pub remove_headers: SmallVec<[HeaderName; 1]>,
    /// Query parameters that carried a token.
    pub remove_query: SmallVec<[Box<str>; 1]>,
    /// Headers that say who the caller is. The client's own were stripped
    /// before, so these are all there are.
    pub identity: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    /// Makes the changes.
    pub fn apply(self, parts: &mut Parts) {
        for name in &self.remove_headers {
            parts.headers.remove(name);
        }
        if !self.remove_query.is_empty() {
            remove_query_parameters(parts, &self.remove_query);
        }
        for (name, value) in self.identity {
            parts.headers.append(name, value);
        }
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
        let Some(place) = requirement.places.get(place) else {
            return;
        };
        match (&place.source, &place.header) {
            (Source::Header { .. }, Some(name)) if !self.remove_headers.contains(name) => {
                self.remove_headers.push(name.clone());
            }
            (Source::Query(name), _) if !self.remove_query.contains(name) => {
                self.remove_query.push(name.clone());
            }
            // Cookies stay, as in Envoy; the upstream may need the others.
            (Source::Header { .. } | Source::Query(_) | Source::Cookie(_), _) => {}
        }
    }

    /// Says what a token says, unless an earlier token or requirement said the same: of one value must not become two,
    /// since routes and upstreams compare all that a header holds.
    fn put_claims(&mut self, rule: &TokenRule, accepted: &Accepted) -> Result<(), Reason> {
        let earlier = self.identity.len();
        let payload = usize::from(rule.payload_header.is_some());
        self.identity.reserve(payload + rule.claim_headers.len());
        if let (Some(name), Some(payload)) = (&rule.payload_header, &accepted.payload) {
            let payload = HeaderValue::try_from(&**payload);
            self.tell(earlier, name, payload.map_err(|_| Reason::ClaimNotHeader)?);
        }
        for entry in &rule.claim_headers {
            if let Some(value) = claim_header(&accepted.claims, &entry.path)? {
                self.tell(earlier, &entry.header, value);
            }
        }
        Ok(())
    }

    fn tell(&mut self, earlier: usize, name: &HeaderName, value: HeaderValue) {
        let mut said = self.identity.iter().take(earlier);
        if !said.any(|it| it.0 == *name && it.1 == value) {
            self.identity.push((name.clone(), value));
        }
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
    match value {
        Value::Null => Ok(None),
        Value::Bool(true) => Ok(Some(HeaderValue::from_static("true"))),
        Value::Bool(false) => Ok(Some(HeaderValue::from_static("false"))),
        Value::String(text) => match text.trim_matches([' ', '\t']) {
            // White space around a value is no part of it on the wire.
            "" => Ok(None),
            text => header_value(text.as_bytes()).map(Some),
        },
        Value::Number(number) => match number.as_u64() {
            Some(number) => Ok(Some(number.into())),
            None => header_value(number.to_string().as_bytes()).map(Some),
        },
        Value::List(_) | Value::Object(_) => {
            let text = STANDARD.encode(value.to_json());
            let value = HeaderValue::try_from(text);
            value.map(Some).map_err(|_| Reason::ClaimNotHeader)
        }
    }
}

fn header_value(bytes: &[u8]) -> Result<HeaderValue, Reason> {
    HeaderValue::from_bytes(bytes).map_err(|_| Reason::ClaimNotHeader)
}
