//! One variant of the example with an upstream behind it.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::{Ended, Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;

use crate::place::{self, once};

/// A gateway that runs.
pub(crate) struct Scene {
    _gateway: Gateway,
    address: SocketAddr,
    upstream: Upstream,
}

impl Scene {
    /// Starts the gateway with this variant of the extension; `None` where the examples are not there.
    pub(crate) fn start(variant: &str) -> Option<Self> {
        Self::with(&read(variant)?, &[])
    }

    /// Starts the gateway with this text as the extension, in this environment.
    pub(crate) fn with(extension: &str, env: &[(&str, &str)]) -> Option<Self> {
        let (upstream, port) = (Upstream::start("httpbin"), port::free());
        let setup = setup(extension, port, upstream.address().port())?;
        let setup = env
            .iter()
            .fold(setup, |setup, (name, value)| setup.env(name, value));
        let gateway = setup
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Some(Self {
            _gateway: gateway,
            address,
            upstream,
        })
    }

    /// How a start ends that must not succeed.
    pub(crate) fn refused(extension: &str) -> Ended {
        let setup = setup(extension, port::free(), 1).expect("the examples were read before");
        setup.start().err().expect("a configuration with errors")
    }

    /// Sends a request to the example's host.
    pub(crate) fn ask(&self, request: &Request) -> Response {
        request
            .clone()
            .header("host", "www.example.com")
            .send(self.address)
    }

    /// How many requests have reached the upstream.
    pub(crate) fn reached(&self) -> usize {
        self.upstream.seen().len()
    }

    /// The value of a header of the last request that reached the upstream.
    pub(crate) fn upstream_saw(&self, name: &str) -> Option<String> {
        let seen = self.upstream.seen();
        let last = seen.last().expect("a request that reached the upstream");
        last.headers.first(name).map(str::to_owned)
    }
}

/// A file of the example; `None`, and a line that says so, where it is not there.
pub(crate) fn read(name: &str) -> Option<String> {
    place::read(&format!("kgateway/{name}"))
}

/// The token that the document hands out.
pub(crate) fn alice() -> Option<String> {
    read("alice.jwt").map(|text| text.trim().to_owned())
}

fn setup(extension: &str, port: u16, upstream: u16) -> Option<Setup> {
    let gateway = once(
        &read("gateway.yaml")?,
        "port: 8080",
        &format!("port: {port}"),
    );
    let gateway = once(&gateway, "port: 8000", &format!("port: {upstream}"));
    let setup = Setup::new(env!("CARGO_BIN_EXE_countersign")).file("gateway.yaml", &gateway);
    Some(
        setup
            .file("policy.yaml", &read("policy.yaml")?)
            .file("extension.yaml", extension),
    )
}
