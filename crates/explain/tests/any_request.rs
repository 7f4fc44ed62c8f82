//! Whatever somebody asks about, there is an answer or a reason why there is none, and no token in either.

use std::sync::LazyLock;

use countersign_config::Loaded;
use countersign_config::source::Text;
use countersign_core::{Identity, UnixTime};
use countersign_explain::{Ask, Credential, KeyRing, ask, explain, request};
use countersign_testkit::mint::{self, Key, Kind};
use proptest::prelude::*;

const CONFIGURATION: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: a, protocol: HTTP, port: 80}
  - {name: b, protocol: HTTP, port: 81, hostname: '*.b.test'}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{path: {value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: new.test}}]
  - filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}]
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: app}]
    matches: [{path: {value: /}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: app, namespace: shop}
spec: {static: {hosts: [{host: 127.0.0.1, port: 8000}]}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people, namespace: shop}
spec:
  jwtRules:
  - {issuer: 'https://a.test', jwks: 'KEYS', fromHeaders: [{name: x-jwt}], fromParams: [t], fromCookies: [sid]}
  - {issuer: 'https://b.test', jwksUri: 'https://b.test/keys', outputPayloadToHeader: x-payload, forwardOriginalToken: true}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: some, namespace: shop}
spec:
  action: ALLOW
  rules:
  - to: [{operation: {paths: ['/a*', '*/z', /b/*/c], methods: [GET], hosts: [x, '*.b.test']}}]
    when: [{key: 'request.auth.claims[groups]', values: [g, h]}]
  - from: [{source: {notRemoteIpBlocks: [10.0.0.0/8], requestPrincipals: ['https://a.test/*']}}]
  - when: [{key: 'request.headers[x-a]', notValues: ['1']}]
";

static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    let content = CONFIGURATION.replace("KEYS", &mint::jwks(&[&Key::new(Kind::P256, "k")]));
    let name = "shop.yaml".to_owned();
    countersign_config::load(vec![Text { name, content }], &|_| None)
});

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        ".{0,12}",
        Just("GET".to_owned()),
        Just("/old/x?y=1".to_owned()),
        Just("/a/../b/%2e%2e/c".to_owned()),
        Just("shop.b.test:81".to_owned()),
        Just("x-jwt".to_owned()),
        Just("https://a.test".to_owned()),
    ]
}

fn credential() -> impl Strategy<Value = Credential> {
    let members = prop::collection::vec((text(), text()), 0..3);
    let claims = (
        prop_oneof![Just("https://a.test"), Just("https://b.test"), Just("c")],
        members,
    );
    prop_oneof![
        text().prop_map(Credential::Token),
        text().prop_map(Credential::Claims),
        claims.prop_map(|(issuer, members)| {
            let mut claims = serde_json::json!({"iss": issuer, "sub": "alice", "groups": ["g"]});
            let members = members
                .into_iter()
                .map(|(name, value)| (name, value.into()));
            if let Some(object) = claims.as_object_mut() {
                object.extend(members);
            }
            Credential::Claims(claims.to_string())
        }),
        prop_oneof![Just("https://a.test"), Just("https://b.test")].prop_map(|issuer| {
            let claims = serde_json::json!({"iss": issuer, "sub": "secret subject"});
            Credential::Token(Key::new(Kind::P256, "k").token(&claims))
        }),
    ]
}

prop_compose! {
    fn any_ask()(
        (method, target, host) in (text(), text(), prop::option::of(text())),
        headers in prop::collection::vec((text(), text()), 0..4),
        credentials in prop::collection::vec(credential(), 0..3),
        port in prop::option::of(prop_oneof![Just(80_u16), Just(81), Just(82)]),
        (peer, client) in (any::<Option<std::net::IpAddr>>(), any::<Option<std::net::IpAddr>>()),
        (sni, uri) in (prop::option::of(text()), prop::option::of(text())),
    ) -> Ask {
        let identity = uri.map(|uri| Identity { uris: Box::new([uri.into()]), ..Identity::default() });
        let mut ask = Ask { method, target, host, headers, credentials, peer, client, sni, identity, ..Ask::default() };
        ask.door.port = port;
        ask
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn has_an_answer(any in any_ask(), now in 0_u64..4_000_000_000) {
        let compiled = LOADED.compiled.as_ref().expect("a good configuration");
        let told = match ask(compiled, &any, &KeyRing::default(), UnixTime(now)) {
            Ok(answer) => {
                let explanation = explain(compiled, &LOADED.diagnostics, &answer);
                prop_assert_eq!(answer.is_allowed(), answer.reply.as_ref().is_none_or(|it| it.status < 400));
                prop_assert_eq!(answer.upstream.is_some(), answer.reply.is_none());
                let document = explanation.json();
                prop_assert_eq!(&document["reason"], answer.reason.code());
                explanation.cause.clone() + &document.to_string()
            }
            Err(impossible) => impossible.message + &impossible.help.unwrap_or_default(),
        };
        for credential in &any.credentials {
            if let Credential::Token(token) = credential && token.starts_with("eyJ") {
                let payload = token.split('.').nth(1).expect("three parts");
                prop_assert!(!told.contains(payload), "{}", told);
            }
        }
    }

    #[test]
    fn of_any_text_is_read_or_refused(text in ".{0,200}|([A-Z]{1,4} /[a-z]{0,4} HTTP/1.1\n)?([a-z:]{0,9}: .{0,9}\n){0,4}") {
        if let Err(refused) = request(&text) {
            prop_assert!(refused.help.is_some());
        }
    }
}
