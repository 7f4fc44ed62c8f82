//! A fake issuer: discovery, keys that rotate, and every way in which fetching them goes wrong.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    mint::{self, Key},
    site::{Reply, Seen, Site},
};

/// Where the keys are served.
pub const JWKS_PATH: &str = "/jwks.json";
/// Where the metadata is served (OpenID Connect Discovery 1.0 section 4).
pub const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// A running issuer.
pub struct Idp {
    site: Site,
    issuer: String,
    state: Arc<Mutex<State>>,
}

impl Idp {
    /// Publishes these keys on a free port of 127.0.0.1; its issuer is `http://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start(keys: &[&Key]) -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), None, keys).expect("a free port")
    }

    /// As [`Idp::start`], over TLS; its issuer is `https://localhost:PORT`.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start_tls(tls: Arc<rustls::ServerConfig>, keys: &[&Key]) -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), Some(tls), keys).expect("a free port")
    }

    /// Publishes these keys at this address: an issuer that comes back where it was.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        keys: &[&Key],
    ) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            jwks: mint::jwks(keys),
            ..State::default()
        }));
        let scheme = if tls.is_some() {
            "https://localhost"
        } else {
            "http://127.0.0.1"
        };
        let site = Site::bind(address, tls, {
            let state = Arc::clone(&state);
            move |seen| state.lock().expect(LOCK).answer(seen)
        })?;
        let issuer = format!("{scheme}:{}", site.address().port());
        state.lock().expect(LOCK).issuer.clone_from(&issuer);
        Ok(Self {
            site,
            issuer,
            state,
        })
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address of its keys.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}{JWKS_PATH}", self.issuer)
    }

    /// Publishes these keys, and no others, from now on.
    ///
    /// # Panics
    /// Never, unless a test panicked in the middle of it.
    pub fn publish(&self, keys: &[&Key]) {
        self.state.lock().expect(LOCK).jwks = mint::jwks(keys);
    }

    /// Answers key fetches with `reply` until [`Idp::recover`].
    ///
    /// # Panics
    /// Never, unless a test panicked in the middle of it.
    pub fn fail(&self, reply: Reply) {
        self.state.lock().expect(LOCK).failure = Some(reply);
    }

    /// Serves its keys again.
    ///
    /// # Panics
    /// Never, unless a test panicked in the middle of it.
    pub fn recover(&self) {
        self.state.lock().expect(LOCK).failure = None;
    }

    /// How often the keys were asked for.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.site
            .seen()
            .iter()
            .filter(|seen| seen.path() == JWKS_PATH)
            .count()
    }

    /// A token by this issuer that is valid for five minutes; `claims` replaces or adds claims.
    ///
    /// # Panics
    /// When `claims` is no object.
    #[must_use]
    pub fn token(&self, key: &Key, claims: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock past 1970")
            .as_secs();
        let mut all = json!({ "iss": self.issuer, "sub": "ann", "iat": now, "exp": now + 300 });
        for (name, value) in claims.as_object().expect("claims are a JSON object") {
            all[name] = value.clone();
        }
        key.token(&all)
    }
}

impl Deref for Idp {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

const LOCK: &str = "no thread panics while it holds the lock";

#[derive(Default)]
struct State {
    issuer: String,
    jwks: String,
    failure: Option<Reply>,
}

impl State {
    fn answer(&self, seen: &Seen) -> Reply {
        match (seen.path(), &self.failure) {
            (JWKS_PATH, Some(failure)) => failure.clone(),
            (JWKS_PATH, None) => Reply::json(self.jwks.clone()),
            (DISCOVERY_PATH, _) => Reply::json(self.discovery().to_string()),
            _ => Reply::new(404),
        }
    }

    /// The members that OpenID Connect Discovery 1.0 section 3 requires.
    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at(JWKS_PATH),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }
}
