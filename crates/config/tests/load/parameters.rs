//! GatewayParameters, of Gateways and of classes.

use std::time::Duration;

use countersign_config::compiled::{
    AccessLog, Compiled, DebugDetail, Limits, Timeouts, TokenCache,
};
use countersign_core::address::TrustedProxies;
use countersign_core::path::Normalization;

use super::support::{HTTP, codes, compiled, gateway_named, load_one};

fn parameters(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: {name}}}\nspec:\n{spec}\n---\n"
    )
}

const OWN: &str = "  infrastructure: {parametersRef: {group: countersign.dev, kind: GatewayParameters, name: own}}\n";

fn with(spec: &str) -> String {
    gateway_named("gw", OWN, HTTP) + &parameters("own", spec)
}

fn class(name: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: any}}\nspec:\n\
         \x20 controllerName: example.com/x\n\
         \x20 parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: {name}, namespace: default}}\n---\n"
    )
}

fn settings(compiled: &Compiled) -> &countersign_config::compiled::SocketSettings {
    let [settings] = &*compiled.sockets else {
        panic!()
    };
    settings
}

#[test]
fn every_field_has_its_effect() {
    let compiled = compiled(&with(
        "  ports: [{port: 80, bind: 8080}]\n  proxyProtocol: {from: [10.0.0.0/8, '2001:db8::1']}\n\
         \x20 forwarded: {trustedProxies: 2, trustedAddresses: [10.0.0.1]}\n\
         \x20 limits: {headerBytes: 2048, headers: 20, bodyBytes: 5, connections: 6, streams: 7}\n\
         \x20 timeouts: {requestHeaders: 1s, idle: 2s, connect: 3s, request: 0s, drain: 5s}\n\
         \x20 jwks: {refusePrivateAddresses: true}\n  streams: {outliveToken: true}\n  accessLog: Json\n\
         \x20 pathNormalization: MERGE_SLASHES",
    ));
    let set = settings(&compiled);
    assert_eq!((set.port, compiled.snapshot.sockets[0].port), (8080, 80));
    let nets: Vec<String> = set.proxy_protocol.iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["10.0.0.0/8", "2001:db8::1/128"]);
    let limits = Limits {
        header_bytes: 2048,
        headers: 20,
        body_bytes: Some(5),
        connections: 6,
        streams: 7,
    };
    assert_eq!(set.limits, limits);
    let seconds = Duration::from_secs;
    let timeouts = Timeouts {
        request_headers: seconds(1),
        idle: seconds(2),
        connect: seconds(3),
        request: seconds(0),
        drain: seconds(5),
    };
    assert_eq!(set.timeouts, timeouts);
    assert_eq!(
        (set.streams_outlive_token, set.access_log),
        (true, AccessLog::Json)
    );
    let [listener] = &*compiled.snapshot.listeners else {
        panic!()
    };
    assert_eq!(listener.normalization, Normalization::MergeSlashes);
    let proxies = TrustedProxies {
        hops: 2,
        addresses: ["10.0.0.1/32".parse().unwrap()].into(),
    };
    assert_eq!(listener.proxies, proxies);
}

#[test]
fn defaults() {
    let compiled = compiled(&gateway_named("gw", "", HTTP));
    let set = settings(&compiled);
    assert_eq!(
        (set.port, set.limits, set.timeouts),
        (80, Limits::default(), Timeouts::default())
    );
    assert!(set.proxy_protocol.is_empty() && !set.streams_outlive_token);
    let [listener] = &*compiled.snapshot.listeners else {
        panic!()
    };
    assert_eq!(listener.proxies, TrustedProxies::default());
    assert_eq!(listener.normalization, Normalization::Base);
}

/// There is one for the process.
#[test]
fn the_token_cache_is_the_largest_that_a_gateway_asks_for() {
    let bytes = |text: &str| compiled(text).token_cache.bytes;
    let usual = TokenCache::default().bytes;
    assert_eq!(usual, 64 << 20);
    let says = |count: u64| with(&format!("  tokenCacheBytes: {count}"));
    let silent = gateway_named("other", "", &HTTP.replace("80", "81"));
    for (text, wanted) in [
        (gateway_named("gw", "", HTTP), usual),
        (says(0), 0),
        (says(1000), 1000),
        (says(4 << 30), 4 << 30),
        (says(1000) + &silent, usual),
        (says(usual + 1) + &silent, usual + 1),
    ] {
        assert_eq!(bytes(&text), wanted, "{text}");
    }
    let of_class = class("base") + &parameters("base", "  tokenCacheBytes: 7");
    let own_wins = says(5) + &of_class;
    assert_eq!(bytes(&own_wins), 5);
    assert_eq!(bytes(&(with("  accessLog: Off") + &of_class)), 7);
}

#[test]
fn a_gateways_own_win_field_by_field() {
    let of_class = parameters(
        "base",
        "  limits: {headers: 1, streams: 2}\n  accessLog: Off\n  timeouts: {idle: 9s}",
    );
    let own = "  limits: {headers: 50}\n  timeouts: {connect: 7s}";
    let compiled = compiled(&(with(own) + &class("base") + &of_class));
    let set = settings(&compiled);
    assert_eq!((set.limits.headers, set.limits.streams), (50, 2));
    assert_eq!(set.access_log, AccessLog::Off);
    assert_eq!(
        (set.timeouts.idle.as_secs(), set.timeouts.connect.as_secs()),
        (9, 7)
    );
}

