//! No secret is shown with a diagnostic, whatever is wrong, and wherever it stands.

use countersign_config::diagnostic::Style;

use super::support::{HTTP, SERVICE, TO_SERVICE, gateway, load_one, route};

/// What must not be shown: as a password, and as the key of an HMAC key set.
const SECRET: &str = "hunter2";
const OCT: &str = r#"{"keys":[{"kty":"oct","alg":"HS256","k":"hunter2hunter2hunter2hunter2hunter2hunter2hunter2"}]}"#;

/// All that is shown of a load.
fn shown(text: &str) -> String {
    let loaded = load_one(text);
    let fancy = loaded.diagnostics.render(&loaded.files, Style::Fancy);
    let json = loaded.diagnostics.render(&loaded.files, Style::Json);
    for hidden in [fancy, json] {
        assert!(!hidden.contains(SECRET), "{hidden}");
    }
    let plain = loaded.diagnostics.render(&loaded.files, Style::Plain);
    assert!(!plain.contains(SECRET), "{plain}\n--- of\n{text}");
    plain
}

/// The line of an excerpt, and the line with the carets below it, of the only diagnostic with this code.
fn excerpt(text: &str, code: &str) -> [String; 2] {
    let shown = shown(text);
    let told = shown
        .split("\n\n")
        .find(|it| it.contains(&format!("[{code}]")));
    let told = told.unwrap_or_else(|| panic!("no {code} in\n{shown}"));
    let mut lines = told.lines().skip(1).map(|line| {
        let (_, text) = line.split_once("| ").unwrap();
        text.to_owned()
    });
    [lines.next().unwrap(), lines.next().unwrap()]
}

fn extension(provider: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: e}}\n\
         spec: {{jwt: {{providers: [\n {provider}\n]}}}}\n---\n"
    )
}

fn authentication(rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a}}\n\
         spec: {{jwtRules: [\n {rule}\n]}}\n---\n"
    )
}

fn modifier(header: &str) -> String {
    let filter = format!(
        "{{{TO_SERVICE}, filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [\n    {header}\n    ]}}}}]}}"
    );
    gateway(HTTP) + SERVICE + &route(&filter)
}

#[test]
fn keys_beside_a_mistake_are_withheld() {
    let provider = format!("{{name: p, isuer: x, jwks: {{local: {{inline: '{OCT}'}}}}}}");
    assert_eq!(
        excerpt(&extension(&provider), "unknown-field"),
        [
            " {name: p, isuer: x, jwks: {local: {inline: [withheld]}}}",
            "           ^^^^^"
        ]
    );
    let rule = format!("{{issuer: 'https://i.test', jwks: '{OCT}', presence: MUST}}");
    assert_eq!(
        excerpt(&authentication(&rule), "invalid-value"),
        [
            " {issuer: 'https://i.test', jwks: [withheld], presence: MUST}",
            "                                                        ^^^^"
        ]
    );
    let header = format!("{{name: X-Api-Key, value: {SECRET}, sensitive: true}}");
    assert_eq!(
        excerpt(&modifier(&header), "unknown-field"),
        [
            "    {name: X-Api-Key, value: [withheld], sensitive: [withheld]}",
            "                                         ^^^^^^^^^"
        ]
    );
}

#[test]
fn a_place_inside_a_secret_is_marked_as_a_whole() {
    let rule = "{issuer: 'https://i.test', jwks: 'hunter2 ${NONE} hunter2', presence: REQUIRED}";
    assert_eq!(
        excerpt(&authentication(rule), "unset-variable"),
        [
            " {issuer: 'https://i.test', jwks: [withheld], presence: REQUIRED}",
            "                                  ^^^^^^^^^^"
        ]
    );
    let block = authentication("{}").replace(
        "{jwtRules: [\n {}\n]}",
        "\n  jwtRules:\n  - issuer: x\n    jwks: |\n      hunter2\n      a ${NONE} hunter2\n",
    );
    assert_eq!(
        excerpt(&block, "unset-variable"),
        ["[withheld]", "^^^^^^^^^^"]
    );
    // The error is about the secret itself.
    let rule = "{issuer: 'https://i.test', jwks: 'hunter2'}";
    assert_eq!(
        excerpt(&authentication(rule), "invalid-jwks")[0],
        " {issuer: 'https://i.test', jwks: [withheld]}"
    );
}

