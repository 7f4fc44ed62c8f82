//! Headers that say who the caller is: nothing may take a token away with them, and no filter may write them.

use countersign_config::Loaded;

use super::support::{HTTP, SERVICE, TO_SERVICE, codes, gateway, load_one, route, route_named};

const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn authentication(name: &str, rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: {name}}}\nspec:\n  jwtRules:\n  \
         - {{issuer: {name}, jwks: '{KEYS}', presence: REQUIRED, {rule}}}\n---\n"
    )
}

fn extension(name: &str, provider: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: {name}}}\nspec:\n  jwt:\n    providers:\n    \
         - {{name: p, issuer: {name}, jwks: {{local: {{inline: '{KEYS}'}}}}, {provider}}}\n---\n"
    )
}

fn policy(route: &str, extension: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {route}-{extension}}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {route}}}]\n  \
         jwtAuth: {{extensionRef: {{name: {extension}}}}}\n---\n"
    )
}

fn plain() -> String {
    gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}"))
}

/// Message, line and lines of related places of each error.
fn errors(loaded: &Loaded) -> Vec<(&'static str, String, u32, Vec<u32>)> {
    let line = |it: &countersign_config::diagnostic::Diagnostic| {
        let related = it.related.iter().map(|(span, _)| span.start.line);
        (
            it.code,
            it.message.clone(),
            it.span.unwrap().start.line,
            related.collect(),
        )
    };
    loaded.diagnostics.errors().map(line).collect()
}

#[test]
fn a_token_cannot_be_in_a_header_that_a_claim_goes_to() {
    let text = plain()
        + &authentication(
            "a",
            "fromHeaders: [{name: x-jwt}], outputPayloadToHeader: x_jwt",
        );
    let errors = errors(&load_one(&text));
    let [(code, message, line, related)] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert_eq!(*code, "token-header-stripped");
    assert!(
        message.contains("`x-jwt`") && message.contains("`x_jwt`"),
        "{message}"
    );
    assert!(
        message.contains("RequestAuthentication `default/a`"),
        "{message}"
    );
    let at = |needle: &str| {
        let line = text.lines().position(|it| it.contains(needle)).unwrap();
        u32::try_from(line).unwrap() + 1
    };
    assert_eq!(
        (*line, related.as_slice()),
        (at("x_jwt"), &[at("x_jwt")][..])
    );
}

#[test]
fn it_is_the_listener_that_counts() {
    let reads = "tokenSource: {header: {header: X-Token}}";
    let sets = "claimsToHeaders: [{name: sub, header: x_token}]";
    let two = gateway(HTTP)
        + SERVICE
        + &route(&format!("{{{TO_SERVICE}}}"))
        + &route_named(
            "q",
            "",
            &format!("{{matches: [{{path: {{value: /q}}}}], {TO_SERVICE}}}"),
        )
        + &extension("reads", reads)
        + &extension("sets", sets);
    let clash = two.clone() + &policy("r", "reads") + &policy("q", "sets");
    let told = errors(&load_one(&clash));
    let [(code, message, line, related)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(*code, "token-header-stripped");
    assert!(
        message.contains("GatewayExtension `default/sets`"),
        "{message}"
    );
    assert!(*line < related[0]);

    // Across families, and once for two listeners of the same policies.
    let listeners = format!("{HTTP}, {{name: alt, port: 81, protocol: HTTP}}");
    let mixed = two.replace(HTTP, &listeners)
        + &policy("r", "sets")
        + &authentication("a", "fromHeaders: [{name: x.token}]");
    assert_eq!(errors(&load_one(&mixed)).len(), 1);

    // On another listener, nowhere, and under another name there is no harm in it.
    let apart = two
        .replace(HTTP, &listeners)
        .replacen("[{name: gw}]", "[{name: gw, sectionName: http}]", 1)
        .replacen("[{name: gw}]", "[{name: gw, sectionName: alt}]", 1)
        + &policy("r", "reads")
        + &policy("q", "sets");
    assert!(
        errors(&load_one(&apart)).is_empty(),
        "{:?}",
        errors(&load_one(&apart))
    );
    assert!(errors(&load_one(&(two.clone() + &policy("r", "reads")))).is_empty());
    let other = clash.replace("x_token", "x_token_sub");
    assert!(errors(&load_one(&other)).is_empty());
}

#[test]
fn no_filter_writes_who_the_caller_is() {
    let sets = authentication("a", "outputClaimToHeaders: [{header: x-user, claim: sub}]");
    let rule = |filter: &str| {
        gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}, filters: [{filter}]}}")) + &sets
    };
    let request =
        |edit: &str| format!("{{type: RequestHeaderModifier, requestHeaderModifier: {{{edit}}}}}");
    for edit in [
        "set: [{name: X_User, value: root}]",
        "add: [{name: x-a, value: b}, {name: x-user, value: root}]",
    ] {
        let text = rule(&request(edit));
        let told = errors(&load_one(&text));
        let [(code, message, line, related)] = told.as_slice() else {
            panic!("{edit}: {told:?}")
        };
        assert_eq!(*code, "identity-header-edited", "{edit}");
        assert!(
            message.contains("`x-user`") || message.contains("`x_user`"),
            "{message}"
        );
        assert!(*line < related[0], "both places are named");
    }
    let backend = format!(
        "{{backendRefs: [{{name: s, port: 80, filters: [{}]}}]}}",
        request("set: [{name: x-user, value: root}]")
    );
    assert_eq!(
        codes(&(gateway(HTTP) + SERVICE + &route(&backend) + &sets)),
        ["identity-header-edited"]
    );
    for harmless in [
        request("remove: [x-user]"),
        request("set: [{name: x-users, value: root}]"),
        "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-user, value: root}]}}".into(),
    ] {
        assert!(codes(&rule(&harmless)).is_empty(), "{harmless}");
    }
    // Without the policy it is a header like any other.
    let text = rule(&request("set: [{name: x-user, value: root}]")).replace(&sets, "");
    assert!(codes(&text).is_empty());
}
