//! One request, kept in parts so that it can be varied and made smaller.

use std::net::{IpAddr, Ipv4Addr};

use countersign_testkit::client::Request;

/// A request and the connection that it comes by.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// In absolute form it begins with `http://`.
    pub(crate) path: String,
    /// Parameters as they are written, tokens left out.
    pub(crate) query: Vec<String>,
    pub(crate) host: String,
    /// `Host`, tokens and cookies with tokens left out.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) tokens: Vec<Token>,
    /// The address of ours that it comes from.
    pub(crate) from: Ipv4Addr,
    /// The address that it goes to.
    pub(crate) to: Ipv4Addr,
    /// Where the listener speaks TLS: the server's name, and the client's certificate by its number.
    pub(crate) tls: Option<(String, Option<usize>)>,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) place: Place,
    pub(crate) text: String,
    /// What it says about its issuer and subject, true or not.
    pub(crate) identity: (String, Option<String>),
    /// Whether it is refused by us alone (RFC 7515 section 4.1.11).
    pub(crate) critical: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this header, after this text.
    Header(String, String),
    Query(String),
    Cookie(String),
}

impl Ask {
    pub(crate) fn new() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            query: Vec::new(),
            host: "a.example.com".into(),
            headers: Vec::new(),
            tokens: Vec::new(),
            from: Ipv4Addr::LOCALHOST,
            to: Ipv4Addr::LOCALHOST,
            tls: None,
        }
    }

    /// As it goes over the wire to a gateway whose port is `port`.
    pub(crate) fn request(&self, port: u16) -> Request {
        let host = self.host.replace("__PORT__", &port.to_string());
        let mut request = Request::new(&self.method, &self.target()).header("Host", &host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for token in &self.tokens {
            request = match &token.place {
                Place::Header(name, before) => {
                    request.header(name, &format!("{before}{}", token.text))
                }
                Place::Cookie(name) => request.header("cookie", &format!("{name}={}", token.text)),
                Place::Query(_) => request,
            };
        }
        request
    }

    /// Path and query; parameters with tokens stand behind the first of the others.
    pub(crate) fn target(&self) -> String {
        let mut query = self.query.clone();
        let tokens = self.tokens.iter().filter_map(|token| match &token.place {
            Place::Query(name) => Some(format!("{name}={}", token.text)),
            _ => None,
        });
        let at = query.len().min(1);
        query.splice(at..at, tokens);
        if query.is_empty() {
            return self.path.clone();
        }
        format!("{}?{}", self.path, query.join("&"))
    }

    /// Every request that is smaller by one part.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut smaller = self.clone();
            change(&mut smaller);
            found.push(smaller);
        };
        for at in 0..self.headers.len() {
            with(&|it| _ = it.headers.remove(at));
        }
        for at in 0..self.tokens.len() {
            with(&|it| _ = it.tokens.remove(at));
        }
        for at in 0..self.query.len() {
            with(&|it| _ = it.query.remove(at));
        }
        let plain = Self::new();
        if self.method != plain.method {
            with(&|it| it.method.clone_from(&plain.method));
        }
        if self.path != plain.path {
            with(&|it| it.path.clone_from(&plain.path));
        }
        if self.host != plain.host {
            with(&|it| it.host.clone_from(&plain.host));
        }
        if self.from != plain.from {
            with(&|it| it.from = plain.from);
        }
        if self.to != plain.to {
            with(&|it| it.to = plain.to);
        }
        if let Some((name, Some(_))) = &self.tls {
            with(&|it| it.tls = Some((name.clone(), None)));
        }
        found
    }

    pub(crate) fn source(&self) -> IpAddr {
        self.from.into()
    }
}