#[test]
fn a_misspelt_name_hides_as_much_as_the_right_one() {
    for provider in [
        format!("{{name: p, jwks: {{local: {{inlin: '{OCT}'}}}}}}"),
        "{name: p, jwks: {local: {inlien: hunter2}}}".into(),
        "{name: p, jwks: {lokal: {inline: hunter2}}}".into(),
        "{name: p, jwks: {inline: hunter2}}".into(),
        format!("{{name: p, jwk: '{OCT}'}}"),
        format!("{{name: p, keys: '{OCT}'}}"),
        format!("{{name: p, jwks: {OCT}}}"),
        "{name: p, jwsk: hunter2}".into(),
        "{name: p, keys: [{kty: oct, k: hunter2}]}".into(),
        "{name: p, remote: {url: 'https://me:hunter2@i.test/'}}".into(),
    ] {
        shown(&extension(&provider));
    }
    for header in [
        "{name: a, valu: hunter2}",
        "{name: a, val: hunter2}",
        "{nam: a, value: hunter2}",
        "{name: a, value: [hunter2]}",
        "{name: a, value: {x: hunter2}}",
        "{name: a, value: \"hunter2\\u0001\"}",
        "{name: a b, value: !hunter2}",
    ] {
        shown(&modifier(header));
        shown(&modifier(header).replace("requestHeaderModifier", "requestHeaderModifer"));
    }
    let policy = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\nspec:";
    for spec in [
        "{basicAuth: {users: ['a:hunter2']}, jwtAuth: {disable: {}}}",
        "{apiKeyAuth: {keys: [hunter2]}}",
        "{oauth3: {clientSecret: hunter2, client_secret: hunter2, password: hunter2, token: hunter2, key: hunter2}}",
    ] {
        shown(&format!("{policy} {spec}\n"));
    }
}

#[test]
fn secrets_are_withheld_and_references_to_them_are_not() {
    for text in [
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: hunter2}, x: 1}",
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringdata: {p: hunter2}}",
        "{apiVersion: v1, kind: Secret, metadata: {nam: s}, data: {p: hunter2}}",
        "{apiVersion: v1, kind: Secrt, metadata: {name: s}, data: {p: hunter2}}",
        "{kind: Secret, metadata: {name: s}, data: {p: hunter2}}",
        "{kind: Secret, metadata: {name: s}, data: {p: &x hunter2}, y: *x}",
        "{apiVersion: v1, kind: List, items: [{kind: Secret, metadata: {}, data: {p: hunter2}, x: 1}]}",
        "{apiVersion: v1, kind: SecretList, items: [{metadata: {}, data: {p: hunter2}, x: 1}]}",
        "{apiVersion: v1, kind: Secret, metadata: {name: s, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"p\":\"hunter2\"}'}, x: 1}}",
        "{apiVersion: apps/v1, kind: Deployment, spec: {args: ['--password=hunter2']}}",
        "{apiVersion: gateway.networking.k8s.io/v9, kind: Gateway, spec: {x: hunter2}}",
        "{apiVersion: extauth.solo.io/v1, kind: AuthConfig, spec: {x: hunter2}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {p: 1, p: hunter2}}",
    ] {
        assert!(!shown(text).is_empty(), "{text}");
    }
    let listener = "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{kind: Secret, name: s}], mode: Pass}}";
    let [line, carets] = excerpt(&gateway(listener), "invalid-value");
    assert!(
        line.contains("{certificateRefs: [{kind: Secret, name: s}], mode: Pass}"),
        "{line}"
    );
    let marked = line.chars().skip(carets.find('^').unwrap());
    assert_eq!(marked.take(4).collect::<String>(), "Pass");
    // The same where the document is no YAML.
    let [line, _] = excerpt(&gateway(listener).replace("Pass}", "Pass"), "broken-yaml");
    assert!(line.contains("{kind: Secret, name: s}"), "{line}");
}

#[test]
fn what_is_no_secret_is_shown_as_it_stands() {
    let provider =
        "{name: p, jwks: {remote: {url: 'ftp://i.test/keys', backendRef: {name: b, port: 80}}}}";
    assert_eq!(
        excerpt(&extension(provider), "invalid-value")[0],
        format!(" {provider}")
    );
    let provider = "{name: p, jwks: {local: {configMapRef: {name: lost}}}}";
    assert_eq!(
        excerpt(&extension(provider), "missing-reference")[0],
        format!(" {provider}")
    );
    let matches = "{matches: [{path: {type: Prefix, value: /a}, headers: [{name: a, value: b}]}]}";
    assert!(excerpt(&(gateway(HTTP) + &route(matches)), "invalid-value")[0].contains(matches));
    let parameters = "apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {name: p}\nspec: {jwks: {refusePrivateAddresses: 7}}\n";
    assert_eq!(
        excerpt(parameters, "wrong-type")[0],
        "spec: {jwks: {refusePrivateAddresses: 7}}"
    );
}

