//! What routes demand, in words that are compared across reloads: asking for less makes one of them go (decision P5a).

use countersign_config::compiled::Compiled;

use super::support::{HTTP, SERVICE, TO_SERVICE, compiled, gateway, route};

const ONE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const TWO: &str = r#"{"kty":"EC","crv":"P-256","kid":"two","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
const OCT: &str =
    r#"{"kty":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

fn inline(keys: &[&str]) -> String {
    format!(
        "jwks: {{local: {{inline: '{{\"keys\":[{}]}}'}}}}",
        keys.join(",")
    )
}

/// A route under a TrafficPolicy with these providers of a `jwt` extension.
fn kgateway(jwt: &str) -> String {
    gateway(HTTP)
        + SERVICE
        + &route(&format!("{{{TO_SERVICE}}}"))
        + "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {name: e}\n"
        + &format!("spec: {{jwt: {{{jwt}}}}}\n---\n")
        + "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\nspec:\n  \
           targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]\n  jwtAuth: {extensionRef: {name: e}}\n---\n"
}

fn providers(list: &[&str]) -> String {
    kgateway(&format!("providers: [{}]", list.join(", ")))
}

/// The same route under RequestAuthentications with these rules, one each.
fn istio(rules: &[&str]) -> String {
    let policy = |(index, rule): (usize, &&str)| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a{index}}}\nspec: {{jwtRules: [{rule}]}}\n---\n"
        )
    };
    let policies: String = rules.iter().enumerate().map(policy).collect();
    gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}")) + &policies
}

