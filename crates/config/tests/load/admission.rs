//! What Istio's admission refuses of an AuthorizationPolicy is an error here, each with its place; what it lets pass and
//! cannot mean what it says is a warning. Where rules would be skipped, and a DENY so fail open, the load fails.

use super::support::{HTTP, gateway, load_one, told};

/// What is said about a policy with this `spec`, and the help of the first of it. That nobody here has a token or a
/// certificate is left out.
fn said(spec: &str) -> (Vec<String>, String) {
    let before = gateway(HTTP);
    let text = format!(
        "{before}apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p}}\nspec: {spec}\n"
    );
    let loaded = load_one(&text);
    let errors = loaded.diagnostics.has_errors();
    assert_eq!(loaded.compiled.is_none(), errors, "{spec}");
    let about_callers = ["no-verified-token", "no-client-certificates"];
    let first = loaded
        .diagnostics
        .iter()
        .find(|it| !about_callers.contains(&it.code));
    if let Some(first) = first {
        assert!(first.help.is_some(), "{spec}");
        assert!(first.span.is_some() && first.subject.is_some(), "{spec}");
    }
    let help = first.and_then(|it| it.help.clone()).unwrap_or_default();
    let mut told = told(&loaded);
    told.retain(|it| !about_callers.iter().any(|code| it.contains(code)));
    (told, help)
}

fn rule(rule: &str) -> String {
    format!("{{action: DENY, rules: [{{{rule}}}]}}")
}

fn source(fields: &str) -> String {
    rule(&format!("from: [{{source: {{{fields}}}}}]"))
}

fn operation(fields: &str) -> String {
    rule(&format!("to: [{{operation: {{{fields}}}}}]"))
}

fn when(fields: &str) -> String {
    rule(&format!("when: [{{{fields}}}]"))
}

fn custom(rule: &str) -> String {
    format!("{{action: CUSTOM, provider: {{name: x}}, rules: [{{{rule}}}]}}")
}

/// Each form is refused with this one error and no other.
fn refused(rows: &[(String, &str)]) {
    for (spec, expected) in rows {
        let (found, _) = said(spec);
        let errors: Vec<&String> = found.iter().filter(|it| it.starts_with("error")).collect();
        assert_eq!(errors, [&format!("error[{expected}")], "{spec}");
    }
}

#[test]
fn targets() {
    const GATEWAY: &str = "group: gateway.networking.k8s.io, kind: Gateway";
    let one = format!("{{{GATEWAY}, name: gw}}");
    refused(&[
        (
            format!("{{selector: {{matchLabels: {{a: b}}}}, targetRefs: [{one}]}}"),
            "one-of]: `AuthorizationPolicy.spec` takes one of `selector`, `targetRef` or `targetRefs`, and here are `selector` and `targetRefs`",
        ),
        (
            format!("{{targetRef: {one}, targetRefs: [{one}]}}"),
            "one-of]: `AuthorizationPolicy.spec` takes one of `selector`, `targetRef` or `targetRefs`, and here are `targetRef` and `targetRefs`",
        ),
        (
            format!("{{targetRefs: [{{{GATEWAY}}}]}}"),
            "missing-field]: `targetRef` needs a field `name`",
        ),
        (
            format!("{{targetRefs: [{{{GATEWAY}, name: gw, namespace: other}}]}}"),
            "unsupported-field]: field `namespace` of `targetRef` is not supported",
        ),
        (
            "{targetRef: {group: apps, kind: Deployment, name: gw}}".into(),
            "invalid-value]: a policy of Istio cannot target `apps/Deployment`",
        ),
        (
            "{targetRefs: []}".into(),
            "out-of-range]: this list has 0 items",
        ),
        (
            "{selector: {matchLabels: {'': b}}}".into(),
            "invalid-value]: a label's name is neither empty nor a wildcard",
        ),
        (
            "{selector: {matchLabels: {'a*': b}}}".into(),
            "invalid-value]: a label's name is neither empty nor a wildcard",
        ),
        (
            "{selector: {matchLabels: {a: 'b*'}}}".into(),
            "invalid-value]: `b*` is not a label value: there are no wildcards",
        ),
        (
            "{selectors: {}}".into(),
            "unknown-field]: unknown field `selectors` in `AuthorizationPolicy.spec`",
        ),
    ]);
}