#[test]
fn the_meshs_settings_hold_where_parameters_say_nothing() {
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    \
                pathNormalization: {normalization: NONE}\n    \
                defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}\n---\n";
    let plain = compiled(&(gateway_named("gw", "", HTTP) + mesh));
    let [listener] = &*plain.snapshot.listeners else {
        panic!()
    };
    assert_eq!(
        (listener.normalization, listener.proxies.hops),
        (Normalization::None, 1)
    );
    let own = "  pathNormalization: BASE\n  forwarded: {trustedProxies: 3, trustedAddresses: [10.0.0.0/8]}";
    let own = compiled(&(with(own) + mesh));
    let [listener] = &*own.snapshot.listeners else {
        panic!()
    };
    assert_eq!(
        (listener.normalization, listener.proxies.hops),
        (Normalization::Base, 3)
    );
}

#[test]
fn who_may_forge_an_address_is_said() {
    let anybody = "  forwarded: {trustedProxies: 1}";
    let idle = "  forwarded: {trustedAddresses: [10.0.0.0/8]}";
    let sound = "  forwarded: {trustedProxies: 1, trustedAddresses: [10.0.0.0/8]}";
    assert_eq!(codes(&with(anybody)), ["forwarded-for"]);
    assert_eq!(codes(&with(idle)), ["forwarded-for"]);
    assert!(codes(&with(sound)).is_empty());
}

#[test]
fn what_is_wrong_is_refused() {
    for (spec, code) in [
        (
            "  ports: [{port: 80, bind: 1}, {port: 80, bind: 2}]",
            "duplicate-entry",
        ),
        ("  ports: [{port: 80}]", "missing-field"),
        ("  ports: []", "out-of-range"),
        ("  proxyProtocol: {}", "missing-field"),
        ("  proxyProtocol: {from: [anywhere]}", "invalid-value"),
        ("  proxyProtocol: {from: [10.0.0.1/8]}", "invalid-value"),
        ("  forwarded: {trustedProxies: -1}", "out-of-range"),
        ("  limits: {headerBytes: 1}", "out-of-range"),
        ("  tokenCacheBytes: -1", "out-of-range"),
        ("  limits: {headerbytes: 9999}", "unknown-field"),
        ("  timeouts: {idle: 0s}", "out-of-range"),
        ("  timeouts: {idle: 90000s}", "out-of-range"),
        ("  timeouts: {drain: 25h}", "out-of-range"),
        ("  accessLog: Yes", "invalid-value"),
        ("  pathNormalization: base", "invalid-value"),
        ("  debug: true", "unknown-field"),
    ] {
        assert!(load_one(&with(spec)).compiled.is_none(), "{spec}");
        assert_eq!(codes(&with(spec)), [code], "{spec}");
    }
    assert_eq!(
        codes(&with("  ports: [{port: 81, bind: 1}]")),
        ["idle-port-map"]
    );
    let idle = gateway_named("gw", "", HTTP) + &parameters("own", "  accessLog: Off");
    assert_eq!(codes(&idle), ["idle-parameters"]);
    let lost = gateway_named("gw", "", HTTP) + &class("lost");
    assert_eq!(codes(&lost), ["parameters-not-found"]);
}

#[test]
fn mapped_ports_may_clash_too() {
    let two = "{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}";
    let text =
        gateway_named("gw", OWN, two) + &parameters("own", "  ports: [{port: 80, bind: 8080}]");
    assert_eq!(codes(&text), ["port-conflict"]);
}

#[test]
fn debug_header() {
    let of = |text: &str| {
        let listeners = "{name: a, protocol: HTTP, port: 80}, {name: b, protocol: HTTP, port: 81}";
        let compiled = compiled(&(gateway_named("gw", OWN, listeners) + &parameters("own", text)));
        let told = compiled.sockets.iter().map(|it| {
            let header = it.debug_header.as_ref()?;
            Some((
                header.name.to_string(),
                header.detail,
                header.listeners.len(),
            ))
        });
        told.collect::<Vec<_>>()
    };
    let header = |name: &str, detail| Some((name.to_owned(), detail, 1));
    assert_eq!(of("  accessLog: Text"), [None, None]);
    let usual = || header("x-countersign-decision", DebugDetail::Id);
    assert_eq!(of("  debugHeader: {detail: Id}"), [usual(), usual()]);
    assert_eq!(
        of("  debugHeader: {name: X-Why, detail: Full, listeners: [b]}"),
        [None, header("x-why", DebugDetail::Full)]
    );
    for (text, code) in [
        ("  debugHeader: {detail: Full}", "debug-header-full"),
        (
            "  debugHeader: {listeners: [https]}",
            "debug-listener-unknown",
        ),
        ("  debugHeader: {name: location}", "invalid-value"),
        ("  debugHeader: {name: x-frame-options}", "invalid-value"),
        ("  debugHeader: {name: 'x y'}", "invalid-value"),
        ("  debugHeader: {detail: All}", "invalid-value"),
        ("  debugHeader: {header: x-y}", "unknown-field"),
    ] {
        assert_eq!(codes(&with(text)), [code], "{text}");
    }
}
