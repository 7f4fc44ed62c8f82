//! Tokens where the gateway looks for them: in a header, the query or a cookie of a request that is still to be sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::Snapshot;
use countersign_core::authn::{Requirement, TokenRule};
use countersign_core::source::Source;
use countersign_jose::{Alg, Claims, Token};
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};

use crate::request::Impossible;

/// Puts a token at the first place of the first rule for its issuer, once for each requirement; where no rule is for its
/// issuer, where most clients put one.
///
/// # Errors
/// When the place is taken.
pub(crate) fn put(
    parts: &mut Parts,
    snapshot: &Snapshot,
    requirements: &[&Requirement],
    token: &str,
) -> Result<(), Impossible> {
    let claims = Token::parse(token).ok().map(|it| it.unverified().clone());
    let issuer = claims.as_ref().and_then(Claims::issuer);
    let mut sources: Vec<&Source> = Vec::new();
    for requirement in requirements {
        let source = rule(snapshot, requirement, issuer).and_then(|rule| rule.sources.first());
        sources.extend(source.filter(|it| !sources.contains(it)));
    }
    let fallback = fallback(requirements);
    if sources.is_empty() {
        sources.push(&fallback);
    }
    sources
        .into_iter()
        .try_for_each(|source| put_at(parts, source, token))
}

fn rule<'r>(
    snapshot: &Snapshot,
    requirement: &'r Requirement,
    issuer: Option<&str>,
) -> Option<&'r TokenRule> {
    let mut rules = requirement.rules().iter();
    rules.find(|rule| {
        let provider = snapshot.provider(rule.provider);
        provider
            .is_some_and(|it| it.expect.issuer.is_none() || it.expect.issuer.as_deref() == issuer)
    })
}

fn fallback(requirements: &[&Requirement]) -> Source {
    let [usual, _] = Source::defaults();
    let read = |source: &Source| {
        requirements
            .iter()
            .any(|it| it.sources().any(|it| it == source))
    };
    let first = requirements.iter().find_map(|it| it.sources().next());
    match first {
        Some(first) if !read(&usual) => first.clone(),
        _ => usual,
    }
}

fn put_at(parts: &mut Parts, source: &Source, token: &str) -> Result<(), Impossible> {
    let bad = || Impossible::new("the token has characters that cannot be sent");
    match source {
        Source::Header { name, prefix } => {
            let name = HeaderName::try_from(&**name).map_err(|_| bad())?;
            let taken = name == AUTHORIZATION && parts.headers.contains_key(&name);
            if taken {
                let message = "there is a token, and an `Authorization` header as well";
                return Err(Impossible::new(message).help("leave one of them out"));
            }
            let value = format!("{prefix}{token}");
            parts
                .headers
                .append(name, HeaderValue::try_from(value).map_err(|_| bad())?);
        }
        Source::Cookie(name) => {
            let before = parts.headers.get(COOKIE).and_then(|it| it.to_str().ok());
            let value = match before {
                Some(before) => format!("{before}; {name}={token}"),
                None => format!("{name}={token}"),
            };
            parts
                .headers
                .insert(COOKIE, HeaderValue::try_from(value).map_err(|_| bad())?);
        }
        Source::Query(name) => {
            let separator = if parts.uri.query().is_some() {
                '&'
            } else {
                '?'
            };
            let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
            let target = format!("{target}{separator}{name}={token}");
            let mut uri = std::mem::take(&mut parts.uri).into_parts();
            uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| bad())?);
            parts.uri = Uri::from_parts(uri).map_err(|_| bad())?;
        }
    }
    Ok(())
}

/// A token with these claims that nobody has signed.
///
/// # Errors
/// When they are no claims.
pub(crate) fn stand_in(
    snapshot: &Snapshot,
    requirements: &[&Requirement],
    json: &str,
) -> Result<String, Impossible> {
    let claims = Claims::parse(json.as_bytes()).map_err(|error| {
        Impossible::new(format!("the claims are not those of a token: {error}")).help(
            "write a JSON object such as `{\"iss\":\"https://issuer.example\",\"sub\":\"alice\",\"exp\":4102444800}`",
        )
    })?;
    let rules = requirements
        .iter()
        .filter_map(|it| rule(snapshot, it, claims.issuer()));
    let provider = rules.map(|rule| rule.provider).next();
    let algs = provider
        .and_then(|id| snapshot.provider(id))
        .map(|it| it.expect.algs);
    let alg = Alg::ALL
        .into_iter()
        .find(|alg| algs.is_none_or(|algs| algs.contains(*alg)));
    let header = format!("{{\"alg\":\"{}\"}}", alg.unwrap_or(Alg::RS256));
    let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(json));
    Ok(format!(
        "{header}.{payload}.{}",
        URL_SAFE_NO_PAD.encode("claims taken as verified")
    ))
}
