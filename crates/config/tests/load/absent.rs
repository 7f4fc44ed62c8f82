//! Conditions on headers that are taken off before anything looks at them: told, for they never match.

use super::authorization::policy;
use super::expressions::{GATEWAY, agentgateway, rbac, scene};
use super::support::{HTTP, gateway, load_one, told};

/// Warnings about conditions that never match.
fn never(text: &str) -> Vec<String> {
    let mut told = told(&load_one(text));
    told.retain(|it| it.contains("[never-matches]"));
    told
}

fn when(key: &str, list: &str) -> Vec<String> {
    let rules =
        format!("{{action: DENY, rules: [{{when: [{{key: 'request.headers[{key}]', {list}}}]}}]}}");
    never(&(gateway(HTTP) + &policy(&rules)))
}

#[test]
fn headers_that_no_policy_sees() {
    for (key, why) in [
        (
            "x-forwarded-client-cert",
            "the gateway alone speaks for certificates and for Envoy",
        ),
        (
            "X-Forwarded-Client-Cert",
            "the gateway alone speaks for certificates and for Envoy",
        ),
        (
            "x-envoy-external-address",
            "the gateway alone speaks for certificates and for Envoy",
        ),
        (
            "x_envoy_peer_metadata",
            "the gateway alone speaks for certificates and for Envoy",
        ),
        (
            "transfer-encoding",
            "headers of one connection end at the gateway",
        ),
        ("keep-alive", "headers of one connection end at the gateway"),
        (
            "proxy-connection",
            "headers of one connection end at the gateway",
        ),
        (
            "http2-settings",
            "headers of one connection end at the gateway",
        ),
        (
            "proxy-authorization",
            "headers of one connection end at the gateway",
        ),
        ("te", "headers of one connection end at the gateway"),
    ] {
        let expected = format!(
            "warning[never-matches]: `request.headers[{key}]` is taken off before policies look: {why}; \
             `values` never match, `notValues` always do"
        );
        assert_eq!(when(key, "values: [x]"), [&*expected]);
        assert_eq!(when(key, "notValues: [x, y]"), [expected], "once");
    }
    for (key, list) in [
        ("te", "values: [trailers]"),
        ("te", "values: [x, 'trail*']"),
        ("te", "values: ['*']"),
        ("upgrade", "values: [websocket]"),
        ("connection", "values: [upgrade]"),
        ("x-forwarded-for", "values: [x]"),
        ("x-env", "values: [x]"),
        ("trailer", "values: [x]"),
        (":path", "values: [/x]"),
    ] {
        assert_eq!(when(key, list), [""; 0], "{key} {list}");
    }
}

#[test]
fn headers_that_no_expression_sees() {
    let told = |expression: &str| {
        let list = format!("matchExpressions: ['{}']", expression.replace('\'', "''"));
        never(&scene(&rbac("p", GATEWAY, &list)))
    };
    let expected = |name: &str, why: &str| {
        format!(
            "warning[never-matches]: header `{name}` is taken off before expressions look: {why}"
        )
    };
    let (ours, ends) = (
        "the gateway alone speaks for certificates and for Envoy",
        "headers of one connection end at the gateway",
    );
    for (expression, name, why) in [
        (
            "request.headers['x-envoy-external-address'] == '10.0.0.1'",
            "x-envoy-external-address",
            ours,
        ),
        (
            "'x-forwarded-client-cert' in request.headers",
            "x-forwarded-client-cert",
            ours,
        ),
        (
            "!(\"transfer-encoding\" in request.headers)",
            "transfer-encoding",
            ends,
        ),
        (
            "request.headers['Keep-Alive'] == '' || request.headers['Keep-Alive'] == 'x'",
            "Keep-Alive",
            ends,
        ),
    ] {
        assert_eq!(told(expression), [expected(name, why)], "{expression}");
    }
    for expression in [
        "request.headers['te'] == 'trailers'",
        "request.headers['upgrade'] == 'websocket'",
        "request.headers['x-a'] == 'it\\'s'",
        "jwt.sub == 'keep-alive'",
    ] {
        assert_eq!(told(expression), [""; 0], "{expression}");
    }
    let other = "authorization: {action: Deny, policy: {matchExpressions: [\"request.headers['x-envoy-a'] == 'b'\"]}}";
    let told = never(&scene(&agentgateway("p", GATEWAY, other)));
    assert_eq!(told, [expected("x-envoy-a", ours)]);
}
