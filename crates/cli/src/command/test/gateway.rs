//! A case put to a running gateway, over HTTP as any client does it.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use countersign_config::compiled::AddressGuard;
use countersign_core::backend::{Ca, Endpoint};
use countersign_core::{UnixTime, host};
use countersign_explain::cases::{Case, Got, compare};
use countersign_explain::{Ask, Credential, head};
use countersign_runtime::clock::now;
use countersign_runtime::http::{Answer, Terms, Url, send};
use http::header::{CONNECTION, HOST, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, Request};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::report::{Outcome, Verdict};
use super::{Suite, library};
use crate::exit::{Exit, Failure};
use crate::files;

/// Which gateway is asked.
#[derive(Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct GatewayOptions {
    /// Send the requests to a gateway that runs here, instead of asking the library
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// What the gateway's certificate must lead to, in PEM [default: the system's roots]
    #[arg(long, value_name = "FILE", requires = "gateway")]
    ca: Option<PathBuf>,
    /// Header in which the gateway tells reason and rule (`debugHeader` of its GatewayParameters, with `detail: Full`)
    #[arg(
        long,
        value_name = "NAME",
        requires = "gateway",
        default_value = "x-countersign-decision"
    )]
    debug_header: HeaderName,
}

impl GatewayOptions {
    /// The gateway, if one is to be asked.
    pub(super) fn connect(self) -> Result<Option<Gateway>, Failure> {
        let Some(text) = self.gateway else {
            return Ok(None);
        };
        let url = Url::parse(&text).map_err(|error| {
            Failure::new(Exit::Usage, format!("`{text}`: {error}"))
                .help("write such as `http://127.0.0.1:8080`")
        })?;
        let ca = match &self.ca {
            Some(file) => Ca::Pem(files::readable(file)?.into()),
            None => Ca::System,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Exit::Failure, format!("nothing can be sent: {error}"))
        })?;
        Ok(Some(Gateway {
            url,
            ca,
            debug_header: self.debug_header,
            runtime,
        }))
    }
}

/// A gateway that runs somewhere.
pub(super) struct Gateway {
    url: Url,
    ca: Ca,
    debug_header: HeaderName,
    runtime: Runtime,
}

const PATIENCE: Duration = Duration::from_secs(30);
const LARGEST: usize = 16 << 20;

