//! A reload that takes an AuthorizationPolicy away, or part of it, makes a word go (decision P5a).

use countersign_config::compiled::{Compiled, Protection};

use super::support::{HTTP, SERVICE, TO_SERVICE, compiled, gateway, gateway_named, route};

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}

fn load(policies: &str) -> Compiled {
    compiled(&(gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}")) + policies))
}

fn words(of: &[Protection]) -> Vec<String> {
    let [one] = of else { panic!() };
    one.demands.iter().map(ToString::to_string).collect()
}

/// Words of the Gateway about its policies.
fn of_policies(of: &[Protection]) -> Vec<String> {
    let mut words = words(of);
    words.retain(|it| {
        ["allow-only:", "deny:", "custom:"]
            .iter()
            .any(|of| it.starts_with(of))
    });
    words
}

/// Words of the Gateway that are gone after a reload, without their digests.
fn lost(old: &str, new: &str) -> Vec<String> {
    let now = of_policies(&load(new).gateways);
    let mut old = of_policies(&load(old).gateways);
    old.retain(|it| !now.contains(it));
    old.iter()
        .map(|it| it.rsplit_once('/').unwrap().0.to_owned())
        .collect()
}

fn paths(action: &str, list: &str) -> String {
    let rules = list
        .split(' ')
        .map(|it| format!("{{to: [{{operation: {{paths: [{it}]}}}}]}}"));
    let rules: Vec<String> = rules.collect();
    format!("{{action: {action}, rules: [{}]}}", rules.join(", "))
}

#[test]
fn refusals_by_rule_and_ways_in_together() {
    let deny = policy("d", &paths("DENY", "/a /b"));
    let allow = policy("a", &paths("ALLOW", "/c"));
    let both = deny.clone() + &allow;
    let none: [&str; 0] = [];
    for (old, new, gone) in [
        (both.clone(), both.clone(), &none[..]),
        (
            both.clone(),
            allow.clone(),
            &["deny:default/d", "deny:default/d"],
        ),
        (both.clone(), deny.clone(), &["allow-only:default/a"]),
        (
            both.clone(),
            String::new(),
            &["allow-only:default/a", "deny:default/d", "deny:default/d"],
        ),
        // One rule of two; and more of them, in another order.
        (
            deny.clone(),
            policy("d", &paths("DENY", "/b")),
            &["deny:default/d"],
        ),
        (deny.clone(), policy("d", &paths("DENY", "/c /b /a")), &[]),
        (
            deny.clone(),
            deny.clone() + &policy("e", &paths("DENY", "/x")),
            &[],
        ),
        // Another way in, for all or for some.
        (
            allow.clone(),
            policy("a", "{rules: [{}]}"),
            &["allow-only:default/a"],
        ),
        (
            allow.clone(),
            allow.clone() + &policy("b", &paths("ALLOW", "/x")),
            &["allow-only:default/a"],
        ),
        (String::new(), allow.clone(), &[]),
        // Under trial nothing is refused.
        (
            deny.clone(),
            deny.replace(
                "name: d",
                "name: d, annotations: {istio.io/dry-run: 'true'}",
            ),
            &["deny:default/d", "deny:default/d"],
        ),
        (
            deny.clone(),
            deny.replace("DENY", "AUDIT"),
            &["deny:default/d", "deny:default/d"],
        ),
    ] {
        assert_eq!(lost(&old, &new), gone, "{old} -> {new}");
    }
}

/// Aliases of the mesh widen what a policy lets in without a change of its text.
#[test]
fn another_alias_is_another_way_in() {
    let mesh = |aliases: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data: {{mesh: 'trustDomainAliases: [{aliases}]'}}\n---\n"
        )
    };
    let policy = policy(
        "a",
        "{rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]}]}",
    );
    let (old, new) = (mesh("") + &policy, mesh("old") + &policy);
    assert_eq!(lost(&old, &new), ["allow-only:default/a"]);
    // Where it stands in its file does not matter.
    assert!(lost(&policy, &("# a comment\n".to_owned() + &policy)).is_empty());
}

