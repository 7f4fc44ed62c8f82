//! The fields of GatewayParameters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::path::Normalization;
use http::HeaderName;
use ipnet::IpNet;

use super::{Binding, DebugSpec, LimitFields, Parameters, PortMap, TimeoutFields};
use crate::compiled::{AccessLog, DebugDetail};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::Object;
use crate::read::{
    Fields, boolean, choice, duration_in, header_name, int_in, invalid, list_in, parsed, port,
    spanned, string,
};
use crate::refs::DataRefSpec;
use crate::yaml::Node;

const ACCESS_LOGS: &[(&str, AccessLog)] = &[
    ("Off", AccessLog::Off),
    ("Text", AccessLog::Text),
    ("Json", AccessLog::Json),
];

/// Istio's words.
const NORMALIZATIONS: &[(&str, Normalization)] = &[
    ("NONE", Normalization::None),
    ("BASE", Normalization::Base),
    ("MERGE_SLASHES", Normalization::MergeSlashes),
    (
        "DECODE_AND_MERGE_SLASHES",
        Normalization::DecodeAndMergeSlashes,
    ),
];

pub(super) fn read(object: &Object, diags: &mut Diagnostics) -> Option<Parameters> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "GatewayParameters.spec", diags)?;
        let ports = fields.optional("ports", list_in(1..=64, port_map));
        let ports = ports.map(|ports| distinct(ports, fields.diags()));
        let (trusted_proxies, trusted_addresses) =
            fields.optional("forwarded", forwarded).unwrap_or_default();
        Some(Parameters {
            ports,
            proxy_protocol: fields.optional("proxyProtocol", proxy_protocol),
            trusted_proxies,
            trusted_addresses,
            refuse_private_keys: fields.optional("jwks", jwks).flatten(),
            streams_outlive_token: fields.optional("streams", streams).flatten(),
            token_cache_bytes: fields.optional("tokenCacheBytes", int_in(0..=1 << 40)),
            access_log: fields.optional("accessLog", choice(ACCESS_LOGS)),
            normalization: fields.optional("pathNormalization", choice(NORMALIZATIONS)),
            debug_header: fields.optional("debugHeader", debug_header),
            client_certificates: fields.optional("clientCertificates", list_in(1..=64, binding)),
            limits: fields.optional("limits", limits).unwrap_or_default(),
            timeouts: fields.optional("timeouts", timeouts).unwrap_or_default(),
        })
    })
}

fn port_map(node: &Node, diags: &mut Diagnostics) -> Option<PortMap> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.ports", diags)?;
    let gateway = fields.required("port", port);
    let bind = fields.required("bind", port);
    Some(PortMap {
        port: gateway?,
        bind: bind?,
        span: node.span,
    })
}

/// Each port of the Gateway is mapped once.
fn distinct(ports: Vec<PortMap>, diags: &mut Diagnostics) -> Vec<PortMap> {
    let mut kept: Vec<PortMap> = Vec::new();
    for map in ports {
        if let Some(first) = kept.iter().find(|it| it.port == map.port) {
            let message = format!("port {} is mapped twice", map.port);
            let error = Diagnostic::error("duplicate-entry", message).at(map.span);
            let error = error.related(first.span, "the first time");
            diags.push(error.help("keep one of the two"));
            continue;
        }
        kept.push(map);
    }
    kept
}

/// Which trust domains the CA of a reference may vouch for.
fn binding(node: &Node, diags: &mut Diagnostics) -> Option<Binding> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.clientCertificates", diags)?;
    let authority = |node: &Node, diags: &mut Diagnostics| {
        let at = "GatewayParameters.spec.clientCertificates.caCertificateRef";
        DataRefSpec::any(node, at, diags)
    };
    let authority = fields.required("caCertificateRef", authority);
    let domains = fields.required("trustDomains", list_in(1..=64, trust_domain));
    Some(Binding {
        authority: authority?,
        trust_domains: domains?,
    })
}

/// A trust domain's name (SPIFFE ID section 2.1).
fn trust_domain(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-_".contains(&it);
    let read = |text: &str| {
        let fits = !text.is_empty() && text.len() <= 255 && text.bytes().all(letter);
        fits.then(|| Arc::from(text))
    };
    let help =
        "write it as in `spiffe://<trust domain>/…`: lower-case letters, digits, `.`, `-` and `_`";
    parsed(read, "is not a trust domain", help)(node, diags)
}