impl Gateway {
    /// Runs a case.
    pub(super) fn run(&self, suite: &Suite, case: &Case) -> Result<Outcome, Failure> {
        let question = suite.read.ask(case)?;
        if let Some(why) = self.unable(suite, &question)? {
            return Ok(Outcome::new(case, Verdict::Skipped).because(&why));
        }
        let request = match sendable(suite, &question)? {
            Ok(request) => request,
            Err(why) => return Ok(Outcome::new(case, Verdict::Skipped).because(&why)),
        };
        let answer = match self.send(&question, request) {
            Ok(answer) => answer,
            Err(why) => return Ok(Outcome::new(case, Verdict::Failed).because(&why)),
        };
        let got = self.got(&answer);
        let (differences, not_compared) = compare(&case.expect, &got);
        let verdict = if differences.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed
        };
        let reason = got.reason.as_deref().unwrap_or("not told");
        let because = format!(
            "the gateway answers {}, reason {reason}",
            answer.status.as_u16()
        );
        Ok(Outcome {
            differences,
            not_compared,
            ..Outcome::new(case, verdict).because(&because)
        })
    }

    /// Why a case cannot be made over the wire.
    fn unable(&self, suite: &Suite, question: &Ask) -> Result<Option<String>, Failure> {
        let claims = |it: &Credential| matches!(it, Credential::Claims(_));
        let why = if question.credentials.iter().any(claims) {
            "nobody here can sign a token with these claims"
        } else if question.identity.is_some() {
            "there is no such client certificate here"
        } else if question.peer.is_some() || question.client.is_some() {
            "the client's address cannot be chosen here"
        } else if question.local.is_some() {
            "the gateway's address cannot be chosen here"
        } else if let Some(why) = self.elsewhere(suite, question)? {
            return Ok(Some(why));
        } else if self.hangs_on_time(suite, question)? {
            "its outcome hangs on `time`, and the gateway goes by its own clock"
        } else {
            return Ok(None);
        };
        Ok(Some(why.to_owned()))
    }

    /// Whether the case is for another door than the one that the URL names.
    fn elsewhere(&self, suite: &Suite, question: &Ask) -> Result<Option<String>, Failure> {
        let compiled = library::compiled(suite)?;
        let told = question
            .door
            .tls
            .is_some_and(|tls| tls != self.url.is_https());
        if told {
            let scheme = if self.url.is_https() { "https" } else { "http" };
            return Ok(Some(format!(
                "it is not for {scheme}, which the gateway is asked by"
            )));
        }
        let sockets = compiled.snapshot.sockets.iter().zip(&compiled.sockets);
        let ports: Vec<_> = sockets
            .map(|(it, settings)| (it.port, settings.port))
            .collect();
        let meant = match question.door.port {
            Some(port) if ports.len() > 1 => port,
            _ => return Ok(None),
        };
        let here = ports.iter().any(|(port, bound)| {
            let ours = *port == self.url.port() || *bound == self.url.port();
            ours && (*port == meant || *bound == meant)
        });
        Ok((!here).then(|| format!("it is for port {meant}, which is not the one that is asked")))
    }

    /// Whether the library would say something else now than at the time of the file.
    fn hangs_on_time(&self, suite: &Suite, question: &Ask) -> Result<bool, Failure> {
        let reason = |time: UnixTime| {
            let answer = library::answer(suite, question, time)?;
            Ok::<_, Failure>(answer.ok().map(|it| it.reason))
        };
        Ok(suite.read.suite.time.is_some() && reason(suite.time)? != reason(now())?)
    }

    fn send(&self, question: &Ask, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let told = question.host.as_deref().map(host::without_port);
        let name = question.sni.as_deref().or(told).unwrap_or(self.url.host());
        let scheme = if self.url.is_https() { "https" } else { "http" };
        let port = self.url.port();
        let meant = Url::parse(&format!("{scheme}://{name}:{port}/"));
        let url = meant.unwrap_or_else(|_| self.url.clone());
        let endpoint = Endpoint {
            host: self.url.host().into(),
            port,
        };
        let terms = Terms {
            detour: Some((&url, &endpoint)),
            ca: &self.ca,
            guard: AddressGuard::default(),
            deadline: Instant::now() + PATIENCE,
            largest: LARGEST,
        };
        let sent = self.runtime.block_on(async {
            // The deadline is counted inside the runtime.
            send(&url, request, &terms).await
        });
        sent.map_err(|error| format!("the gateway does not answer: {error}"))
    }

    fn got(&self, answer: &Answer) -> Got {
        let header = |name: &HeaderName| {
            let value = answer.headers.get(name).and_then(|it| it.to_str().ok());
            value.map(str::to_owned)
        };
        let told = header(&self.debug_header)
            .map(|it| Told::read(&it))
            .unwrap_or_default();
        let refused = told.reason.as_deref().is_some_and(|it| it != "ok");
        Got {
            status: Some(answer.status.as_u16()),
            rule: told.reason.as_ref().map(|_| told.rule.unwrap_or_default()),
            reason: told.reason,
            body: Some(String::from_utf8_lossy(&answer.body).into_owned()),
            challenge: Some(header(&WWW_AUTHENTICATE)),
            location: Some(header(&LOCATION)),
            // What a backend got, only it knows.
            upstream: refused.then_some(None),
            ..Got::default()
        }
    }
}

/// What the debug header tells: `id; reason=code; rule="…"`.
#[derive(Default)]
struct Told {
    reason: Option<String>,
    rule: Option<String>,
}

impl Told {
    fn read(value: &str) -> Self {
        let mut told = Self::default();
        for part in value.split("; ").skip(1) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = Some(value.trim_matches('"').to_owned());
            match name {
                "reason" => told.reason = value,
                "rule" => told.rule = value,
                _ => {}
            }
        }
        told
    }
}

/// The request as hyper takes it.
fn sendable(
    suite: &Suite,
    question: &Ask,
) -> Result<Result<Request<Full<Bytes>>, String>, Failure> {
    let mut parts = match head(library::compiled(suite)?, question) {
        Ok(parts) => parts,
        Err(impossible) => return Ok(Err(impossible.message)),
    };
    if !parts.headers.contains_key(HOST) {
        return Ok(Err(
            "a request without a host cannot be sent from here".to_owned()
        ));
    }
    let close = http::HeaderValue::from_static("close");
    parts.headers.entry(CONNECTION).or_insert(close);
    let body = Bytes::from(question.body.clone().unwrap_or_default());
    Ok(Ok(Request::from_parts(parts, Full::new(body))))
}