/// Each way to write a secret, in a text that is otherwise in order.
fn texts() -> [String; 5] {
    let block = format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a}}\nspec:\n  jwtRules:\n  \
         - issuer: https://i.test\n    jwks: |\n      {OCT}\n    presence: REQUIRED\n"
    );
    let folded = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {name: e}\nspec:\n  jwt:\n    \
         providers:\n    - name: p\n      jwks:\n        local:\n          inline: \"hunter2\n            hunter2\"\n      issuer: i\n";
    let header = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n  rules:\n  \
         - matches:\n    - path: {value: /a}\n    filters:\n    - type: RequestHeaderModifier\n      requestHeaderModifier:\n        \
         set:\n        - name: a\n          value: hunter2\n    backendRefs: [{name: s, port: 80}]\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  a: hunter2\n  b: |\n    hunter2\n    hunter2\n";
    let json = format!(
        "{{\n\"apiVersion\": \"gateway.kgateway.dev/v1alpha1\", \"kind\": \"GatewayExtension\",\n\"metadata\": {{\"name\": \"e\"}},\n\
         \"spec\": {{\"jwt\": {{\"providers\": [\n{{\"name\": \"p\", \"jwks\": {{\"local\": {{\n\"inline\":\n{}\n}}}}}}\n]}}}}\n}}\n",
        serde_json::Value::from(OCT)
    );
    [block, folded.into(), header.into(), secret.into(), json]
}

/// One character is replaced or added, anywhere but in the secret and the names by which it is known.
#[test]
fn no_damage_brings_a_secret_to_light() {
    const NAMES: [&str; 6] = ["hunter2", "inline", "value", "kty", "kind: Secret", "\"k\""];
    const DAMAGE: [&str; 14] = [
        "", "\t", "\"", "'", "[", "}", "*", "!", "%", ": ", "\n", "\u{1}", "|", "#",
    ];
    for text in texts() {
        let protected = |at: usize| {
            let mut known = NAMES.iter().flat_map(|name| text.match_indices(name));
            known.any(|(start, name)| (start..start + name.len()).contains(&at))
        };
        for at in (0..text.len()).filter(|at| !protected(*at)) {
            let (before, after) = text.split_at(at);
            let (_, rest) = after.split_at(at / 3 % 2);
            // All of them at each place would take a minute.
            for damage in DAMAGE.iter().skip(at % 3).step_by(3) {
                let damaged = format!("{before}{damage}{rest}");
                let loaded = load_one(&damaged);
                let shown = loaded.diagnostics.render(&loaded.files, Style::Plain);
                assert!(!shown.contains(SECRET), "{shown}\n--- of\n{damaged}");
            }
        }
    }
}

#[test]
fn urls_with_user_information_are_refused_unseen() {
    let me = "https://me:hunter2@i.test";
    for text in [
        authentication(&format!("{{issuer: '{me}'}}")),
        authentication(&format!("{{issuer: '{me}/', jwks: '{OCT}'}}")),
        authentication(&format!("{{issuer: i, jwksUri: '{me}/keys'}}")),
        authentication(&format!("{{issuer: i, jwks_uri: '{me}/keys'}}")),
        extension(&format!(
            "{{name: p, issuer: '{me}', jwks: {{local: {{inline: '{OCT}'}}}}}}"
        )),
        extension(&format!(
            "{{name: p, jwks: {{remote: {{url: '{me}/keys', backendRef: {{name: s, port: 80}}}}}}}}"
        )),
    ] {
        let [line, _] = excerpt(&text, "invalid-value");
        assert!(line.contains("[withheld]"), "{line}");
        assert_eq!(load_one(&text).diagnostics.errors().count(), 1, "{text}");
    }
    // As a mistake of another kind, in a message.
    shown(&extension(
        "{name: p, jwks: {remote: {url: 'ftp://me:hunter2@i.test', backendRef: {name: s, port: 80}}}}",
    ));
    // An `@` elsewhere is nobody's name.
    let fine = "{issuer: 'https://i.test/@me', jwksUri: 'https://i.test/keys?for=me@i.test'}";
    assert!(!shown(&authentication(fine)).contains("error"));
}

/// The key of a condition says what is compared; only the header's values may be a password.
#[test]
fn keys_of_conditions_are_shown() {
    let policy = |entry: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\n\
             spec: {{action: DENY, rules: [{{when: [\n {entry}\n]}}]}}\n---\n"
        )
    };
    let [line, marks] = excerpt(
        &policy("{key: 'request.header[x-a]', values: [a]}"),
        "unknown-attribute",
    );
    assert_eq!(line, " {key: 'request.header[x-a]', values: [a]}");
    assert_eq!(marks, "       ^^^^^^^^^^^^^^^^^^^^^");
    // What is no key of a condition is none because it stands beside one.
    let [line, _] = excerpt(
        &policy("{key: 'request.headers[x-a]', value: hunter2}"),
        "unknown-field",
    );
    assert_eq!(line, " {key: 'request.headers[x-a]', value: [withheld]}");
    excerpt(
        &policy("{key: 'request.headers[x-a]', values: ['hunter2*x']}"),
        "literal-star",
    );
}
