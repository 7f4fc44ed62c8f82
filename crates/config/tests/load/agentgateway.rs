//! agentgateway's `authorization` and `jwtAuthentication`: where they hold, what they become, and what is refused.

use countersign_config::compiled::{KeyLocation, KeySource};
use countersign_core::authn::{Bad, Family, Missing};
use countersign_core::id::RequirementId;
use countersign_core::source::Source;

use super::expressions::{
    GATEWAY, KEYS, ROUTE, YES, agentgateway, at, authorization, rbac, scene, traffic, unrouted,
};
use super::support::{HTTP, codes, compiled, gateway, listener, load_one, route};

#[test]
fn authorization_of_agentgateway_is_gathered_from_all_levels() {
    let yaml = scene(
        &(authorization("far", GATEWAY, "Deny", "'false'")
            + &authorization("near", ROUTE, "Allow", "'true'")
            + &authorization(
                "rule",
                &format!("{ROUTE}, sectionName: two"),
                "Require",
                "'true'",
            )
            + &authorization("also", ROUTE, "Allow", "'true'")),
    );
    let compiled = compiled(&yaml);
    let of = |rule| at(&compiled, "default/gw/http", rule);
    assert_eq!(of("one"), "Deny far|Allow also|Allow near");
    assert_eq!(of("two"), "Deny far|Require rule|Allow also|Allow near");
    assert_eq!(unrouted(&compiled, "default/gw/http"), "Deny far");
}

#[test]
fn kgateway_and_agentgateway_rules_must_both_pass() {
    let yaml = scene(&(rbac("k", ROUTE, YES) + &authorization("a", GATEWAY, "Allow", "'true'")));
    assert_eq!(
        at(&compiled(&yaml), "default/gw/http", "one"),
        "Allow k + Allow a"
    );
}

/// A `Deny` of several expressions is read in two ways: that is told.
#[test]
fn deny_of_several_expressions_is_told() {
    let yaml = scene(&authorization("a", GATEWAY, "Deny", "'true', 'false'"));
    assert_eq!(codes(&yaml), ["deny-all-of"]);
    assert!(codes(&scene(&authorization("a", GATEWAY, "Deny", "'true'"))).is_empty());
    assert!(
        codes(&scene(&authorization(
            "a",
            GATEWAY,
            "Allow",
            "'true', 'true'"
        )))
        .is_empty()
    );
}

#[test]
fn modes_and_locations_of_agentgateway() {
    let provider =
        |fields: &str| format!("providers: [{{issuer: i, {fields} jwks: {{inline: '{KEYS}'}}}}]");
    for (fields, missing, bad, source) in [
        (
            "",
            Missing::Refuse,
            Bad::Refuse,
            Source::Header {
                name: "authorization".into(),
                prefix: "Bearer ".into(),
            },
        ),
        (
            "mode: Strict, location: {cookie: {name: sid}},",
            Missing::Refuse,
            Bad::Refuse,
            Source::Cookie("sid".into()),
        ),
        (
            "mode: Optional, location: {queryParameter: {name: t}},",
            Missing::Anonymous,
            Bad::Refuse,
            Source::Query("t".into()),
        ),
        (
            "mode: Permissive, location: {header: {name: X-T}},",
            Missing::Anonymous,
            Bad::Disregard,
            Source::Header {
                name: "x-t".into(),
                prefix: "".into(),
            },
        ),
    ] {
        let jwt = format!(
            "jwtAuthentication: {{{fields} {}}}",
            provider("audiences: [a],")
        );
        let compiled = compiled(&scene(&agentgateway("p", GATEWAY, &jwt)));
        let requirement = &compiled.snapshot.requirements[0];
        assert_eq!(
            (requirement.missing, requirement.bad),
            (missing, bad),
            "{fields}"
        );
        assert_eq!(requirement.family, Family::Agentgateway);
        assert_eq!(requirement.rules()[0].sources[..], [source]);
        assert_eq!(
            listener(&compiled, "default/gw/http").jwt.map(|it| it.0),
            Some(0)
        );
    }
}

