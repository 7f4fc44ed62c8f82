//! The running gateway as a door: real connections, TLS and addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_testkit::agreement::compare;
use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::corpus::Istio;
use countersign_testkit::gateway::{Ended, Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;

use crate::certificates::{Certificates, SERVER};
use crate::differences::Disagreement;
use crate::group::{Group, Ports, is_parser, level};
use crate::keys::key_server;

/// What all groups share.
pub(crate) struct World {
    keys: Upstream,
}

/// A gateway with the policies of a group, and an upstream behind it.
pub(crate) struct Scene {
    gateway: Gateway,
    ports: Ports,
    upstream: Upstream,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { keys: key_server() }
    }

    /// Starts the gateway; how it ended where it does not.
    pub(crate) fn start(&self, group: &Group) -> Result<Scene, Ended> {
        let upstream = Upstream::start("upstream");
        let ports = Ports {
            gateway: port::free(),
            upstream: upstream.address().port(),
            keys: self.keys.address().port(),
        };
        let files = group.files(ports, Certificates::all());
        let setup = Setup::new(env!("CARGO_BIN_EXE_countersign"));
        let setup = files
            .iter()
            .fold(setup, |setup, (name, text)| setup.file(name, text));
        Ok(Scene {
            gateway: setup.start()?,
            ports,
            upstream,
        })
    }
}

impl Scene {
    /// How a case disagrees; `None` when it does not.
    pub(crate) fn ask(&self, case: &Istio) -> Option<Disagreement> {
        let before = self.upstream.seen().len();
        let answer = self.send(case);
        let admitted = self.upstream.seen().len() > before;
        let status = answer.as_ref().ok().map(|it| it.status);
        let why = match answer {
            Err(error) => Some(format!("no answer: {error}")),
            Ok(answer) if is_parser(case) => {
                (admitted || answer.status < 400).then(|| format!("status: {}", answer.status))
            }
            Ok(answer) => {
                let port = self.ports.gateway;
                compare(&case.expect, &answer, admitted, level(case), port)
            }
        };
        let why = format!(
            "{}\n  {}",
            why?,
            self.gateway.stderr().lines().last().unwrap_or("")
        );
        Some(Disagreement {
            why,
            status,
            admitted,
        })
    }

    fn send(&self, case: &Istio) -> io::Result<Response> {
        let case = &case.request;
        let fill = |text: &str| self.ports.fill(text);
        let mut request = Request::new(&case.method, &fill(&case.path));
        request = request.header("Host", &fill(&case.host));
        for (name, value) in &case.headers {
            request = request.header(name, &fill(value));
        }
        if let Some(body) = &case.body {
            request = request.body(body.as_bytes());
        }
        let address = |text: &Option<String>| -> IpAddr {
            let text = text.as_deref();
            text.map_or(Ipv4Addr::LOCALHOST.into(), |it| {
                it.parse().expect("an address")
            })
        };
        let to = SocketAddr::new(address(&case.connect_ip), self.ports.gateway);
        let mut client = match &case.tls {
            None => Client::connect_from(address(&case.client_ip), to)?,
            Some(tls) => Client::connect_tls(to, SERVER, Certificates::all().client(tls))?,
        };
        client.send(&request)
    }
}
