//! A request as somebody describes it: what would be on the wire, and what is known of the connection.

use std::net::IpAddr;

use countersign_core::Identity;

/// One request that the gateway is asked about.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Method, as sent.
    pub method: String,
    /// Request target, as sent: path and query, or an absolute URI.
    pub target: String,
    /// `Host`, with the port where the client names one.
    pub host: Option<String>,
    /// The other headers, in order.
    pub headers: Vec<(String, String)>,
    /// Body; `None` for none.
    pub body: Option<Vec<u8>>,
    /// Tokens that are put where the gateway looks for them.
    pub credentials: Vec<Credential>,
    /// By which door it comes in.
    pub door: Door,
    /// The connection's other end.
    pub peer: Option<IpAddr>,
    /// Our end of the connection.
    pub local: Option<IpAddr>,
    /// The client behind trusted proxies, which tell of it.
    pub client: Option<IpAddr>,
    /// Server name of the TLS handshake; where it is `None`, the host's.
    pub sni: Option<String>,
    /// What a client certificate says that verified.
    pub identity: Option<Identity>,
    /// Somebody did verify it; otherwise that is taken for granted.
    pub identity_checked: bool,
}

/// What a caller shows of itself.
#[derive(Clone)]
pub enum Credential {
    /// A compact JWT.
    Token(String),
    /// The claims of a token, in JSON, taken as if somebody had verified them.
    Claims(String),
}

/// The listener that a request comes in by, as far as it is told.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// Port of the Gateway, or the one that is bound for it.
    pub port: Option<u16>,
    /// Name of the listener, or `namespace/gateway/listener`.
    pub listener: Option<String>,
    /// Whether the client spoke TLS.
    pub tls: Option<bool>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            body: None,
            credentials: Vec::new(),
            door: Door::default(),
            peer: None,
            local: None,
            client: None,
            sni: None,
            identity: None,
            identity_checked: false,
        }
    }
}

impl Ask {
    /// Takes scheme, host, port and target from a URL.
    ///
    /// # Errors
    /// When it is no `http` or `https` URL.
    pub fn url(&mut self, url: &str) -> Result<(), Impossible> {
        let bad = || {
            let message = format!("`{url}` is no URL of a request");
            Impossible::new(message).help("write such as `https://shop.example/orders?page=2`")
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(bad()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        self.door.tls = Some(tls);
        if let Some(port) = countersign_core::host::port(authority) {
            self.door.port.get_or_insert(port);
        }
        self.host = Some(authority.to_owned());
        self.target = match target {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            target => target.to_owned(),
        };
        Ok(())
    }
}

/// Never the token, and no claim.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Claims(_) => "Claims",
        })
    }
}

/// Why a question has no answer: it cannot come about, or too little was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// What is wrong with it.
    pub message: String,
    /// What to say instead.
    pub help: Option<String>,
    /// It cannot come about because the gateway refuses the connection before any request.
    pub refused: bool,
}

impl Impossible {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            refused: false,
        }
    }

    /// A handshake that fails.
    pub(crate) fn handshake(why: impl std::fmt::Display) -> Self {
        Self {
            refused: true,
            ..Self::new(format!(
                "no request gets that far: the TLS handshake fails, because {why}"
            ))
        }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, target, tls, port) in [
            ("http://a.test", "a.test", "/", false, None),
            (
                "https://a.test:8443/x?y=1#z",
                "a.test:8443",
                "/x?y=1",
                true,
                Some(8443),
            ),
            ("HTTP://[::1]:80?q", "[::1]:80", "/?q", false, Some(80)),
        ] {
            let mut ask = Ask::default();
            assert_eq!(ask.url(url), Ok(()), "{url}");
            let got = (
                ask.host.as_deref(),
                ask.target.as_str(),
                ask.door.tls,
                ask.door.port,
            );
            assert_eq!(got, (Some(host), target, Some(tls), port), "{url}");
        }
        for url in [
            "a.test/x",
            "ftp://a.test",
            "http://",
            "http:///x",
            "https://u:p@a.test/",
        ] {
            assert!(Ask::default().url(url).is_err(), "{url}");
        }
    }
}
