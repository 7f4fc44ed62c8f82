//! RequestAuthentications: where they reach, how they are merged, and what they say.

use super::*;

#[test]
fn istio_policies_reach_their_namespace_and_from_the_root_all() {
    let root = load(&authentication("r", "istio-system", ONE));
    assert_eq!(root.istio_rules("apps").len(), 1);
    assert_eq!(root.istio_rules("other").len(), 1);
    assert_eq!(
        root.policies.requirements.len(),
        1,
        "one set of policies, one requirement"
    );

    let own = load(&authentication("r", "apps", ONE));
    assert_eq!(
        (
            own.istio_rules("apps").len(),
            own.istio_rules("other").len()
        ),
        (1, 0)
    );

    let target = "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}], jwtRules: [{issuer: b, jwks: KEYS}]}";
    let by_name = load(&authentication("r", "apps", target));
    assert_eq!(
        (
            by_name.istio_rules("apps").len(),
            by_name.istio_rules("other").len()
        ),
        (1, 0)
    );
    let from_root = load(&authentication("r", "istio-system", target));
    assert_eq!(
        from_root.istio_rules("apps").len(),
        0,
        "a reference stays in its namespace"
    );
    from_root.assert_said("protects nothing here, because there is no Gateway istio-system/edge");
}

#[test]
fn of_rules_for_one_issuer_those_of_the_gateways_namespace_come_before_the_roots() {
    let older = authentication("a", "istio-system", ONE).replace(
        "namespace: istio-system}",
        "namespace: istio-system, creationTimestamp: '2026-01-01T00:00:00Z'}",
    );
    let both = load(&(older + &authentication("z", "apps", ONE)));
    let rules = both.istio_rules("apps");
    let [first, second] = rules.as_slice() else {
        panic!("two rules: {rules:?}")
    };
    assert!(first.contains("apps/z"), "{rules:?}");
    assert!(second.contains("istio-system/a"), "{rules:?}");
}

#[test]
fn istio_selectors_hold_against_the_gateways_labels() {
    let select = |labels: &str| {
        format!("{{selector: {{matchLabels: {labels}}}, jwtRules: [{{issuer: b, jwks: KEYS}}]}}")
    };
    let matching = select("{tier: front, gateway.networking.k8s.io/gateway-name: edge}");
    assert_eq!(
        load(&authentication("r", "apps", &matching))
            .istio_rules("apps")
            .len(),
        1
    );
    let missing = load(&authentication("r", "apps", &select("{tier: back}")));
    assert_eq!(missing.istio_rules("apps").len(), 0);
    missing.assert_said("no Gateway that it can reach has the labels `tier=back`");
}

#[test]
fn istio_rules_are_merged_and_sorted_by_issuer() {
    let yaml = authentication(
        "z",
        "apps",
        "{jwtRules: [{issuer: c, jwks: KEYS}, {issuer: a, jwks: KEYS}]}",
    ) + &authentication("y", "istio-system", ONE);
    let load = load(&yaml);
    let rules = load.istio_rules("apps");
    let parts: Vec<&str> = rules
        .iter()
        .map(|it| it.split(" (").next().unwrap_or_default())
        .collect();
    let kind = "RequestAuthentication";
    assert_eq!(
        parts,
        [
            format!("{kind} apps/z jwtRules[1]"),
            format!("{kind} istio-system/y jwtRules[0]"),
            format!("{kind} apps/z jwtRules[0]"),
        ]
    );
    load.assert_said("anonymous-allowed: requests without a token are let through");
}

#[test]
fn istio_places_keys_and_presence() {
    let rule = "{jwtRules: [{issuer: 'https://idp.test', fromHeaders: [{name: X-A, prefix: 'T '}], fromParams: [q], fromCookies: [c], presence: REQUIRED, timeout: 1s}, {issuer: 'https://idp.test', jwksUri: 'http://idp.test/k'}]}";
    let load = load(&authentication("r", "apps", rule));
    assert!(!load.diags.has_errors(), "{:?}", load.said());
    let id = load
        .policies
        .istio(&key("apps"))
        .map(|it| it.0 as usize)
        .unwrap_or(99);
    let requirement = &load.policies.requirements[id];
    assert_eq!(
        (requirement.missing, requirement.family),
        (Missing::Anonymous, Family::Istio)
    );
    let [first, second] = requirement.rules() else {
        panic!("two rules")
    };
    assert!(first.required && !second.required);
    assert_eq!(second.sources[..], Source::defaults());
    let header = Source::Header {
        name: "x-a".into(),
        prefix: "T ".into(),
    };
    assert_eq!(
        first.sources[..],
        [
            header,
            Source::Query("q".into()),
            Source::Cookie("c".into())
        ]
    );
    let location = |index: usize| match &load.policies.keys[index] {
        KeySource::Remote(remote) => remote.location.clone(),
        KeySource::Inline(_) => panic!("remote"),
    };
    assert_eq!(
        location(0),
        KeyLocation::Discovery("https://idp.test".into())
    );
    assert_eq!(location(1), KeyLocation::Jwks("http://idp.test/k".into()));
}

#[test]
fn empty_lists_of_places_are_no_places() {
    let rule =
        "{jwtRules: [{issuer: x, jwks: KEYS, fromHeaders: [], fromParams: [], fromCookies: null}]}";
    let load = load(&authentication("r", "apps", rule));
    let id = load
        .policies
        .istio(&key("apps"))
        .map_or(99, |it| it.0 as usize);
    let [rule] = load.policies.requirements[id].rules() else {
        panic!("one rule")
    };
    assert_eq!(rule.sources[..], Source::defaults());
}

#[test]
fn istio_mistakes_are_named() {
    for (spec, said) in [
        ("{jwtRules: [{}]}", "neither an issuer nor keys"),
        ("{jwtRules: [{issuer: x}]}", "the issuer must be a URL"),
        (
            "{jwtRules: [{issuer: 'https://'}]}",
            "the issuer must be a URL",
        ),
        (
            "{jwtRules: [{issuer: x, jwksUri: 'ftp://a/b'}]}",
            "is not an http or https URL",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, jwksUri: 'http://a/b'}]}",
            "takes one of",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: 'nonsense'}]}",
            "not a JWK set",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: '{\"keys\":[]}'}]}",
            "no usable key",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, audiences: ['']}]}",
            "must not be empty",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, outputClaimToHeaders: [{header: Host, claim: sub}]}]}",
            "cannot be set from a claim",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, outputClaimToHeaders: [{header: 'a b', claim: sub}]}]}",
            "header",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, timeout: 0s}]}",
            "out of range",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, presence: SOMETIMES}]}",
            "is not a value of this field",
        ),
        (
            "{jwtRules: [{issuer: x, jwks: KEYS, fromHeader: []}]}",
            "unknown field `fromHeader`",
        ),
        (
            "{selector: {matchLabels: {a: b}}, targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: edge}}",
            "takes one of",
        ),
        (
            "{targetRef: {kind: Pod, group: '', name: edge}}",
            "cannot target `/Pod`",
        ),
        (
            "{selector: {matchLabels: {a: 'b*'}}}",
            "there are no wildcards",
        ),
        (
            "{selector: {}}",
            "an empty selector applies to the whole namespace",
        ),
    ] {
        load(&authentication("r", "apps", spec)).assert_said(said);
    }
}
