//! Policies that ask who is calling, on gateways that cannot say, and policies that forget callers without a name.

use super::support::{HTTP, gateway, gateway_named, load_one};

const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p}}\nspec: {spec}\n---\n"
    )
}

/// On Gateway `gw` alone.
fn tokens() -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a}}\n\
         spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}], \
         jwtRules: [{{issuer: i, jwks: '{KEYS}', presence: REQUIRED}}]}}\n---\n"
    )
}

/// Everything said, notes too, with lines.
fn said(text: &str) -> Vec<String> {
    let loaded = load_one(text);
    let line = |span: Option<countersign_config::source::Span>| span.unwrap().start.line;
    let all = loaded.diagnostics.iter();
    all.map(|it| {
        format!(
            "{}: {}[{}]: {}",
            line(it.span),
            it.severity.name(),
            it.code,
            it.message
        )
    })
    .collect()
}

#[test]
fn nobody_verifies_tokens() {
    let claim = policy(
        "\n  action: DENY\n  rules:\n  - to: [{operation: {paths: [/a]}}]\n  - when: [{key: 'request.auth.claims[a]', notValues: [b]}]",
    );
    let alone = said(&(gateway(HTTP) + &claim));
    let why = "no policy verifies tokens on a Gateway that this one reaches";
    let field = "`when[0] request.auth.claims[a] notValues`";
    assert_eq!(
        alone,
        [format!(
            "15: warning[no-verified-token]: {field} holds for everybody: {why}"
        )]
    );
    let principal = policy("{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}");
    let field = "`from[0].source.requestPrincipals`";
    let never = format!("11: warning[no-verified-token]: {field} never matches: {why}");
    assert_eq!(said(&(gateway(HTTP) + &principal)), [never.as_str()]);
    // A policy that reaches two gateways, one of which verifies; and one that reaches the other alone.
    let other = gateway_named("other", "", "{name: http, port: 81, protocol: HTTP}");
    let both = gateway(HTTP) + &other + &tokens();
    assert!(said(&(both.clone() + &principal)).is_empty());
    let target = "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: other}], rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}";
    let one = said(&(both + &policy(target)));
    assert!(
        matches!(&one[..], [it] if it.contains("never matches")),
        "{one:?}"
    );
}

#[test]
fn nobody_asks_for_certificates() {
    for (source, negated) in [
        ("principals: [a]", false),
        ("notPrincipals: [a]", true),
        ("namespaces: [a]", false),
        ("serviceAccounts: [a]", false),
        ("notTrustDomains: [a]", true),
    ] {
        let text = policy(&format!(
            "{{action: DENY, rules: [{{from: [{{source: {{{source}}}}}]}}]}}"
        ));
        let name = source.split(':').next().unwrap();
        let outcome = if negated {
            "holds for everybody"
        } else {
            "never matches"
        };
        assert_eq!(
            said(&(gateway(HTTP) + &text)),
            [format!(
                "11: warning[no-client-certificates]: `from[0].source.{name}` {outcome}: no Gateway that this policy reaches asks for client certificates"
            )]
        );
    }
}

/// A RequestAuthentication lets strangers in; whoever says elsewhere what becomes of them is not told so.
#[test]
fn strangers_are_minded() {
    let told = |text: &str| {
        let lenient = tokens().replace(", presence: REQUIRED", "");
        let said = said(&(gateway(HTTP) + &lenient + text));
        said.iter().any(|it| it.contains("anonymous-allowed"))
    };
    let deny = "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}";
    let by_path = "{action: DENY, rules: [{to: [{operation: {paths: [/a]}}]}]}";
    let target = "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: lost}]}";
    for (spec, expected) in [
        ("{rules: [{}]}", false),
        (deny, false),
        (by_path, true),
        (target, true),
        ("{action: AUDIT, rules: [{}]}", true),
    ] {
        assert_eq!(told(&policy(spec)), expected, "{spec}");
    }
    let trial = policy(deny).replace(
        "name: p",
        "name: p, annotations: {istio.io/dry-run: 'true'}",
    );
    assert!(told("") && told(&trial));
}

/// `not…` holds where there is nothing to compare: an ALLOW lets strangers in, a DENY refuses them.
#[test]
fn callers_without_a_name() {
    let claim = "when: [{key: 'request.auth.claims[role]', notValues: [guest]}]";
    let known = "from: [{source: {requestPrincipals: ['*']}}]";
    let text = |action: &str, rule: &str| {
        let policy = policy(&format!("{{action: {action}, rules: [{{{rule}}}]}}"));
        said(&(gateway(HTTP) + &tokens() + &policy))
    };
    let field = "`when[0] request.auth.claims[role] notValues`";
    let holds = "it holds where there is nothing to compare";
    assert_eq!(
        text("ALLOW", claim),
        [format!(
            "16: warning[allows-anonymous]: {field} lets callers without a token in too: {holds}"
        )]
    );
    assert_eq!(
        text("DENY", claim),
        [format!(
            "16: note[denies-anonymous]: {field} refuses callers without a token too: {holds}"
        )]
    );
    for (action, rule) in [
        ("AUDIT", claim.to_owned()),
        ("ALLOW", format!("{known}, {claim}")),
        ("DENY", format!("{known}, {claim}")),
        (
            "ALLOW",
            "when: [{key: 'request.auth.claims[role]', values: ['*'], notValues: [guest]}]".into(),
        ),
        // The idiom that asks for a token.
        (
            "DENY",
            "from: [{source: {notRequestPrincipals: ['*']}}]".into(),
        ),
    ] {
        assert!(text(action, &rule).is_empty(), "{action} {rule}");
    }
    let one_of_two = format!(
        "from: [{{source: {{requestPrincipals: ['*']}}}}, {{source: {{ipBlocks: [10.0.0.0/8]}}}}], {claim}"
    );
    assert_eq!(text("ALLOW", &one_of_two).len(), 1);
}
