//! Envoy's attributes, as its CEL matcher has them, and `jwt` beside them.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>

use std::net::SocketAddr;
use std::sync::LazyLock;

use countersign_expression::{Environment, Members, Shape, Value};
use http::HeaderName;
use http::header::{REFERER, USER_AGENT};

use super::{Group, Known};

pub(super) static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    Environment::default()
        .variable("request", Shape::Fields(REQUEST))
        .variable("source", Shape::Fields(ADDRESS))
        .variable("destination", Shape::Fields(ADDRESS))
        .variable("connection", Shape::Fields(CONNECTION))
        .variable(
            "metadata",
            Shape::Fields(&[("filter_metadata", Shape::Open)]),
        )
        .variable("jwt", Shape::Open)
});

const REQUEST: &[(&str, Shape)] = &[
    ("path", Shape::Scalar),
    ("url_path", Shape::Scalar),
    ("host", Shape::Scalar),
    ("scheme", Shape::Scalar),
    ("method", Shape::Scalar),
    ("headers", Shape::Open),
    ("referer", Shape::Scalar),
    ("useragent", Shape::Scalar),
    ("time", Shape::Scalar),
    ("id", Shape::Scalar),
    ("protocol", Shape::Scalar),
    ("query", Shape::Scalar),
];
const ADDRESS: &[(&str, Shape)] = &[("address", Shape::Scalar), ("port", Shape::Scalar)];
const CONNECTION: &[(&str, Shape)] = &[
    ("mtls", Shape::Scalar),
    ("requested_server_name", Shape::Scalar),
    ("tls_version", Shape::Scalar),
    ("subject_peer_certificate", Shape::Scalar),
    ("dns_san_peer_certificate", Shape::Scalar),
    ("uri_san_peer_certificate", Shape::Scalar),
    ("sha256_peer_certificate_digest", Shape::Scalar),
];

const BODY: &str =
    "it is not known before the body has arrived, and requests are decided before that";
const LATER: &str = "it is not known before the backend has answered";
const OWN: &str =
    "the gateway's own certificate is no secret to its configuration: leave the condition out";
const INTERNAL: &str = "it is internal to Envoy";

/// What Envoy has and the gateway has not, and why.
pub(super) const WITHHELD: &[(&str, &str)] = &[
    ("request.size", BODY),
    ("request.total_size", BODY),
    ("request.duration", LATER),
    ("response", LATER),
    ("upstream", LATER),
    ("connection.id", INTERNAL),
    ("connection.termination_details", INTERNAL),
    ("connection.transport_failure_reason", INTERNAL),
    ("connection.subject_local_certificate", OWN),
    ("connection.dns_san_local_certificate", OWN),
    ("connection.uri_san_local_certificate", OWN),
    ("filter_state", INTERNAL),
    ("xds", INTERNAL),
    ("node", INTERNAL),
    ("plugin_name", INTERNAL),
];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where Envoy's filter for tokens puts the claims, and under which key kgateway has it do so.
const FILTER: &str = "envoy.filters.http.jwt_authn";
const PAYLOAD: &str = "payload";

pub(super) struct Variables<'a> {
    all: &'a Known<'a>,
    request: Group<'a>,
    source: Group<'a>,
    destination: Group<'a>,
    connection: Group<'a>,
    metadata: Metadata<'a>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(all: &'a Known<'a>) -> Variables<'a> {
        Variables {
            all,
            request: Group::new(all, request),
            source: Group::new(all, source),
            destination: Group::new(all, destination),
            connection: Group::new(all, connection),
            metadata: Metadata(Filters(Filter(all))),
        }
    }
}

impl Members for Variables<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "request" => Value::members(&self.request),
            "source" => Value::members(&self.source),
            "destination" => Value::members(&self.destination),
            "connection" => Value::members(&self.connection),
            "metadata" => Value::members(&self.metadata),
            "jwt" => self.all.jwt(),
            _ => return None,
        })
    }
}

fn request<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "path" => all.headers.target(),
        "url_path" => all.req.path.into(),
        "host" => all.req.authority.into(),
        "scheme" => all.req.scheme.into(),
        "method" => all.req.method.as_str().into(),
        "headers" => Value::members(&all.headers),
        "referer" => all.headers.get(REFERER.as_str())?,
        "useragent" => all.headers.get(USER_AGENT.as_str())?,
        "time" => all.time()?,
        "id" => all.headers.get(REQUEST_ID.as_str())?,
        "protocol" => all.protocol().into(),
        "query" => match all.headers.query() {
            Some(query) => query.into_owned().into(),
            None => "".into(),
        },
        _ => return None,
    })
}

fn source<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    address(SocketAddr::new(all.req.client, all.client_port()), name)
}

fn destination<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    address(all.req.connection.local, name)
}

/// Envoy's addresses are written with their port.
fn address<'a>(socket: SocketAddr, name: &str) -> Option<Value<'a>> {
    match name {
        "address" => Some(socket.to_string().into()),
        "port" => Some(Value::Int(socket.port().into())),
        _ => None,
    }
}

fn connection<'a>(all: &'a Known<'a>, name: &str) -> Option<Value<'a>> {
    let connection = &all.req.connection;
    let identity = connection.identity;
    match name {
        "mtls" => Some(Value::Bool(identity.is_some())),
        "requested_server_name" => Some(connection.sni.unwrap_or_default().into()),
        "tls_version" => connection.tls.map(|it| it.name().into()),
        // Empty for a client without a certificate, absent without TLS.
        "subject_peer_certificate" => {
            let subject = identity.map_or("", |it| &it.subject);
            connection.tls.map(|_| subject.into())
        }
        "dns_san_peer_certificate" => identity?.dns.first().map(|it| Value::from(&**it)),
        "uri_san_peer_certificate" => identity?.uris.first().map(|it| Value::from(&**it)),
        "sha256_peer_certificate_digest" => identity.map(|it| Value::from(&*it.digest)),
        _ => None,
    }
}

/// `metadata`.
struct Metadata<'a>(Filters<'a>);

/// `metadata.filter_metadata`.
struct Filters<'a>(Filter<'a>);

/// What the filter for tokens left there: nothing for a caller without a token.
struct Filter<'a>(&'a Known<'a>);

impl Members for Metadata<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        (name == "filter_metadata").then(|| Value::members(&self.0))
    }
}

impl Members for Filters<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        self.0.0.claims.filter(|_| name == FILTER)?;
        Some(Value::members(&self.0))
    }

    fn names(&self) -> Option<Vec<&str>> {
        Some(self.0.0.claims.map(|_| FILTER).into_iter().collect())
    }
}

impl Members for Filter<'_> {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        let claims = self.0.claims.filter(|_| name == PAYLOAD)?;
        Some(Value::from(claims.root()))
    }

    fn names(&self) -> Option<Vec<&str>> {
        Some(self.0.claims.map(|_| PAYLOAD).into_iter().collect())
    }
}
