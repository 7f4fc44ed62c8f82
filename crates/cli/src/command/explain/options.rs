//! A request from the command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_config::compiled::Compiled;
use countersign_core::{Identity, UnixTime};
use countersign_explain::{Ask, Credential, Given, KeyRing, Whose, socket};
use countersign_server::vouch;

use crate::exit::{Exit, Failure};
use crate::{files, token};

/// What is told of the request.
#[derive(Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestOptions {
    /// Where it is sent: scheme, host, port, path and query
    #[arg(long, value_name = "URL", conflicts_with_all = ["host", "path"])]
    url: Option<String>,
    /// Method [default: GET]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// `Host`, with the port if the client names one
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Path and query as sent [default: /]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// A header: `name: value` or `name=value`. May be repeated
    #[arg(short = 'H', long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Body
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// A token, put where the gateway looks for it; `-`: read from standard input. Other users of this machine can see
    /// arguments: a live token is better read from a file
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["token_file", "claims"])]
    token: Option<String>,
    /// Read the token from a file
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    token_file: Option<PathBuf>,
    /// Claims, in JSON or as `@FILE`, taken as those of a verified token: no issuer and no key is needed
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// The client's address, as trusted proxies tell it; without any, the connection's other end
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<IpAddr>,
    /// Address of the connection's other end [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    peer_ip: Option<IpAddr>,
    /// Name in the client's certificate, such as `spiffe://cluster.local/ns/shop/sa/web`. May be repeated
    #[arg(long, value_name = "URI")]
    principal: Vec<String>,
    /// The client's certificate and its chain, in PEM: verified as the gateway does it
    #[arg(long, value_name = "FILE", conflicts_with = "principal")]
    certificate: Option<PathBuf>,
    /// Server name of the TLS handshake [default: the host]
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// Port of the Gateway, where several could be meant
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Name of the listener, where several could be meant
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
}

impl RequestOptions {
    /// A request with these on top.
    pub(super) fn put_into(&self, mut ask: Ask) -> Result<Ask, Failure> {
        if let Some(url) = &self.url {
            ask.url(url).map_err(files::impossible)?;
        }
        ask.method = self.method.clone().unwrap_or(ask.method);
        ask.host = self.host.clone().or(ask.host);
        ask.target = self.path.clone().unwrap_or(ask.target);
        ask.headers.extend(self.header.iter().cloned());
        ask.body = self.body.clone().map(String::into_bytes).or(ask.body);
        ask.client = self.client_ip.or(ask.client);
        ask.peer = self.peer_ip.or(ask.peer);
        ask.sni = self.sni.clone().or(ask.sni);
        ask.door.port = self.port.or(ask.door.port);
        ask.door.listener = self.listener.clone().or(ask.door.listener);
        if !self.principal.is_empty() {
            ask.identity = Some(identity(&self.principal));
            ask.door.tls = Some(true);
        }
        if self.certificate.is_some() {
            ask.door.tls = Some(true);
        }
        let token = match (&self.token, &self.token_file) {
            (Some(text), _) => Some(token::read_argument(text)?),
            (None, Some(file)) => Some(token::read_file(file)?),
            (None, None) => None,
        };
        ask.credentials.extend(token.map(Credential::Token));
        if let Some(claims) = &self.claims {
            ask.credentials
                .push(Credential::Claims(claims_text(claims)?));
        }
        Ok(ask)
    }
}

impl RequestOptions {
    /// Who the owner of the certificate is to the socket that the request comes in by.
    pub(super) fn identify(
        &self,
        ask: &mut Ask,
        compiled: &Compiled,
        now: UnixTime,
    ) -> Result<(), Failure> {
        let Some(file) = &self.certificate else {
            return Ok(());
        };
        let chain = files::readable(file)?;
        let settings = socket(compiled, ask).map_err(files::impossible)?;
        let clients = settings.clients.as_ref().ok_or_else(|| {
            let message = "no client is asked for a certificate there, so none counts";
            Failure::new(Exit::Usage, message).help("`tls.frontend` of the Gateway has it ask")
        })?;
        ask.identity = vouch(clients, &chain, now.0).map_err(|why| {
            let message =
                format!("no request gets that far: the TLS handshake fails, because {why}");
            Failure::new(Exit::Denied, message)
        })?;
        ask.identity_checked = true;
        Ok(())
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once([':', '='])
        .ok_or("write a name and a value, such as `accept: text/html`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Names with or without their scheme (decision T12).
fn identity(principals: &[String]) -> Identity {
    let uri = |name: &String| match name.contains("://") {
        true => Box::from(name.as_str()),
        false => format!("spiffe://{name}").into(),
    };
    Identity {
        uris: principals.iter().map(uri).collect(),
        ..Identity::default()
    }
}

fn claims_text(text: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        Some(file) => files::readable(Path::new(file)),
        None => Ok(text.to_owned()),
    }
}

/// Keys of providers whose own are elsewhere.
#[derive(Args)]
pub(crate) struct KeyOptions {
    /// Keys for providers whose own are fetched: a JWK set, one JWK or a PEM public key. `ISSUER=FILE`: of that issuer
    /// alone. May be repeated
    #[arg(long, value_name = "FILE")]
    jwks: Vec<String>,
}

impl KeyOptions {
    pub(super) fn read(&self, mut ring: KeyRing) -> Result<KeyRing, Failure> {
        for entry in &self.jwks {
            // An issuer may hold `=`, a file rarely does.
            let (whose, file) = match entry.rsplit_once('=') {
                Some((issuer, file)) => (Whose::Issuer(issuer.to_owned()), file),
                None => (Whose::Anybody, entry.as_str()),
            };
            ring.add(
                whose,
                Given::Set(files::key_set(&files::readable(Path::new(file))?, file)?),
            );
        }
        Ok(ring)
    }
}
