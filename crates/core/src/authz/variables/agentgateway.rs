//! agentgateway's attributes, as far as they are known when a request is authorized.
//!
//! <https://agentgateway.dev/docs/reference/cel/>

use std::net::SocketAddr;
use std::sync::LazyLock;

use countersign_expression::{Environment, Members, Shape, Value};

use super::{Group, Known};
use crate::identity::Identity;

pub(super) static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    Environment::default()
        .variable("request", Shape::Fields(REQUEST))
        .variable("source", Shape::Fields(SOURCE))
        .variable("destination", Shape::Fields(ADDRESS))
        .variable("jwt", Shape::Open)
});

const REQUEST: &[(&str, Shape)] = &[
    ("method", Shape::Scalar),
    ("uri", Shape::Scalar),
    ("host", Shape::Scalar),
    ("scheme", Shape::Scalar),
    ("path", Shape::Scalar),
    ("pathAndQuery", Shape::Scalar),
    ("version", Shape::Scalar),
    ("headers", Shape::Open),
    ("startTime", Shape::Scalar),
];
const ADDRESS: &[(&str, Shape)] = &[("address", Shape::Scalar), ("port", Shape::Scalar)];
const SOURCE: &[(&str, Shape)] = &[
    ("address", Shape::Scalar),
    ("port", Shape::Scalar),
    ("identity", Shape::Fields(IDENTITY)),
    ("subjectAltNames", Shape::Open),
    ("subject", Shape::Scalar),
];
const IDENTITY: &[(&str, Shape)] = &[
    ("trustDomain", Shape::Scalar),
    ("namespace", Shape::Scalar),
    ("serviceAccount", Shape::Scalar),
];

const BODY: &str = "requests are decided before their body arrives";
const LATER: &str = "it is not known before the backend has answered";
const OTHER: &str = "the policy that sets it is not supported";
const CERTIFICATE: &str = "only the names and the subject of a client certificate are kept";
const RAW: &str = "only the address that policies see is kept";
const PLATFORM: &str = "nothing is known about pods here";
const PLACE: &str = "attach the policy to the route or listener that is meant instead";

/// What agentgateway has and the gateway has not, and why.
pub(super) const WITHHELD: &[(&str, &str)] = &[
    ("request.body", BODY),
    ("request.bodyPrefix", BODY),
    ("request.endTime", LATER),
    ("response", LATER),
    ("source.rawAddress", RAW),
    ("source.rawPort", RAW),
    ("source.issuer", CERTIFICATE),
    ("source.subjectCn", CERTIFICATE),
    ("source.certificate", CERTIFICATE),
    ("source.connectHeaders", "tunnels are not terminated here"),
    ("source.tunnel", "tunnels are not terminated here"),
    ("source.unverifiedWorkload", PLATFORM),
    ("destination.hostname", "write `request.host`"),
    ("env", PLATFORM),
    ("proxy", PLACE),
    ("backend", PLACE),
    ("apiKey", OTHER),
    ("basicAuth", OTHER),
    ("extauthz", OTHER),
    ("extproc", OTHER),
    ("metadata", OTHER),
    ("mcp", OTHER),
    ("mcpGuardrails", OTHER),
    ("llm", OTHER),
    ("llmRequest", OTHER),
];

pub(super) struct Variables<'a> {
    all: &'a Known<'a>,
    request: Group<'a>,
    source: Source<'a>,
    destination: Group<'a>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(all: &'a Known<'a>) -> Variables<'a> {
        Variables {
            all,
            request: Group::new(all, request),
            source: Source {
                all,
                identity: Workload::of(all.req.connection.identity),
            },
            destination: Group::new(all, destination),
        }
    }
}

impl Members for Variables<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "request" => Value::members(&self.request),
            "source" => Value::members(&self.source),
            "destination" => Value::members(&self.destination),
            "jwt" => self.all.jwt(),
            _ => return None,
        })
    }
}

fn request<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    let req = all.req;
    Some(match name {
        "method" => req.method.as_str().into(),
        "uri" => {
            let query = all
                .headers
                .query()
                .map(|it| format!("?{it}"))
                .unwrap_or_default();
            format!("{}://{}{}{query}", req.scheme, req.authority, req.path).into()
        }
        "host" => req.authority.into(),
        "scheme" => req.scheme.into(),
        "path" => req.path.into(),
        "pathAndQuery" => all.headers.target(),
        // Its library writes the minor version always.
        "version" => match all.protocol() {
            "HTTP/2" => "HTTP/2.0".into(),
            "HTTP/3" => "HTTP/3.0".into(),
            protocol => protocol.into(),
        },
        "headers" => Value::members(&all.headers),
        "startTime" => all.time()?,
        _ => return None,
    })
}

fn destination<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    address(all.req.connection.local, name)
}

fn address<'a>(socket: SocketAddr, name: &str) -> Option<Value<'a>> {
    match name {
        "address" => Some(socket.ip().to_string().into()),
        "port" => Some(Value::Int(socket.port().into())),
        _ => None,
    }
}

/// `source`.
struct Source<'a> {
    all: &'a Known<'a>,
    identity: Option<Workload<'a>>,
}

impl Members for Source<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        let identity = self.all.req.connection.identity;
        match name {
            "identity" => self.identity.as_ref().map(|it| Value::members(it)),
            "subjectAltNames" => {
                let names = identity.map(|it| it.uris.iter().chain(&it.dns));
                Some(Value::List(names?.map(|it| Value::from(&**it)).collect()))
            }
            "subject" => identity.map(|it| Value::from(&*it.subject)),
            _ => address(
                SocketAddr::new(self.all.req.client, self.all.client_port()),
                name,
            ),
        }
    }
}

/// `source.identity`: the first SPIFFE name of a client certificate that says which service account it is.
struct Workload<'a> {
    trust_domain: &'a str,
    namespace: &'a str,
    service_account: &'a str,
}

impl<'a> Workload<'a> {
    fn of(identity: Option<&'a Identity>) -> Option<Workload<'a>> {
        identity?.spiffe().find_map(|name| {
            let mut steps = name.split('/');
            let trust_domain = steps.next()?;
            let path = [steps.next()?, steps.next()?, steps.next()?, steps.next()?];
            let ["ns", namespace, "sa", service_account] = path else {
                return None;
            };
            steps.next().is_none().then_some(Workload {
                trust_domain,
                namespace,
                service_account,
            })
        })
    }
}

impl Members for Workload<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "trustDomain" => Some(self.trust_domain.into()),
            "namespace" => Some(self.namespace.into()),
            "serviceAccount" => Some(self.service_account.into()),
            _ => None,
        }
    }
}