/// Of tokens the nearest level decides alone, and Istio's policies hold beside it.
#[test]
fn the_nearest_authentication_decides_beside_istios() {
    let jwt = |mode: &str| {
        let provider = format!("{{issuer: i, jwks: {{inline: '{KEYS}'}}}}");
        format!("jwtAuthentication: {{mode: {mode}, providers: [{provider}]}}")
    };
    let istio = format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a}}\n\
         spec: {{jwtRules: [{{issuer: i, jwks: '{KEYS}'}}]}}\n---\n"
    );
    let yaml = istio
        + &agentgateway("far", GATEWAY, &jwt("Strict"))
        + &agentgateway(
            "near",
            &format!("{ROUTE}, sectionName: two"),
            &jwt("Optional"),
        );
    let compiled = compiled(&scene(&yaml));
    let http = listener(&compiled, "default/gw/http");
    let missing =
        |id: Option<RequirementId>| id.map(|id| compiled.snapshot.requirement(id).unwrap().missing);
    assert_eq!(missing(http.istio), Some(Missing::Anonymous));
    assert_eq!(missing(http.jwt), Some(Missing::Refuse));
    let of = |name: &str| {
        let mut entries = http.routes.entries();
        let found = entries.find(|it| &*compiled.snapshot.rule(it.rule).unwrap().name == name);
        missing(found.unwrap().jwt)
    };
    assert_eq!(of("default/r/one"), Some(Missing::Refuse));
    assert_eq!(of("default/r/two"), Some(Missing::Anonymous));
}

#[test]
fn keys_of_agentgateway_behind_a_service() {
    let remote = |path: &str| {
        let keys =
            format!("jwksPath: {path}, cacheDuration: 10m, backendRef: {{name: s, port: 80}}");
        let jwt = format!(
            "jwtAuthentication: {{providers: [{{issuer: i, jwks: {{remote: {{{keys}}}}}}}]}}"
        );
        compiled(&scene(&agentgateway("p", GATEWAY, &jwt)))
    };
    for path in [".well-known/jwks.json", "/.well-known/jwks.json"] {
        let compiled = remote(path);
        let KeySource::Remote(keys) = &compiled.keys[0] else {
            panic!("remote")
        };
        let host = "http://s.default.svc.cluster.local/.well-known/jwks.json";
        assert_eq!(keys.location, KeyLocation::Jwks(host.into()));
        assert_eq!(keys.connect.as_ref().map(|it| it.port), Some(80));
        assert_eq!(keys.refresh.as_secs(), 600);
    }
}

fn backend(spec: &str) -> String {
    format!(
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: b}}\nspec: {spec}\n---\n"
    )
}

#[test]
fn backends_of_agentgateway_serve_keys_and_requests() {
    let reference = "group: agentgateway.dev, kind: AgentgatewayBackend, name: b";
    let keys = format!("jwks: {{remote: {{jwksPath: k, backendRef: {{{reference}}}}}}}");
    let jwt = format!("jwtAuthentication: {{providers: [{{issuer: i, {keys}}}]}}");
    let yaml = gateway(HTTP)
        + &route(&format!("{{backendRefs: [{{{reference}}}]}}"))
        + &agentgateway("p", GATEWAY, &jwt)
        + &backend("{static: {host: idp.test, port: 81}}");
    let compiled = compiled(&yaml);
    let KeySource::Remote(keys) = &compiled.keys[0] else {
        panic!("remote")
    };
    assert_eq!(
        keys.location,
        KeyLocation::Jwks("http://idp.test:81/k".into())
    );
    assert_eq!(&*compiled.snapshot.backends[0].name, "default/b");
    assert_eq!(compiled.snapshot.backends[0].endpoints[0].port, 81);
}

#[test]
fn backends_that_are_refused() {
    refused(&[
        (
            backend("{}"),
            "missing-field: `AgentgatewayBackend.spec` needs a field `static`",
        ),
        (
            backend("{static: {host: a.test}}"),
            "missing-field: `AgentgatewayBackend.spec.static` needs a field `port`",
        ),
        (
            backend("{static: {host: 'http://a', port: 1}}"),
            "invalid-value: `http://a` is not a host",
        ),
        (
            backend("{mcp: {targets: []}}"),
            "unsupported-field: field `mcp`",
        ),
        (
            backend("{static: {host: a.test, port: 1}, policies: {}}"),
            "unsupported-field: field `policies`",
        ),
    ]);
}