fn proxy_protocol(node: &Node, diags: &mut Diagnostics) -> Option<Vec<IpNet>> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.proxyProtocol", diags)?;
    fields.required("from", list_in(1..=256, network))
}

type Forwarded = (Option<u32>, Option<Vec<IpNet>>);

fn forwarded(node: &Node, diags: &mut Diagnostics) -> Option<Forwarded> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.forwarded", diags)?;
    let proxies = fields.optional("trustedProxies", int_in(0..=100));
    let addresses = fields.optional("trustedAddresses", list_in(1..=256, network));
    Some((proxies, addresses))
}

fn jwks(node: &Node, diags: &mut Diagnostics) -> Option<Option<bool>> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.jwks", diags)?;
    Some(fields.optional("refusePrivateAddresses", boolean))
}

fn debug_header(node: &Node, diags: &mut Diagnostics) -> Option<DebugSpec> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.debugHeader", diags)?;
    let usual = HeaderName::from_static("x-countersign-decision");
    let name = fields.optional("name", own_header).unwrap_or(usual);
    let detail = fields.optional("detail", choice(DEBUG_DETAILS));
    let listeners = fields.optional("listeners", list_in(1..=64, spanned(string)));
    Some(DebugSpec {
        name,
        detail: detail.unwrap_or_default(),
        listeners,
        span: node.span,
    })
}

const DEBUG_DETAILS: &[(&str, DebugDetail)] =
    &[("Id", DebugDetail::Id), ("Full", DebugDetail::Full)];

/// A header that means nothing to anybody else: another could change what an answer says.
fn own_header(node: &Node, diags: &mut Diagnostics) -> Option<HeaderName> {
    const TAKEN: [&str; 3] = [
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
    ];
    let name = header_name(node, diags)?;
    if !name.as_str().starts_with("x-") || TAKEN.contains(&name.as_str()) {
        let help = "write a name that begins with `x-` and that browsers do not know";
        invalid(node, "is no header of one's own", help, diags);
        return None;
    }
    Some(name)
}

fn streams(node: &Node, diags: &mut Diagnostics) -> Option<Option<bool>> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.streams", diags)?;
    Some(fields.optional("outliveToken", boolean))
}

fn limits(node: &Node, diags: &mut Diagnostics) -> Option<LimitFields> {
    let mut fields = Fields::of(node, "GatewayParameters.spec.limits", diags)?;
    Some(LimitFields {
        header_bytes: fields.optional("headerBytes", int_in(1024..=16 << 20)),
        headers: fields.optional("headers", int_in(1..=10_000)),
        body_bytes: fields.optional("bodyBytes", int_in(1..=u64::MAX)),
        connections: fields.optional("connections", int_in(1..=10_000_000)),
        streams: fields.optional("streams", int_in(1..=1_000_000)),
    })
}

fn timeouts(node: &Node, diags: &mut Diagnostics) -> Option<TimeoutFields> {
    /// A day is longer than anybody waits, and keeps sums of durations far from their bounds.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let some = || duration_in(Duration::from_millis(1)..=LONGEST);
    let mut fields = Fields::of(node, "GatewayParameters.spec.timeouts", diags)?;
    Some(TimeoutFields {
        request_headers: fields.optional("requestHeaders", some()),
        idle: fields.optional("idle", some()),
        connect: fields.optional("connect", some()),
        request: fields.optional("request", duration_in(Duration::ZERO..=LONGEST)),
        drain: fields.optional("drain", duration_in(Duration::ZERO..=LONGEST)),
    })
}

/// A network, or one address.
fn network(node: &Node, diags: &mut Diagnostics) -> Option<IpNet> {
    let text = string(node, diags)?;
    let address = text.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = address.or_else(|| text.parse().ok()) else {
        let help = "write a network such as `10.0.0.0/8`, or an address";
        invalid(node, "is not an IP network", help, diags);
        return None;
    };
    // Somebody meant either the one address or the whole network, and the difference is who is believed.
    if network.addr() != network.network() {
        let help = format!(
            "write {} or {}",
            quoted(&network.trunc().to_string()),
            quoted(&network.addr().to_string())
        );
        invalid(node, "has bits set beyond its prefix", &help, diags);
        return None;
    }
    Some(network)
}