#[test]
fn actions_and_providers() {
    refused(&[
        (
            "{action: deny, rules: [{}]}".into(),
            "invalid-value]: `deny` is not a value of this field",
        ),
        (
            "{action: DENY}".into(),
            "missing-field]: `action: DENY` without rules never matches anything",
        ),
        (
            "{action: DENY, rules: []}".into(),
            "missing-field]: `action: DENY` without rules never matches anything",
        ),
        (
            "{action: DENY, rules: null}".into(),
            "missing-field]: `action: DENY` without rules never matches anything",
        ),
        (
            "{action: CUSTOM, provider: {name: x}}".into(),
            "missing-field]: `action: CUSTOM` without rules never matches anything",
        ),
        (
            "{action: CUSTOM, rules: [{}]}".into(),
            "missing-field]: `action: CUSTOM` needs a provider that decides",
        ),
        (
            "{action: CUSTOM, provider: {}, rules: [{}]}".into(),
            "missing-field]: `AuthorizationPolicy.spec.provider` needs a field `name`",
        ),
        (
            "{action: CUSTOM, provider: {name: ''}, rules: [{}]}".into(),
            "out-of-range]: this string must not be empty",
        ),
        (
            "{action: DENY, provider: {name: x}, rules: [{}]}".into(),
            "one-of]: `provider` has no meaning with `action: DENY`",
        ),
        (
            "{provider: {name: x}}".into(),
            "one-of]: `provider` has no meaning with `action: ALLOW`",
        ),
    ]);
}

#[test]
fn custom_comes_before_identity() {
    let fields = [
        "principals: [a]",
        "notPrincipals: [a]",
        "requestPrincipals: ['*']",
        "notRequestPrincipals: ['*']",
        "namespaces: [a]",
        "notNamespaces: [a]",
        "serviceAccounts: [a]",
        "notServiceAccounts: [a]",
        "trustDomains: [a]",
        "notTrustDomains: [a]",
    ];
    let keys = [
        "source.namespace",
        "source.serviceAccount",
        "source.trustDomain",
        "source.principal",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "request.auth.claims[a]",
    ];
    let fields = fields.map(|it| {
        let name = it.split(':').next().unwrap();
        (name, custom(&format!("from: [{{source: {{{it}}}}}]")))
    });
    let keys = keys.map(|it| {
        (
            it,
            custom(&format!("when: [{{key: '{it}', values: ['a']}}]")),
        )
    });
    for (name, spec) in fields.into_iter().chain(keys) {
        let expected = format!(
            "one-of]: `{name}` cannot be used with `action: CUSTOM`, which comes before tokens and certificates are looked at"
        );
        refused(&[(spec, &expected)]);
    }
    let (found, _) = said(&custom(
        "from: [{source: {ipBlocks: [10.0.0.0/8], remoteIpBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: [/a]}}], \
         when: [{key: 'request.headers[a]', values: [b]}]",
    ));
    assert!(!found.iter().any(|it| it.starts_with("error")), "{found:?}");
}

#[test]
fn shapes() {
    let many = |what: &str, one: &str| {
        let list = vec![one; 513].join(", ");
        format!("{{action: DENY, rules: [{}]}}", what.replace("LIST", &list))
    };
    refused(&[
        (
            "{rules: {}}".into(),
            "wrong-type]: expected a list, found a mapping",
        ),
        (
            "{rules: [null]}".into(),
            "wrong-type]: `rules[0]` is null, which says nothing",
        ),
        (
            "{rules: [{}, ~]}".into(),
            "wrong-type]: `rules[1]` is null, which says nothing",
        ),
        (
            "{rules: [a]}".into(),
            "wrong-type]: `AuthorizationPolicy.spec.rules` must be a mapping, found a string",
        ),
        (
            rule("form: []"),
            "unknown-field]: unknown field `form` in `AuthorizationPolicy.spec.rules`",
        ),
        (
            rule("from: []"),
            "out-of-range]: `from` is empty: nobody can tell what it should match",
        ),
        (
            rule("to: []"),
            "out-of-range]: `to` is empty: nobody can tell what it should match",
        ),
        (
            rule("from: [null]"),
            "wrong-type]: `AuthorizationPolicy.spec.rules.from` must be a mapping, found null",
        ),
        (
            rule("from: [{}]"),
            "missing-field]: `AuthorizationPolicy.spec.rules.from` needs a field `source`",
        ),
        (
            rule("from: [{source: null}]"),
            "missing-field]: `AuthorizationPolicy.spec.rules.from` needs a field `source`",
        ),
        (
            rule("from: [{source: {}}]"),
            "missing-field]: `source` is empty: nobody can tell what it should match",
        ),
        (
            source("principals: []"),
            "missing-field]: `source` is empty: nobody can tell what it should match",
        ),
        (
            source("principals: null"),
            "missing-field]: `source` is empty: nobody can tell what it should match",
        ),
        (
            source("principal: [a]"),
            "unknown-field]: unknown field `principal` in `AuthorizationPolicy.spec.rules.from.source`",
        ),
        (
            source("hosts: [a]"),
            "unknown-field]: unknown field `hosts` in `AuthorizationPolicy.spec.rules.from.source`",
        ),
        (
            rule("to: [{operation: {}}]"),
            "missing-field]: `operation` is empty: nobody can tell what it should match",
        ),
        (
            rule("to: [{operation: {paths: [/a]}, source: {}}]"),
            "unknown-field]: unknown field `source` in `AuthorizationPolicy.spec.rules.to`",
        ),
        (many("LIST", "{}"), "out-of-range]: this list has 513 items"),
        (
            many("{from: [LIST]}", "{source: {ipBlocks: [10.0.0.1]}}"),
            "out-of-range]: this list has 513 items",
        ),
    ]);
}