/// With a BackendTLSPolicy the keys are fetched over TLS, from the name that it says.
#[test]
fn keys_of_agentgateway_over_tls() {
    let tls = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: t}\nspec:\n  \
               targetRefs: [{group: '', kind: Service, name: s}]\n  \
               validation: {hostname: idp.test, wellKnownCACertificates: System}\n---\n";
    let jwt = "jwtAuthentication: {providers: [{issuer: i, jwks: {remote: {jwksPath: k, backendRef: {name: s, port: 80}}}}]}";
    let compiled = compiled(&scene(&(agentgateway("p", GATEWAY, jwt) + tls)));
    let KeySource::Remote(keys) = &compiled.keys[0] else {
        panic!("remote")
    };
    assert_eq!(
        keys.location,
        KeyLocation::Jwks("https://idp.test:80/k".into())
    );
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: enterpriseagentgateway.solo.io/v1alpha1\nkind: EnterpriseAgentgatewayPolicy\n\
         metadata: {{name: p}}\nspec: {spec}\n---\n"
    )
}

/// On the Gateway, with this `traffic`.
fn on(traffic: &str) -> String {
    policy(&format!(
        "{{targetRefs: [{{{GATEWAY}}}], traffic: {{{traffic}}}}}"
    ))
}

/// Each text is refused with an error that begins like this.
fn refused(cases: &[(String, &str)]) {
    for (yaml, said) in cases {
        let loaded = load_one(&scene(yaml));
        let errors = loaded.diagnostics.errors();
        let told: Vec<String> = errors
            .map(|it| format!("{}: {}", it.code, it.message))
            .collect();
        let found = told.iter().any(|it| it.starts_with(said));
        assert!(found, "{yaml}: {said} {told:#?}");
        assert!(loaded.compiled.is_none());
    }
}

#[test]
fn targets_and_fields_that_are_refused() {
    let target = |target: &str| {
        let rule = "authorization: {policy: {matchExpressions: ['true']}}";
        policy(&format!(
            "{{targetRefs: [{{{target}}}], traffic: {{{rule}}}}}"
        ))
    };
    let with = |fields: &str| policy(&format!("{{targetRefs: [{{{GATEWAY}}}], {fields}}}"));
    refused(&[
        (
            policy("{traffic: {}}"),
            "missing-field: `AgentgatewayPolicy.spec` needs one of `targetRefs` or `targetSelectors`",
        ),
        (
            target("group: '', kind: Service, name: s"),
            "invalid-value: an EnterpriseAgentgatewayPolicy cannot target `/Service` here",
        ),
        (
            target("group: agentgateway.dev, kind: AgentgatewayBackend, name: b"),
            "invalid-value: an EnterpriseAgentgatewayPolicy cannot target `agentgateway.dev/AgentgatewayBackend` here",
        ),
        (
            with("backend: {tokenExchange: {mode: ExchangeOnly}}"),
            "unsupported-field: field `backend`",
        ),
        (with("frontend: {}"), "unsupported-field: field `frontend`"),
        (
            with("strategy: {inheritance: Override}, traffic: {}"),
            "unsupported-field: field `strategy`",
        ),
        (
            on("entExtAuth: {}"),
            "unsupported-field: field `entExtAuth`",
        ),
        (on("cors: {}"), "unsupported-field: field `cors`"),
        (
            on("phase: PreRouting"),
            "unsupported-field: phase `PreRouting`",
        ),
        (on("rbac: {}"), "unknown-field: unknown field `rbac`"),
    ]);
    assert_eq!(codes(&scene(&on(""))), ["policy-without-effect"]);
    let gone = target("group: gateway.networking.k8s.io, kind: HTTPRoute, name: gone");
    assert_eq!(codes(&scene(&gone)), ["policy-without-target"]);
}

