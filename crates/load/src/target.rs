//! Where requests go, and how connections to there are made.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use http::Uri;
use http::uri::{Authority, PathAndQuery};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::fault::Fault;
use crate::link::Link;

/// The version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1, one request after the other on each connection
    Http1,
    /// HTTP/2: by ALPN over https, by prior knowledge over http
    Http2,
}

/// A server, and the resource that is asked for.
pub(crate) struct Target {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Host and port as in the URL.
    pub(crate) authority: Authority,
    /// Path and query.
    pub(crate) path: PathAndQuery,
    address: SocketAddr,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    alpn: &'static [u8],
}

impl Target {
    /// Reads a URL and looks up its host. `ca` is a PEM file with the only roots that are trusted.
    ///
    /// # Errors
    /// When the URL is none that can be asked, or `ca` and its scheme do not go together.
    pub(crate) fn new(url: &Uri, ca: Option<&Path>, protocol: Protocol) -> Result<Self, Fault> {
        let (scheme, port) = match url.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(no_url(url)),
        };
        let authority = url.authority().ok_or_else(|| no_url(url))?;
        let host = authority.host().trim_matches(['[', ']']);
        let address = (host, authority.port_u16().unwrap_or(port))
            .to_socket_addrs()
            .map_err(|error| Fault::failure(format!("`{host}` has no address: {error}")))?
            .next()
            .ok_or_else(|| Fault::failure(format!("`{host}` has no address")))?;
        let tls = match (scheme, ca) {
            ("https", Some(ca)) => Some(Tls::new(host, ca, protocol)?),
            ("https", None) => {
                let help =
                    "name the PEM file of the authority that signed the server's certificate";
                return Err(Fault::usage("https needs `--ca`", help));
            }
            (_, Some(_)) => {
                let help = "leave it out, or write `https://`";
                return Err(Fault::usage("`--ca` does nothing for http", help));
            }
            _ => None,
        };
        Ok(Self {
            scheme,
            authority: authority.clone(),
            path: url.path_and_query().cloned().unwrap_or(ROOT),
            address,
            tls,
        })
    }

    /// Opens a connection, TLS handshake included.
    ///
    /// # Errors
    /// When the server cannot be reached, is not trusted or does not speak the protocol.
    pub(crate) async fn dial(&self) -> Result<Link, Fault> {
        let late = |_| Fault::failure(format!("no connection to {} in time", self.address));
        time::timeout(PATIENCE, self.connect())
            .await
            .map_err(late)?
    }

    async fn connect(&self) -> Result<Link, Fault> {
        let failed = |error| Fault::failure(format!("no connection to {}: {error}", self.address));
        let socket = TcpStream::connect(self.address).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else {
            return Ok(Link::Plain(socket));
        };
        let stream = tls.connector.connect(tls.name.clone(), socket).await;
        let stream = stream.map_err(failed)?;
        let chosen = stream.get_ref().1.alpn_protocol();
        if chosen.is_some_and(|it| it != tls.alpn) || (chosen.is_none() && tls.alpn == b"h2") {
            let wanted = String::from_utf8_lossy(tls.alpn);
            return Err(Fault::failure(format!(
                "the server does not offer `{wanted}`"
            )));
        }
        Ok(Link::Tls(Box::new(stream)))
    }
}

impl Tls {
    fn new(host: &str, ca: &Path, protocol: Protocol) -> Result<Self, Fault> {
        let unusable = |why: String| Fault::failure(format!("`{}`: {why}", ca.display()));
        let pem = fs::read(ca).map_err(|error| unusable(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("no certificate in it".to_owned()));
        }
        let alpn: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::failure(format!("`{host}` is no name for a certificate")))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
            alpn,
        })
    }
}

fn no_url(url: &Uri) -> Fault {
    let help = "write it as `http://127.0.0.1:8080/path`";
    Fault::usage(format!("`{url}` is no URL to send requests to"), help)
}

/// How long a connection may take, TLS included.
const PATIENCE: Duration = Duration::from_secs(30);
const ROOT: PathAndQuery = PathAndQuery::from_static("/");

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, ca: Option<&Path>) -> Result<Target, String> {
        let url = url.parse().expect("a URI");
        Target::new(&url, ca, Protocol::Http1).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_url_says_where_and_what() {
        let it = target("http://127.0.0.1:8080/a?b=c", None).expect("a target");
        assert_eq!(it.address.to_string(), "127.0.0.1:8080");
        assert_eq!((it.scheme, it.path.as_str()), ("http", "/a?b=c"));
        let it = target("http://[::1]", None).expect("a target");
        assert_eq!(it.address.to_string(), "[::1]:80");
        assert_eq!((it.authority.as_str(), it.path.as_str()), ("[::1]", "/"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let none = Path::new("/nonexistent/ca.pem");
        let cases = [
            ("/path", None, "no URL"),
            ("ftp://127.0.0.1/", None, "no URL"),
            ("https://127.0.0.1/", None, "needs `--ca`"),
            ("http://127.0.0.1/", Some(none), "does nothing"),
            ("https://127.0.0.1/", Some(none), "/nonexistent/ca.pem"),
        ];
        for (url, ca, why) in cases {
            let told = target(url, ca).err().expect("refused");
            assert!(told.contains(why), "{url}: {told}");
        }
    }
}
