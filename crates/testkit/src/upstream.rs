//! A backend that answers with what it received, so that a test can see what the gateway made of a request.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::site::{Reply, Seen, Site};

/// A running backend. Its JSON answer has the members `upstream` (its name), `version`, `method`, `path` (with
/// query), `headers` (pairs in the order and spelling received), `body` (latin-1) and `trailers`.
pub struct Upstream {
    site: Site,
    scripted: Arc<Mutex<HashMap<String, Reply>>>,
}

impl Upstream {
    /// Serves HTTP/1.1 and h2c on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::bind(name, (Ipv4Addr::LOCALHOST, 0).into(), None).expect("a free port")
    }

    /// Serves HTTP/1.1 over TLS on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start_tls(name: &str, tls: Arc<rustls::ServerConfig>) -> Self {
        Self::bind(name, (Ipv4Addr::LOCALHOST, 0).into(), Some(tls)).expect("a free port")
    }

    /// Serves on this address.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(
        name: &str,
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Self> {
        let scripted = Arc::new(Mutex::new(HashMap::new()));
        let script = {
            let (scripted, name) = (Arc::clone(&scripted), name.to_owned());
            move |seen: &Seen| {
                let reply: Option<Reply> = scripted.lock().expect(LOCK).get(seen.path()).cloned();
                reply.unwrap_or_else(|| Reply::json(describe(&name, seen).to_string()))
            }
        };
        Ok(Self {
            site: Site::bind(address, tls, script)?,
            scripted,
        })
    }

    /// Answers this path (query left out) with `reply` from now on.
    ///
    /// # Panics
    /// Never, unless a test panicked in the middle of it.
    pub fn answer(&self, path: &str, reply: Reply) {
        self.scripted
            .lock()
            .expect(LOCK)
            .insert(path.to_owned(), reply);
    }
}

impl Deref for Upstream {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

const LOCK: &str = "no thread panics while it holds the lock";

fn describe(name: &str, seen: &Seen) -> Value {
    json!({
        "upstream": name,
        "version": seen.version,
        "method": seen.method,
        "path": seen.target,
        "headers": seen.headers,
        "body": seen.body.iter().copied().map(char::from).collect::<String>(),
        "trailers": seen.trailers,
    })
}