#[test]
fn authorizations_that_are_refused() {
    let rule = |fields: &str| on(&format!("authorization: {{{fields}}}"));
    refused(&[
        (
            rule("action: Allow"),
            "missing-field: `traffic.authorization` needs a field `policy`",
        ),
        (
            rule("policy: {}"),
            "missing-field: `traffic.authorization.policy` needs a field `matchExpressions`",
        ),
        (
            rule("policy: {matchExpressions: ['true'], allowedCIDRs: [10.0.0.0/8]}"),
            "unknown-field: unknown field `allowedCIDRs`",
        ),
        (
            rule("action: Forbid, policy: {matchExpressions: ['true']}"),
            "invalid-value: `Forbid` is not",
        ),
        (
            rule("policy: {matchExpressions: ['mcp.tool.name == \"x\"']}"),
            "invalid-expression: unknown variable `mcp`",
        ),
    ]);
}

#[test]
fn authentications_that_are_refused() {
    let jwt = |fields: &str| on(&format!("jwtAuthentication: {{{fields}}}"));
    let provider = |fields: &str| jwt(&format!("providers: [{{{fields}}}]"));
    let remote = |fields: &str| provider(&format!("issuer: i, jwks: {{remote: {{{fields}}}}}"));
    refused(&[
        (
            jwt("mode: Lax, providers: []"),
            "invalid-value: `Lax` is not",
        ),
        (jwt("providers: []"), "out-of-range: this list has 0 items"),
        (
            jwt("mode: Strict"),
            "missing-field: `traffic.jwtAuthentication` needs a field `providers`",
        ),
        (
            provider("issuer: i"),
            "missing-field: `jwtAuthentication.providers` needs a field `jwks`",
        ),
        (provider("issuer: '', jwks: {inline: x}"), "out-of-range"),
        (
            provider("jwks: {inline: '{}'}"),
            "missing-field: `jwtAuthentication.providers` needs a field `issuer`",
        ),
        (
            provider("issuer: i, jwks: {inline: nonsense}"),
            "invalid-jwks: there are no keys",
        ),
        (
            remote("jwksPath: a, backendRef: {name: gone, port: 1}"),
            "missing-reference: there is no `Service` `gone`",
        ),
        (
            remote("jwksPath: 'a b', backendRef: {name: s, port: 80}"),
            "invalid-value: `a b` is not the path of a URL",
        ),
        (
            remote("jwksPath: a, cacheDuration: 1m, backendRef: {name: s, port: 80}"),
            "out-of-range",
        ),
        (
            jwt("location: {expression: 'request.headers.x'}, providers: []"),
            "unsupported-field: field `expression`",
        ),
        (
            jwt("location: {header: {name: x}, cookie: {name: y}}, providers: []"),
            "one-of",
        ),
        (
            jwt("mcp: {}, providers: []"),
            "unsupported-field: field `mcp`",
        ),
    ]);
}

/// Two systems that want tokens on one route: neither is dropped in silence.
#[test]
fn kgateway_and_agentgateway_tokens_clash() {
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: e}}\n\
         spec: {{jwt: {{providers: [{{name: p, issuer: i, jwks: {{local: {{inline: '{KEYS}'}}}}}}]}}}}\n---\n"
    );
    let jwt =
        format!("jwtAuthentication: {{providers: [{{issuer: i, jwks: {{inline: '{KEYS}'}}}}]}}");
    let uses = "jwtAuth: {extensionRef: {name: e}}";
    let both = |k: &str, fields: &str, a: &str| {
        codes(&scene(
            &(extension.clone() + &traffic("k", k, fields) + &agentgateway("a", a, &jwt)),
        ))
    };
    let clash = ["policies-clash"];
    assert_eq!(both(GATEWAY, uses, GATEWAY), clash);
    assert_eq!(both(GATEWAY, uses, ROUTE), clash);
    assert_eq!(both(ROUTE, uses, GATEWAY), clash);
    let (one, two) = (
        format!("{ROUTE}, sectionName: one"),
        format!("{ROUTE}, sectionName: two"),
    );
    assert!(both(&one, uses, &two).is_empty());
    assert!(both(GATEWAY, "jwtAuth: {disable: {}}", GATEWAY).is_empty());
}