fn demands(text: &str) -> Vec<String> {
    let Compiled { protection, .. } = compiled(text);
    protection[0]
        .demands
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn lost(old: &str, new: &str) -> Vec<String> {
    let now = demands(new);
    let mut old = demands(old);
    old.retain(|it| !now.contains(it));
    old
}

fn provider(name: &str, fields: &str, keys: &str) -> String {
    format!("{{name: {name}, {fields}, {keys}}}")
}

#[test]
fn demands_are_readable() {
    let a = provider(
        "a",
        "issuer: 'https://a.test', audiences: [shop, web]",
        &inline(&[ONE]),
    );
    assert_eq!(
        demands(&providers(&[&a])),
        [
            "token-present",
            "valid-tokens",
            "issuer:https://a.test",
            "audience:shop|web of https://a.test",
            "keys:one/2d4218cdde2c6ee1 of https://a.test",
            "clock-skew:60s of https://a.test",
        ]
    );
    let rule = "{issuer: 'https://a.test', jwksUri: 'https://a.test/keys?token=hunter2', audiences: [shop], \
                fromHeaders: [{name: x-jwt, prefix: 'JWT '}], fromCookies: [jwt]}";
    let told = demands(&istio(&[rule]));
    assert_eq!(
        told[..4],
        [
            "valid-tokens:cookie jwt",
            "valid-tokens:header x-jwt after JWT%20",
            "issuer:https://a.test",
            "audience:shop of https://a.test",
        ]
    );
    assert!(
        told[4].starts_with("keys:https://a.test/keys?") && !told[4].contains("hunter2"),
        "{told:?}"
    );
    let discovery = demands(&istio(&["{issuer: 'https://a.test', presence: REQUIRED}"]));
    assert!(
        discovery.contains(&"keys:discovery of https://a.test".to_owned()),
        "{discovery:?}"
    );
    let any = demands(&istio(&[&format!("{{jwks: '{{\"keys\":[{ONE}]}}'}}")]));
    assert_eq!(any[0], "valid-tokens");
    assert!(
        any[1].starts_with("keys:one/") && any[1].ends_with(" of any issuer"),
        "{any:?}"
    );
}

/// Removing `audiences`, then `issuer`, then the keys: three reloads, none of them unnoticed.
#[test]
fn a_policy_taken_apart_step_by_step() {
    let full = providers(&[&provider(
        "a",
        "issuer: 'https://a.test', audiences: [shop]",
        &inline(&[ONE]),
    )]);
    let no_audience = providers(&[&provider("a", "issuer: 'https://a.test'", &inline(&[ONE]))]);
    let no_issuer = providers(&[&provider("a", "clockSkew: 60s", &inline(&[ONE]))]);
    let other_keys = providers(&[&provider("a", "clockSkew: 60s", &inline(&[TWO]))]);
    assert_eq!(
        lost(&full, &no_audience),
        ["audience:shop of https://a.test"]
    );
    assert!(lost(&no_audience, &no_issuer).contains(&"issuer:https://a.test".to_owned()));
    let [keys] = &lost(&no_issuer, &other_keys)[..] else {
        panic!()
    };
    assert!(keys.starts_with("keys:one/"), "{keys}");
}

fn a(fields: &str, keys: &[&str]) -> String {
    provider("a", &format!("issuer: a, {fields}"), &inline(keys))
}

fn noticed(cases: &[(&str, String, String)]) {
    for (what, old, new) in cases {
        assert!(!lost(old, new).is_empty(), "{what}: {:?}", demands(new));
    }
}

#[test]
fn accepting_more_tokens_is_noticed() {
    let base = a("audiences: [shop]", &[ONE]);
    let strict = |mode: &str| kgateway(&format!("validationMode: {mode}, providers: [{base}]"));
    let before = || providers(&[&base]);
    let after = |fields: &str, keys: &[&str]| providers(&[&a(fields, keys)]);
    let b = provider("b", "issuer: b", &inline(&[TWO]));
    let hmac = |keys: &str| providers(&[&a("audiences: [x]", &[keys])]);
    noticed(&[
        ("provider", before(), providers(&[&base, &b])),
        (
            "audience",
            before(),
            after("audiences: [shop, web]", &[ONE]),
        ),
        ("key", before(), after("audiences: [shop]", &[ONE, TWO])),
        (
            "skew",
            before(),
            after("audiences: [shop], clockSkew: 1h", &[ONE]),
        ),
        ("secret", hmac(OCT), hmac(&OCT.replace("\"AA", "\"BA"))),
        ("none", strict("Strict"), strict("AllowMissing")),
        ("any", kgateway("providers: []"), before()),
        (
            "place",
            before(),
            after(
                "audiences: [shop], tokenSource: {header: {header: x-jwt}}",
                &[ONE],
            ),
        ),
    ]);
}

#[test]
fn other_keys_are_noticed() {
    let remote = |url: &str, port: u16| {
        let group = "group: gateway.kgateway.dev";
        let keys = format!(
            "jwks: {{remote: {{url: '{url}', backendRef: {{{group}, kind: Backend, name: k{port}}}}}}}"
        );
        providers(&[&provider("a", "issuer: a", &keys)])
            + &format!(
                "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {{name: k{port}}}\n"
            )
            + &format!("spec: {{static: {{hosts: [{{host: k.test, port: {port}}}]}}}}\n---\n")
    };
    let first = || remote("http://k.test/a?p=1", 1);
    noticed(&[
        ("URL", first(), remote("http://k.test/b?p=1", 1)),
        ("query", first(), remote("http://k.test/a?p=2", 1)),
        ("backend", first(), remote("http://k.test/a?p=1", 2)),
    ]);
}

/// Several providers of one issuer: what counts is who signs for whom.
#[test]
fn providers_of_one_issuer_are_told_apart() {
    let twin = |name: &str, audience: &str, keys: &str| {
        provider(
            name,
            &format!("issuer: a, audiences: [{audience}]"),
            &inline(&[keys]),
        )
    };
    let open = |name: &str, keys: &str| provider(name, "issuer: a", &inline(&[keys]));
    noticed(&[
        (
            "keys that change places",
            providers(&[&twin("p", "x", ONE), &twin("q", "y", TWO)]),
            providers(&[&twin("p", "x", TWO), &twin("q", "y", ONE)]),
        ),
        (
            "an audience less beside one that has none",
            providers(&[&twin("p", "x", ONE), &open("q", TWO)]),
            providers(&[&open("p", ONE), &open("q", TWO)]),
        ),
    ]);
}

#[test]
fn request_authentications_that_ask_for_less_are_noticed() {
    let rule = |issuer: &str, more: &str| {
        format!("{{issuer: {issuer}, jwks: '{{\"keys\":[{ONE}]}}'{more}}}")
    };
    let (one, two) = (rule("a", ""), rule("b", ""));
    let (required, both) = (
        rule("a", ", presence: REQUIRED"),
        rule("b", ", presence: REQUIRED"),
    );
    let cookies = |names: &str| istio(&[&rule("a", &format!(", fromCookies: [{names}]"))]);
    noticed(&[
        ("presence", istio(&[&required]), istio(&[&one])),
        ("policy", istio(&[&one]), istio(&[&one, &two])),
        (
            "either",
            istio(&[&required, &two]),
            istio(&[&required, &both]),
        ),
        ("place", cookies("x, y"), cookies("x")),
        ("all", istio(&[&one]), istio(&[])),
    ]);
}

#[test]
fn asking_for_as_much_or_more_is_not() {
    let a =
        |fields: &str, keys: &[&str]| provider("a", &format!("issuer: a{fields}"), &inline(keys));
    let base = providers(&[&a("", &[ONE, TWO])]);
    let strict = |mode: &str| {
        kgateway(&format!(
            "validationMode: {mode}, providers: [{}]",
            a("", &[ONE])
        ))
    };
    let rule = |more: &str| {
        istio(&[&format!(
            "{{issuer: a, jwks: '{{\"keys\":[{ONE}]}}'{more}}}"
        )])
    };
    for (what, old, new) in [
        (
            "names",
            base.clone(),
            base.replace("name: e}", "name: f}")
                .replace("name: a,", "name: z,"),
        ),
        ("order", base.clone(), providers(&[&a("", &[TWO, ONE])])),
        (
            "spaces",
            base.clone(),
            base.replace("\"kty\":", "\"kty\" :  "),
        ),
        (
            "an audience where there was none",
            base.clone(),
            providers(&[&a(", audiences: [x]", &[ONE, TWO])]),
        ),
        ("strictness", strict("AllowMissing"), strict("Strict")),
        ("presence", rule(""), rule(", presence: REQUIRED")),
        (
            "one more place",
            rule(", fromCookies: [x]"),
            rule(", fromCookies: [x, y]"),
        ),
        (
            "defaults, written out",
            rule(""),
            rule(
                ", fromHeaders: [{name: authorization, prefix: 'Bearer '}], fromParams: [access_token]",
            ),
        ),
        ("nothing, and then something", istio(&[]), rule("")),
    ] {
        assert_eq!(lost(&old, &new), [""; 0], "{what}");
    }
    assert!(demands(&kgateway("validationMode: AllowMissing, providers: []")).is_empty());
}

/// So little of a shared secret is told that nobody can try guesses against it.
#[test]
fn a_digest_of_a_shared_secret_is_short() {
    let told = demands(&providers(&[&provider("a", "issuer: a", &inline(&[OCT]))]));
    let keys = told.iter().find(|it| it.starts_with("keys:")).unwrap();
    assert_eq!(keys.len(), "keys:abcd of a".len(), "{keys}");
}