#[test]
fn values_of_sources() {
    let seventeen: Vec<String> = (0..17).map(|it| format!("a{it}")).collect();
    refused(&[
        (
            source("principals: ['']"),
            "out-of-range]: this string must not be empty",
        ),
        (
            source("principals: a"),
            "wrong-type]: expected a list, found a string",
        ),
        (
            source("principals: ['spiffe://*']"),
            "invalid-value]: `spiffe://*` names no principal",
        ),
        (
            source("principals: ['spiffe://']"),
            "invalid-value]: `spiffe://` names no principal",
        ),
        (
            source("serviceAccounts: [a], principals: [b]"),
            "one-of]: a source has service accounts, or else principals and namespaces",
        ),
        (
            source("notServiceAccounts: [a], notNamespaces: [b]"),
            "one-of]: a source has service accounts, or else principals and namespaces",
        ),
        (
            source(&format!("serviceAccounts: [{}]", seventeen.join(", "))),
            "out-of-range]: this list has 17 items",
        ),
        (
            source("serviceAccounts: ['a*']"),
            "invalid-value]: `a*` has a wildcard, which is not possible here",
        ),
        (
            source("serviceAccounts: ['a/b/c']"),
            "invalid-value]: `a/b/c` is not a service account",
        ),
        (
            source("serviceAccounts: ['/b']"),
            "invalid-value]: `/b` is not a service account",
        ),
        (
            source("serviceAccounts: ['a/']"),
            "invalid-value]: `a/` is not a service account",
        ),
        (
            source(&format!("serviceAccounts: [{}]", "a".repeat(321))),
            "out-of-range]: this string has 321 characters",
        ),
        (
            source("trustDomains: ['a/b']"),
            "invalid-value]: `a/b` is not a trust domain: it has a `/`",
        ),
        (
            source("trustDomains: ['*a*']"),
            "invalid-value]: `*a*` can have one `*`, as its first or its last character",
        ),
        (
            source("trustDomains: ['a*b']"),
            "invalid-value]: `a*b` can have one `*`, as its first or its last character",
        ),
        (
            source("ipBlocks: [10.0.0.256]"),
            "invalid-value]: `10.0.0.256` is not an IP network",
        ),
        (
            source("remoteIpBlocks: ['10.0.0.0/33']"),
            "invalid-value]: `10.0.0.0/33` is not an IP network",
        ),
        (
            source("notIpBlocks: ['::1/129']"),
            "invalid-value]: `::1/129` is not an IP network",
        ),
    ]);
}

#[test]
fn values_of_operations() {
    refused(&[
        (
            operation("ports: [4.5]"),
            "wrong-type]: expected a string, found a number",
        ),
        (
            operation("ports: ['65536']"),
            "invalid-value]: `65536` is not a port",
        ),
        (
            operation("ports: ['-1']"),
            "invalid-value]: `-1` is not a port",
        ),
        (
            operation("ports: ['http']"),
            "invalid-value]: `http` is not a port",
        ),
        (
            operation("methods: ['']"),
            "out-of-range]: this string must not be empty",
        ),
        (
            operation("paths: ['/a/{b}']"),
            "invalid-value]: `/a/{b}` has a brace that is neither `{*}` nor `{**}`",
        ),
        (
            operation("paths: ['/a/{*']"),
            "invalid-value]: `/a/{*` has a brace that is neither `{*}` nor `{**}`",
        ),
        (
            operation("paths: ['/{**}/{*}']"),
            "invalid-value]: `/{**}/{*}` is not a path template: it has an operator after `{**}`",
        ),
        (
            operation("paths: ['/{**}/{**}']"),
            "invalid-value]: `/{**}/{**}` is not a path template: it has an operator after `{**}`",
        ),
        (
            operation("paths: ['/{*}/b*']"),
            "invalid-value]: `/{*}/b*` is not a path template: it has a `*` outside of `{*}` and `{**}`",
        ),
        (
            operation("paths: ['/{*}b']"),
            "invalid-value]: `/{*}b` is not a path template: it mixes text and an operator in one segment",
        ),
        (
            operation("paths: ['/{*}/{c}']"),
            "invalid-value]: `/{*}/{c}` is not a path template: it has a brace that is neither `{*}` nor `{**}`",
        ),
        (
            operation("paths: ['a/{*}']"),
            "invalid-value]: `a/{*}` is not a path template: it does not begin with `/`",
        ),
        (
            operation("paths: ['/{*}/a b']"),
            "invalid-value]: `/{*}/a b` is not a path template: it has a character that cannot stand in a path",
        ),
    ]);
}

