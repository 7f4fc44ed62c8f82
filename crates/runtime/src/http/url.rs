//! `http` and `https` URLs.

use std::fmt;

use http::Uri;

use super::Error;

/// A URL that can be fetched. `Display` leaves out its query.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    https: bool,
    /// A name or an address, without the brackets of IPv6.
    host: Box<str>,
    port: u16,
    /// Begins with `/`.
    path: Box<str>,
    query: Option<Box<str>>,
}

impl Url {
    /// Reads an absolute URL. A fragment is dropped: it is never sent.
    ///
    /// # Errors
    /// Another scheme, no host, userinfo, a bad port, or no URL at all.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.split('#').next().unwrap_or_default();
        if text
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
        {
            return Err(Error::Url(FILE));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| Error::Url("the URL is not well formed"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                return Err(Error::Url(
                    "the URL must begin with `http://` or `https://`",
                ));
            }
        };
        let authority = uri.authority().ok_or(Error::Url("the URL names no host"))?;
        if authority.as_str().contains('@') {
            return Err(Error::Url(
                "the URL carries a user name or password, which are not sent",
            ));
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host).unwrap_or_default() {
            "" | ":" => Some(if https { 443 } else { 80 }),
            port => port
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .filter(|port| *port != 0),
        };
        Ok(Self {
            https,
            host: host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host)
                .into(),
            port: port.ok_or(Error::Url("the URL has a bad port"))?,
            path: if uri.path().is_empty() {
                "/".into()
            } else {
                uri.path().into()
            },
            query: uri.query().map(Into::into),
        })
    }

    /// What a reference in an answer from here means (RFC 3986 section 5.2).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, Error> {
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        let scheme = self.scheme();
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let path = match path {
            "" => self.path.to_string(),
            path if path.starts_with('/') => flatten(path),
            path => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                flatten(&format!("{folder}/{path}"))
            }
        };
        let query = query.map(str::to_owned).or_else(|| {
            self.query
                .as_deref()
                .filter(|_| reference.is_empty())
                .map(Into::into)
        });
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        Self::parse(&format!("{scheme}://{}{path}{query}", self.authority()))
    }

    /// Whether it is fetched over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The stated port or the scheme's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether scheme, host and port are the same.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https
            && self.port == other.port
            && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// `host`, or `host:port` where the port is not the scheme's.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_string(),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// Without the query, which may hold a secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

const FILE: &str = "nothing is read from `file:` URLs: write `http://` or `https://`, or put the content into the configuration";

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Takes out `.` and `..` (RFC 3986 section 5.2.4).
fn flatten(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn parts() {
        let it = url("https://idp.example/keys?a=b#c");
        assert_eq!(
            (it.is_https(), it.host(), it.port(), &*it.target()),
            (true, "idp.example", 443, "/keys?a=b")
        );
        assert_eq!(it.to_string(), "https://idp.example/keys");
        let it = url("http://[::1]:8080");
        assert_eq!(
            (it.is_https(), it.host(), it.port(), &*it.target()),
            (false, "::1", 8080, "/")
        );
        assert_eq!(it.authority(), "[::1]:8080");
        assert_eq!(url("http://idp.example:80?x").authority(), "idp.example");
        assert_eq!(url("HTTP://idp.example:?x").target(), "/?x");
    }

    #[test]
    fn what_cannot_be_fetched() {
        for (text, why) in [
            ("file:///etc/passwd", "`file:`"),
            ("file://localhost/etc/passwd", "`file:`"),
            ("ftp://idp.example/keys", "must begin with"),
            ("idp.example/keys", "not well formed"),
            ("/keys", "must begin with"),
            ("", "not well formed"),
            ("https://", "not well formed"),
            ("https://ann:pw@idp.example/", "user name"),
            ("https://idp.example:99999/", "bad port"),
            ("https://idp.example:0/", "bad port"),
            ("https://idp example/", "not well formed"),
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn references_are_resolved() {
        let base = url("https://idp.example:8443/a/b/keys?v=1");
        for (reference, expected) in [
            ("http://other.example/x", "http://other.example/x"),
            ("//other.example/x?y", "https://other.example/x?y"),
            ("/x?y", "https://idp.example:8443/x?y"),
            ("x", "https://idp.example:8443/a/b/x"),
            ("x?y=a:b", "https://idp.example:8443/a/b/x?y=a:b"),
            ("./x", "https://idp.example:8443/a/b/x"),
            ("../x/", "https://idp.example:8443/a/x/"),
            ("../../../../x", "https://idp.example:8443/x"),
            ("/a/./b/..", "https://idp.example:8443/a/"),
            ("?w", "https://idp.example:8443/a/b/keys?w"),
            ("", "https://idp.example:8443/a/b/keys?v=1"),
            ("#f", "https://idp.example:8443/a/b/keys?v=1"),
        ] {
            assert_eq!(base.join(reference).unwrap(), url(expected), "{reference}");
        }
        assert!(base.join("javascript:alert(1)").is_err());
        assert!(base.join("file:///etc/passwd").is_err());
    }
}
