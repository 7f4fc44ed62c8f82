//! The demo's issuer: metadata, keys, and tokens for the asking. It asks for no password and must stay a demo.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use countersign_runtime::clock::now;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::people::Person;
use super::signer::Signer;
use super::site::{self, Answer, Site};

/// A running issuer.
pub(crate) struct Issuer {
    pub(crate) port: u16,
}

struct Desk {
    issuer: String,
    signer: Signer,
    /// Has the same name as the published key, and is not published.
    forger: Signer,
}

impl Issuer {
    /// Makes keys and starts on this port of 127.0.0.1, or on a free one.
    ///
    /// # Errors
    /// When no port can be bound, or the system has no randomness.
    pub(crate) async fn start(port: u16) -> io::Result<Self> {
        let site = Site::bind(port).await?;
        let port = site.address().port();
        let signer = || Signer::new(KID).map_err(|_| io::Error::other("no key can be made"));
        let desk = Desk {
            issuer: format!("http://127.0.0.1:{port}"),
            signer: signer()?,
            forger: signer()?,
        };
        let desk = Arc::new(desk);
        site.serve(move |request| desk.answer(request));
        Ok(Self { port })
    }
}

impl Desk {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::GET, "/.well-known/openid-configuration") => {
                site::json(StatusCode::OK, &self.metadata())
            }
            (&Method::GET, "/keys") => {
                site::json(StatusCode::OK, &json!({ "keys": [self.signer.jwk()] }))
            }
            (&Method::POST, "/token") => self.grant(&user(request.body())),
            (&Method::GET, _) => match path.strip_prefix('/').and_then(|path| path.split_once('/'))
            {
                Some(("token", name)) => self.bare(&self.signer, name),
                Some(("forged", name)) => self.bare(&self.forger, name),
                _ => nothing_here(),
            },
            _ => nothing_here(),
        }
    }

    /// OpenID Connect Discovery 1.0 section 3, as far as it applies.
    fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/keys"),
            "token_endpoint": format!("{issuer}/token"),
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
        })
    }

    /// The token in an answer of RFC 6749 section 5.
    fn grant(&self, name: &str) -> Answer {
        match self.token(&self.signer, name) {
            Some(token) => {
                let grant = json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME });
                site::json(StatusCode::OK, &grant)
            }
            None => {
                let error = json!({ "error": "invalid_grant", "error_description": UNKNOWN });
                site::json(StatusCode::BAD_REQUEST, &error)
            }
        }
    }

    /// The token alone, for `$(curl ...)`.
    fn bare(&self, signer: &Signer, name: &str) -> Answer {
        match self.token(signer, name) {
            Some(token) => site::text(StatusCode::OK, token),
            None => site::text(StatusCode::NOT_FOUND, format!("{UNKNOWN}\n")),
        }
    }

    fn token(&self, signer: &Signer, name: &str) -> Option<String> {
        let claims = Person::named(name)?.claims(&self.issuer, now().0, LIFETIME);
        signer.sign(&claims).ok()
    }
}

/// The field `user` of a form. Nobody's name here needs to be decoded.
fn user(form: &[u8]) -> String {
    let form = String::from_utf8_lossy(form);
    let mut fields = form.split('&').filter_map(|field| field.split_once('='));
    let user = fields.find(|(name, _)| *name == "user");
    user.map_or_else(String::new, |(_, name)| name.to_owned())
}

fn nothing_here() -> Answer {
    let text = "GET  /.well-known/openid-configuration\nGET  /keys\nGET  /token/alice or /token/bob\n\
                POST /token with user=alice or user=bob\nGET  /forged/alice: not signed by this issuer\n";
    site::text(StatusCode::NOT_FOUND, text)
}

const KID: &str = "demo-key";
const LIFETIME: u64 = 60 * 60;
const UNKNOWN: &str = "there are alice and bob; ask for one of them";

#[cfg(test)]
mod tests {
    use countersign_jose::{Audiences, Expect, KeySet, Symmetric, Token, TokenError};
    use http_body_util::BodyExt;

    use super::*;

    fn desk() -> Desk {
        let signer = || Signer::new(KID).unwrap();
        Desk {
            issuer: "http://127.0.0.1:1".into(),
            signer: signer(),
            forger: signer(),
        }
    }

    fn ask(desk: &Desk, method: Method, path: &str, body: &'static str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Bytes::from_static(body.as_bytes()));
        let answer = desk.answer(&request.unwrap());
        let status = answer.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let body = runtime
            .block_on(answer.into_body().collect())
            .unwrap()
            .to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn verify(desk: &Desk, token: &str) -> Result<String, TokenError> {
        let (_, keys) = ask(desk, Method::GET, "/keys", "");
        let keys = KeySet::from_jwks(keys.as_bytes(), Symmetric::Refuse).unwrap();
        let expect = Expect {
            issuer: Some("http://127.0.0.1:1".into()),
            audiences: Audiences::exact(["demo"]),
            ..Expect::default()
        };
        let claims = Token::parse(token)?.check(&expect, now())?.verify(&keys)?;
        Ok(format!(
            "{:?} {}",
            claims.subject(),
            claims.get("team").unwrap().to_json()
        ))
    }

    #[test]
    fn tokens_are_for_people_it_knows_and_verify_under_its_keys() {
        let desk = desk();
        let (status, token) = ask(&desk, Method::GET, "/token/alice", "");
        assert_eq!(
            (status, verify(&desk, &token)),
            (200, Ok(r#"Some("alice") "dev""#.into()))
        );

        let (status, grant) = ask(&desk, Method::POST, "/token", "scope=x&user=bob");
        let grant: Value = serde_json::from_str(&grant).unwrap();
        let token = grant["access_token"].as_str().unwrap();
        assert_eq!(
            (status, verify(&desk, token)),
            (200, Ok(r#"Some("bob") "sales""#.into()))
        );

        assert_eq!(ask(&desk, Method::GET, "/token/mallory", "").0, 404);
        assert_eq!(ask(&desk, Method::POST, "/token", "user=mallory").0, 400);
        assert_eq!(ask(&desk, Method::GET, "/", "").0, 404);
    }

    #[test]
    fn what_it_forges_does_not_verify() {
        let desk = desk();
        let (status, token) = ask(&desk, Method::GET, "/forged/alice", "");
        assert_eq!(
            (status, verify(&desk, &token)),
            (200, Err(TokenError::BadSignature))
        );
    }

    #[test]
    fn its_metadata_names_its_keys() {
        let (_, metadata) = ask(
            &desk(),
            Method::GET,
            "/.well-known/openid-configuration",
            "",
        );
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["jwks_uri"], "http://127.0.0.1:1/keys");
        assert_eq!(metadata["issuer"], "http://127.0.0.1:1");
    }
}