#[test]
fn conditions() {
    refused(&[
        (
            when("values: [a]"),
            "missing-field]: `AuthorizationPolicy.spec.rules.when` needs a field `key`",
        ),
        (
            when("key: '', values: [a]"),
            "out-of-range]: this string must not be empty",
        ),
        (
            when("key: source.ip"),
            "missing-field]: the condition on `source.ip` has no values",
        ),
        (
            when("key: source.ip, values: [], notValues: null"),
            "missing-field]: the condition on `source.ip` has no values",
        ),
        (
            when("key: source.ip, value: [a]"),
            "unknown-field]: unknown field `value` in `AuthorizationPolicy.spec.rules.when`",
        ),
        (
            when("key: source.ip, values: ['']"),
            "out-of-range]: this string must not be empty",
        ),
        (
            when("key: source.ip, values: [a]"),
            "invalid-value]: `a` is not an IP network",
        ),
        (
            when("key: destination.port, notValues: ['x']"),
            "invalid-value]: `x` is not a port",
        ),
        (
            when("key: source.serviceAccount, values: ['a*']"),
            "invalid-value]: `a*` has a wildcard, which is not possible here",
        ),
        (
            when("key: source.trustDomain, values: ['a/b']"),
            "invalid-value]: `a/b` is not a trust domain: it has a `/`",
        ),
        (
            when("key: source.ips, values: [10.0.0.1]"),
            "unknown-attribute]: `source.ips` is nothing to compare",
        ),
        (
            when("key: destination.labels[app], values: [a]")
                .replace("destination.labels[app]", "'destination.labels[app]'"),
            "unknown-attribute]: `destination.labels[app]` is gone from Istio, and is not known here",
        ),
        (
            when("key: request.headers, values: [a]"),
            "unknown-attribute]: `request.headers` needs a name in brackets behind it, and nothing else",
        ),
        (
            when("key: 'request.headers[a b]', values: [a]"),
            "unknown-attribute]: `request.headers[a b]` names no header",
        ),
        (
            when("key: 'request.auth.claims[a', values: [a]"),
            "unknown-attribute]: `request.auth.claims[a` needs a name in brackets behind it, and nothing else",
        ),
        (
            when("key: 'experimental.envoy.filters.a', values: [a]"),
            "unknown-attribute]: `experimental.envoy.filters.a` needs a name in brackets behind it, and nothing else",
        ),
        (
            when("key: 'request.auth.claims[admin]', values: [true]"),
            "wrong-type]: expected a string, found a boolean",
        ),
        (
            rule("when: [null]"),
            "wrong-type]: `AuthorizationPolicy.spec.rules.when` must be a mapping, found null",
        ),
    ]);
}

/// All of it is told in one go.
#[test]
fn nothing_stops_at_the_first_error() {
    let spec = "{action: CUSTOM, rules: [null, {from: [{source: {ipBlocks: [x]}}]}, {when: [{key: a, values: [b]}]}]}";
    let (found, _) = said(spec);
    assert_eq!(found.len(), 4, "{found:#?}");
}

