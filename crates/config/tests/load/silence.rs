//! Policies that hold nowhere, or demand nothing, or less than they seem to: never in silence (decision P4).

use super::support::{HTTP, SERVICE, TO_SERVICE, codes, gateway, load_one, route};

fn base() -> String {
    gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}"))
}

fn policy(spec: &str) -> String {
    base()
        + "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\n"
        + &format!("spec: {spec}\n---\n")
}

fn authentication(body: &str) -> String {
    base()
        + "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a}\n"
        + body
        + "\n---\n"
}

const TARGET: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[test]
fn a_traffic_policy_without_jwt_auth_has_no_effect() {
    for spec in [
        format!("{{{TARGET}}}"),
        format!("{{{TARGET}, jwtAuth: null}}"),
        format!("{{{TARGET}, jwtAuth: }}"),
    ] {
        assert_eq!(codes(&policy(&spec)), ["policy-without-effect"], "{spec}");
    }
    let by_filter = "{backendRefs: [{name: s, port: 80}], filters: [{type: ExtensionRef, extensionRef: \
         {group: gateway.kgateway.dev, kind: TrafficPolicy, name: p}}]}";
    let named = policy("{jwtAuth: null}").replace(&format!("{{{TO_SERVICE}}}"), by_filter);
    assert_eq!(codes(&named), ["policy-without-effect"]);
    // An error says more than that nothing is demanded.
    let refused = policy(&format!("{{{TARGET}, cors: {{}}}}"));
    assert_eq!(codes(&refused), ["unsupported-field"]);
    let refused = policy(&format!("{{{TARGET}, rbac: {{policy: {{}}}}}}"));
    assert_eq!(codes(&refused), ["missing-field"]);
    assert_eq!(
        codes(&policy(&format!("{{{TARGET}, jwtAuth: {{}}}}"))),
        ["missing-field"]
    );
    assert!(
        codes(&policy(&format!(
            "{{{TARGET}, jwtAuth: {{disable: {{}}}}}}"
        )))
        .is_empty()
    );
}

#[test]
fn targets_that_are_null_are_none() {
    for spec in [
        "{jwtAuth: {disable: {}}}",
        "{targetRefs: null, jwtAuth: {disable: {}}}",
        "{targetRefs: , targetSelectors: ~, jwtAuth: {disable: {}}}",
    ] {
        assert_eq!(codes(&policy(spec)), ["policy-not-used"], "{spec}");
    }
}

#[test]
fn a_request_authentication_without_rules_has_no_effect() {
    for body in [
        "",
        "spec: null",
        "spec: {}",
        "spec: {jwtRules: null}",
        "spec: {jwtRules: []}",
    ] {
        assert_eq!(
            codes(&authentication(body)),
            ["policy-without-effect"],
            "{body}"
        );
    }
    let refused = authentication("spec: {jwtRules: [{isuer: x}]}");
    assert!(!codes(&refused).contains(&"policy-without-effect"));
}

#[test]
fn kinds_that_restrict_access_are_not_foreign() {
    for (version, kind, right) in [
        (
            "security.istio.com/v1",
            "RequestAuthentication",
            "security.istio.io/v1",
        ),
        ("istio.io/v1", "AuthorizationPolicy", "security.istio.io/v1"),
        (
            "networking.istio.io/v1",
            "PeerAuthentication",
            "security.istio.io/v1",
        ),
        (
            "kgateway.dev/v1alpha1",
            "TrafficPolicy",
            "gateway.kgateway.dev/v1alpha1",
        ),
        (
            "gloo.solo.io/v1",
            "GatewayExtension",
            "gateway.kgateway.dev/v1alpha1",
        ),
        ("v1", "TrafficPolicy", "gateway.kgateway.dev/v1alpha1"),
        ("gloo.io/v1", "AuthConfig", "extauth.solo.io/v1"),
        ("gloo.io/v1", "JWTPolicy", "security.policy.gloo.solo.io/v2"),
        ("gloo.io/v1", "JwtPolicy", "security.policy.gloo.solo.io/v2"),
        (
            "gloo.io/v1",
            "ExtAuthPolicy",
            "security.policy.gloo.solo.io/v2",
        ),
        (
            "gloo.io/v1",
            "AgentgatewayPolicy",
            "agentgateway.dev/v1alpha1",
        ),
        (
            "gloo.io/v1",
            "EnterpriseAgentgatewayPolicy",
            "enterpriseagentgateway.solo.io/v1alpha1",
        ),
    ] {
        let text =
            base() + &format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n");
        let loaded = load_one(&text);
        let errors: Vec<_> = loaded.diagnostics.errors().collect();
        let [error] = errors.as_slice() else {
            panic!("{version} {kind}: {errors:?}")
        };
        assert_eq!(error.code, "unknown-group", "{version} {kind}");
        let help = error.help.as_deref().unwrap();
        assert!(
            help.contains(&format!("`apiVersion: {right}`")),
            "{kind}: {help}"
        );
    }
    for (version, kind) in [
        ("apps/v1", "Deployment"),
        ("networking.istio.io/v1", "Gateway"),
        ("traefik.io/v1", "Service"),
    ] {
        let text =
            base() + &format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n");
        assert!(codes(&text).is_empty(), "{version} {kind}");
    }
    // Where it exists, it is not enforced: an error of another kind.
    let real = base()
        + "apiVersion: security.policy.gloo.solo.io/v2\nkind: JWTPolicy\nmetadata: {name: x}\n";
    assert_eq!(codes(&real), ["unsupported-kind"]);
}

#[test]
fn audiences_left_blank_are_any() {
    let rule = |audiences: &str| {
        authentication(&format!(
            "spec: {{jwtRules: [{{issuer: i, jwks: '{KEYS}', presence: REQUIRED{audiences}}}]}}"
        ))
    };
    for audiences in [", audiences: null", ", audiences: []", ", audiences: "] {
        assert_eq!(codes(&rule(audiences)), ["any-audience"], "{audiences}");
    }
    for audiences in ["", ", audiences: [a]"] {
        assert!(codes(&rule(audiences)).is_empty(), "{audiences}");
    }
    let extension = |audiences: &str| {
        base()
            + "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {name: e}\n"
            + &format!(
                "spec: {{jwt: {{providers: [{{name: p, issuer: i, jwks: {{local: {{inline: '{KEYS}'}}}}{audiences}}}]}}}}\n"
            )
    };
    assert_eq!(codes(&extension(", audiences: null")), ["any-audience"]);
    assert_eq!(codes(&extension(", audiences: []")), ["out-of-range"]);
    assert!(codes(&extension("")).is_empty());
}
