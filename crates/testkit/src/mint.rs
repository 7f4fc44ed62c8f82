//! Makes signing keys, the JWKS that publishes them, and compact JWS under any header, honest or not.
//!
//! Keys live as long as the process: asking twice for one kind and name gives the same key, so that a test
//! file pays for RSA generation once.

mod pair;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use pair::Pair;

/// Kinds of key that a provider may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RSA with a modulus of 2048 bits.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// A shared secret of 64 random bytes, enough for HS512.
    Secret,
}

/// Signature algorithms of RFC 7518 section 3.1 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Alg {
    /// The name as it stands in `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }
}

/// A signing key with the name under which it is published.
#[derive(Clone)]
pub struct Key {
    pair: Arc<Pair>,
    kid: Option<String>,
}

impl Key {
    /// The key of this kind and name, made when first asked for; its `kid` is the name.
    ///
    /// # Panics
    /// When the system has no randomness.
    #[must_use]
    pub fn new(kind: Kind, name: &str) -> Self {
        Self {
            pair: pair::cached(kind, name),
            kid: Some(name.to_owned()),
        }
    }

    /// A 2048 bit RSA key, what most providers publish.
    #[must_use]
    pub fn rsa(name: &str) -> Self {
        Self::new(Kind::Rsa, name)
    }

    /// An HMAC key of exactly these bytes, without a `kid`.
    #[must_use]
    pub fn secret(bytes: &[u8]) -> Self {
        Self {
            pair: Arc::new(Pair::secret(bytes)),
            kid: None,
        }
    }

    /// The same key published under another `kid`, or none.
    #[must_use]
    pub fn with_kid(&self, kid: Option<&str>) -> Self {
        Self {
            pair: Arc::clone(&self.pair),
            kid: kid.map(str::to_owned),
        }
    }

    /// The `kid` in its JWK and in the tokens that it signs.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm that providers use with this kind of key.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.pair.alg()
    }

    /// The JWK (RFC 7517) that verifies what this key signs, with `use` and `alg`. Only a secret publishes itself.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.pair.jwk();
        if let Some(kid) = &self.kid {
            jwk.insert("kid".into(), json!(kid));
        }
        jwk.insert("use".into(), json!("sig"));
        jwk.insert("alg".into(), json!(self.alg().name()));
        Value::Object(jwk)
    }

    /// A well-formed token over these claims: the key's usual algorithm, its `kid`, `typ: JWT`.
    ///
    /// # Panics
    /// When signing fails.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({}), claims)
    }

    /// As [`Key::token`], with members of the header replaced or added; `null` takes one away.
    /// The signature is made with the key's usual algorithm, whatever `alg` says.
    ///
    /// # Panics
    /// When `header` is no object.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let mut full = Map::new();
        full.insert("alg".into(), json!(self.alg().name()));
        full.insert("typ".into(), json!("JWT"));
        if let Some(kid) = &self.kid {
            full.insert("kid".into(), json!(kid));
        }
        for (name, value) in header.as_object().expect("a header is a JSON object") {
            if value.is_null() {
                full.remove(name);
            } else {
                full.insert(name.clone(), value.clone());
            }
        }
        self.sign(
            self.alg(),
            &Value::Object(full).to_string(),
            claims.to_string().as_bytes(),
        )
    }

    /// A compact JWS of exactly these header and payload bytes, signed with `alg`.
    ///
    /// # Panics
    /// When `alg` does not go with this kind of key.
    #[must_use]
    pub fn sign(&self, alg: Alg, header: &str, payload: &[u8]) -> String {
        let input = signing_input(header, payload);
        let signature = self.pair.sign(alg, input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token with `alg: none` and no signature (RFC 7519 section 6), which nobody may accept.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    format!(
        "{}.",
        signing_input(
            r#"{"alg":"none","typ":"JWT"}"#,
            claims.to_string().as_bytes()
        )
    )
}

/// The JWKS document of these keys, as a provider would serve it.
#[must_use]
pub fn jwks(keys: &[&Key]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn signing_input(header: &str, payload: &[u8]) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    )
}

#[cfg(test)]
mod tests;