/// Warnings about values, with what to write instead.
#[test]
fn values_that_cannot_mean_what_they_say() {
    for (spec, expected, instead) in [
        (
            operation("paths: [admin]"),
            "never-matches]: `admin` never matches: a path begins with `/`",
            "write the slash",
        ),
        (
            operation("paths: ['admin/*']"),
            "never-matches]: `admin/*` never matches: a path begins with `/`",
            "write the slash",
        ),
        (
            operation("paths: ['/a?b=c']"),
            "never-matches]: `/a?b=c` never matches: paths are compared without the query",
            "leave the query out",
        ),
        (
            when("key: 'request.auth.claims[admin]', values: ['true']"),
            "claim-not-text]: only the text `true` matches here, never a boolean: claims of another type are not compared",
            "let the issuer write the claim as a text",
        ),
        (
            operation("paths: [/a/../b]"),
            "never-matches]: `/a/../b` never matches: paths are made normal first",
            "write `/b`",
        ),
        (
            operation("paths: ['/a%00']"),
            "never-matches]: `/a%00` never matches: requests with such a path are refused",
            "remove it",
        ),
        (
            operation("paths: ['/api/*/users']"),
            "literal-star]: a `*` in `/api/*/users` is an ordinary character: only the first or the last character stands for more",
            "write `{*}`",
        ),
        (
            operation("paths: ['*/users/*']"),
            "literal-star]: a `*` in `*/users/*` is an ordinary character: only the first or the last character stands for more",
            "write `{*}`",
        ),
        (
            operation("hosts: ['https://a.test']"),
            "never-matches]: `https://a.test` never matches: a host has no scheme and no path",
            "write the host alone",
        ),
        (
            operation("hosts: ['a.*.test']"),
            "literal-star]: a `*` in `a.*.test` is an ordinary character: only the first or the last character stands for more",
            "list the values",
        ),
        (
            operation("methods: [get]"),
            "never-matches]: `get` never matches: methods are compared with their case, and clients send them in capitals",
            "write `GET`",
        ),
        (
            source("requestPrincipals: ['https://idp*']"),
            "never-matches]: `https://idp*` never matches: it is split at its last `/`, into an issuer `https:/` and a subject",
            "write `https://idp/*`",
        ),
        (
            source("requestPrincipals: ['https://*']"),
            "never-matches]: `https://*` never matches: it is split at its last `/`, into an issuer `https:/` and a subject",
            "write `*`",
        ),
        (
            source("requestPrincipals: ['*/*']"),
            "literal-star]: a `*` in `*/*` is an ordinary character: only the first or the last character stands for more",
            "list the values",
        ),
        (
            source("principals: ['*/ns/*/sa/a']"),
            "literal-star]: a `*` in `*/ns/*/sa/a` is an ordinary character: only the first or the last character stands for more",
            "list the values",
        ),
        (
            source("ipBlocks: [10.1.2.3/8]"),
            "host-bits]: `10.1.2.3/8` has bits set beyond its prefix: all of `10.0.0.0/8` is meant",
            "write the network, or `10.1.2.3` for one address",
        ),
        (
            source("ipBlocks: ['::ffff:10.0.0.0/104']"),
            "never-matches]: `::ffff:10.0.0.0/104` never matches: an IPv4 address is never compared as an IPv6 one",
            "write `10.0.0.0/8`",
        ),
        (
            source("principals: [], ipBlocks: [10.0.0.1]"),
            "empty-list]: `principals` is empty and restricts nothing",
            "list values",
        ),
        (
            source("principals: , ipBlocks: [10.0.0.1]"),
            "empty-list]: `principals` is empty and restricts nothing",
            "list values",
        ),
        (
            rule("from: "),
            "empty-list]: `from` is empty and restricts nothing",
            "list values",
        ),
        (
            when("key: 'request.headers[a]', values: [b], notValues: []"),
            "empty-list]: `notValues` is empty and restricts nothing",
            "list values",
        ),
        (
            rule("when: []"),
            "empty-list]: `when` is empty and restricts nothing",
            "list values",
        ),
        (
            when("key: connection.sni, values: [A.test]"),
            "never-matches]: `A.test` never matches: server names are compared in lower case",
            "write it in lower case",
        ),
        (
            when("key: 'request.headers[a]', values: ['hunter*2']"),
            "literal-star]: a `*` in this value is an ordinary character: only the first or the last character stands for more",
            "list the values",
        ),
        (
            when("key: 'experimental.envoy.filters.a[b]', values: [c]"),
            "never-matches]: no filter of Envoy sets metadata here: `values` never match, `notValues` always do",
            "remove the condition",
        ),
    ] {
        let (found, help) = said(&spec);
        assert_eq!(found, [format!("warning[{expected}")], "{spec}");
        assert!(help.starts_with(instead), "{spec}: {help}");
    }
    let (found, _) = said("{action: AUDIT}");
    assert_eq!(
        found,
        ["warning[policy-without-effect]: this policy demands nothing: it has no `rules`"]
    );
}