#[test]
fn routes_say_so_in_short() {
    let deny = policy("d", &paths("DENY", "/a"));
    let allow = policy("a", &paths("ALLOW", "/c"));
    let custom = policy("c", "{action: CUSTOM, provider: {name: x}, rules: [{}]}");
    for (policies, expected) in [
        (String::new(), &[][..]),
        (deny.clone(), &["deny"]),
        (allow.clone(), &["allow-only"]),
        (deny + &allow + &custom, &["allow-only", "custom", "deny"]),
    ] {
        let compiled = load(&policies);
        assert_eq!(words(&compiled.protection), expected);
        assert_eq!(&*compiled.gateways[0].route, "Gateway default/gw");
    }
    let many: String = (0..20)
        .map(|it| policy(&format!("p{it}"), &paths("ALLOW", &format!("/{it}"))))
        .collect();
    let [word] = &of_policies(&load(&many).gateways)[..] else {
        panic!()
    };
    assert!(word.starts_with("allow-only:20-policies/"), "{word}");
}

/// The mesh's settings and the Gateway's parameters decide what policies compare, so a change of them is told as well.
#[test]
fn what_policies_compare_is_a_demand() {
    let mesh = |text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata: {{mesh: '{text}'}}\n---\n"
        )
    };
    let parameters = |spec: &str| {
        let fields = "  infrastructure: {parametersRef: {group: countersign.dev, kind: GatewayParameters, name: p}}\n";
        gateway_named("gw", fields, HTTP)
            + &format!(
                "apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: p}}\nspec: {{{spec}}}\n---\n"
            )
    };
    let rest = SERVICE.to_owned()
        + &route(&format!("{{{TO_SERVICE}}}"))
        + &policy("d", &paths("DENY", "/a"));
    let plain = gateway(HTTP);
    let seen = |config: &str| {
        let mut words = words(&compiled(&(config.to_owned() + &rest)).gateways);
        words.retain(|it| !it.starts_with("deny:"));
        words
    };
    let defaults = [
        "paths:BASE",
        "client-address:peer",
        "proxy-protocol:nobody",
        "streams-end:with-token",
    ];
    assert_eq!(seen(&plain), defaults);
    for (config, instead) in [
        (
            plain.clone() + &mesh("pathNormalization: {normalization: NONE}"),
            [Some("paths:NONE"), None, None, None],
        ),
        (
            plain.clone() + &mesh("pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}"),
            [Some("paths:DECODE_AND_MERGE_SLASHES"), None, None, None],
        ),
        (
            plain.clone() + &mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"),
            [None, Some("client-address:hops=1 from anybody"), None, None],
        ),
        (
            parameters(
                "forwarded: {trustedProxies: 2, trustedAddresses: [192.0.2.0/24, 10.0.0.0/8]}",
            ),
            [
                None,
                Some("client-address:hops=2 from 10.0.0.0/8|192.0.2.0/24"),
                None,
                None,
            ],
        ),
        (
            parameters("proxyProtocol: {from: [192.0.2.0/24, 10.0.0.0/8]}"),
            [
                None,
                None,
                Some("proxy-protocol:10.0.0.0/8|192.0.2.0/24"),
                None,
            ],
        ),
    ] {
        let mut expected = defaults;
        for (word, instead) in expected.iter_mut().zip(instead) {
            *word = instead.unwrap_or(word);
        }
        assert_eq!(seen(&config), expected, "{config}");
    }
    let outlive = seen(&parameters("streams: {outliveToken: true}"));
    assert_eq!(outlive[3], "streams-end:by-themselves");
    for (word, beginning) in defaults.iter().zip(Protection::SETTINGS) {
        assert!(word.starts_with(beginning), "{word}");
    }
    // Where nothing is demanded there is nothing to lose.
    let open = gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}"));
    assert_eq!(words(&compiled(&open).gateways), [""; 0]);
}
