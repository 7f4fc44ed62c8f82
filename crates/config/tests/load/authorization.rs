//! AuthorizationPolicies: what they become, what is refused, and what is said about the rest.

use countersign_config::compiled::Compiled;
use countersign_core::authz::{
    Action, Clause, HeaderField, NamespacePattern, Policy, PolicySet, RequestPrincipal,
    ServiceAccount, Test, Text,
};
use http::HeaderName;

use super::support::{HTTP, compiled, gateway, gateway_named, listener, load_one, told};

/// A policy `default/p` with this `spec`.
pub(crate) fn policy(spec: &str) -> String {
    named("p", "default", "", spec)
}

fn named(name: &str, namespace: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: {name}, namespace: {namespace}{metadata}}}\nspec: {spec}\n---\n"
    )
}

fn mesh(text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data: {{mesh: '{text}'}}\n---\n"
    )
}

fn base() -> String {
    gateway(HTTP)
}

/// The policies of the one listener.
fn policies(compiled: &Compiled) -> &[Policy] {
    policies_of(compiled, "default/gw/http")
}

fn policies_of<'c>(compiled: &'c Compiled, title: &str) -> &'c [Policy] {
    let id = listener(compiled, title).policies;
    let set = id.map(|id| compiled.snapshot.policies(id).unwrap());
    set.map(PolicySet::policies).unwrap_or_default()
}

/// The only policy that a `spec` becomes.
fn read(spec: &str) -> Policy {
    let compiled = compiled(&(base() + &policy(spec)));
    let [policy] = policies(&compiled) else {
        panic!("{spec}")
    };
    policy.clone()
}

/// The clauses of a rule with one list, in flow style.
fn source(list: &str) -> Vec<Clause> {
    let policy = read(&format!("{{rules: [{{from: [{{source: {{{list}}}}}]}}]}}"));
    policy.rules[0].from[0].clone()
}

fn operation(list: &str) -> Vec<Clause> {
    let policy = read(&format!("{{rules: [{{to: [{{operation: {{{list}}}}}]}}]}}"));
    policy.rules[0].to[0].clone()
}

fn condition(entry: &str) -> Vec<Clause> {
    read(&format!("{{rules: [{{when: [{{{entry}}}]}}]}}")).rules[0]
        .when
        .clone()
}

/// Compared as they print: what is in them has no equality of its own.
fn same(clauses: &[Clause], expected: &[(&str, bool, Test)]) {
    let expected = expected.iter().map(|(field, negated, test)| Clause {
        field: (*field).into(),
        negated: *negated,
        test: test.clone(),
        expanded: false,
    });
    let expected: Vec<Clause> = expected.collect();
    assert_eq!(format!("{clauses:#?}"), format!("{expected:#?}"));
}

fn exact(text: &str) -> Text {
    Text::Exact(text.into())
}

#[test]
fn every_field_of_a_source() {
    same(
        &source(
            "principals: ['cluster.local/ns/a/sa/b', '*/sa/c'], notPrincipals: ['x/*'], namespaces: ['pro*d'], \
             notNamespaces: [b], trustDomains: ['*.test'], notTrustDomains: [t], ipBlocks: [10.0.0.0/8], \
             notIpBlocks: ['::1'], remoteIpBlocks: [192.0.2.7], notRemoteIpBlocks: ['2001:db8::/32'], \
             requestPrincipals: ['https://idp.test/*'], notRequestPrincipals: ['*']",
        ),
        &[
            (
                "from[0].source.principals",
                false,
                Test::Principals(vec![
                    exact("cluster.local/ns/a/sa/b"),
                    Text::Suffix("/sa/c".into()),
                ]),
            ),
            (
                "from[0].source.notPrincipals",
                true,
                Test::Principals(vec![Text::Prefix("x/".into())]),
            ),
            (
                "from[0].source.requestPrincipals",
                false,
                Test::RequestPrincipals(vec![RequestPrincipal {
                    issuer: exact("https://idp.test"),
                    subject: Text::Present,
                }]),
            ),
            (
                "from[0].source.notRequestPrincipals",
                true,
                Test::RequestPrincipals(vec![RequestPrincipal {
                    issuer: Text::Present,
                    subject: Text::Present,
                }]),
            ),
            (
                "from[0].source.namespaces",
                false,
                Test::Namespaces(vec![NamespacePattern("pro*d".into())]),
            ),
            (
                "from[0].source.notNamespaces",
                true,
                Test::Namespaces(vec![NamespacePattern("b".into())]),
            ),
            (
                "from[0].source.trustDomains",
                false,
                Test::TrustDomains(vec![Text::Suffix(".test".into())]),
            ),
            (
                "from[0].source.notTrustDomains",
                true,
                Test::TrustDomains(vec![exact("t")]),
            ),
            (
                "from[0].source.ipBlocks",
                false,
                Test::PeerAddresses(vec!["10.0.0.0/8".parse().unwrap()]),
            ),
            (
                "from[0].source.notIpBlocks",
                true,
                Test::PeerAddresses(vec!["::1/128".parse().unwrap()]),
            ),
            (
                "from[0].source.remoteIpBlocks",
                false,
                Test::ClientAddresses(vec!["192.0.2.7/32".parse().unwrap()]),
            ),
            (
                "from[0].source.notRemoteIpBlocks",
                true,
                Test::ClientAddresses(vec!["2001:db8::/32".parse().unwrap()]),
            ),
        ],
    );
    let account = |namespace: &str, name: &str| ServiceAccount {
        namespace: namespace.into(),
        name: name.into(),
    };
    same(
        &source("serviceAccounts: [b, other/c], notServiceAccounts: [d]"),
        &[
            (
                "from[0].source.serviceAccounts",
                false,
                Test::ServiceAccounts(vec![account("default", "b"), account("other", "c")]),
            ),
            (
                "from[0].source.notServiceAccounts",
                true,
                Test::ServiceAccounts(vec![account("default", "d")]),
            ),
        ],
    );
}

#[test]
fn every_field_of_an_operation() {
    let template = |text: &str| countersign_core::authz::PathTemplate::parse(text).unwrap();
    same(
        &operation(
            "hosts: [Shop.test, '*.a.test'], notHosts: ['b.test:*'], ports: ['443'], notPorts: ['80'], \
             methods: [GET, 'P*'], notMethods: [DELETE], paths: [/a, '/b*', '/c/{*}/d'], notPaths: ['*/health', '/e/{**}']",
        ),
        &[
            (
                "to[0].operation.hosts",
                false,
                Test::Hosts(vec![exact("shop.test"), Text::Suffix(".a.test".into())]),
            ),
            (
                "to[0].operation.notHosts",
                true,
                Test::Hosts(vec![Text::Prefix("b.test:".into())]),
            ),
            ("to[0].operation.ports", false, Test::Ports(vec![443])),
            ("to[0].operation.notPorts", true, Test::Ports(vec![80])),
            (
                "to[0].operation.methods",
                false,
                Test::Methods(vec![exact("GET"), Text::Prefix("P".into())]),
            ),
            (
                "to[0].operation.notMethods",
                true,
                Test::Methods(vec![exact("DELETE")]),
            ),
            (
                "to[0].operation.paths",
                false,
                Test::Paths(
                    vec![exact("/a"), Text::Prefix("/b".into())],
                    vec![template("/c/{*}/d")],
                ),
            ),
            (
                "to[0].operation.notPaths",
                true,
                Test::Paths(
                    vec![Text::Suffix("/health".into())],
                    vec![template("/e/{**}")],
                ),
            ),
        ],
    );
}

#[test]
fn every_key_of_a_condition() {
    let network = || vec!["10.0.0.0/8".parse().unwrap()];
    let claim = |path: &[&str], value: &str| {
        let path = path.iter().map(|it| (*it).into()).collect();
        Test::Claim(path, vec![exact(value)])
    };
    let header = |field| Test::Header(field, vec![exact("v")]);
    for (key, value, test) in [
        ("source.ip", "10.0.0.0/8", Test::PeerAddresses(network())),
        ("remote.ip", "10.0.0.0/8", Test::ClientAddresses(network())),
        (
            "destination.ip",
            "10.0.0.0/8",
            Test::LocalAddresses(network()),
        ),
        ("destination.port", "'8080'", Test::Ports(vec![8080])),
        (
            "source.namespace",
            "n",
            Test::Namespaces(vec![NamespacePattern("n".into())]),
        ),
        (
            "source.serviceAccount",
            "n/a",
            Test::ServiceAccounts(vec![ServiceAccount {
                namespace: "n".into(),
                name: "a".into(),
            }]),
        ),
        (
            "source.trustDomain",
            "t",
            Test::TrustDomains(vec![exact("t")]),
        ),
        ("source.principal", "p", Test::Principals(vec![exact("p")])),
        (
            "request.auth.principal",
            "i/s",
            Test::RequestPrincipals(vec![RequestPrincipal {
                issuer: exact("i"),
                subject: exact("s"),
            }]),
        ),
        ("connection.sni", "s.test", Test::Sni(vec![exact("s.test")])),
        ("request.auth.audiences", "v", claim(&["aud"], "v")),
        ("request.auth.presenter", "v", claim(&["azp"], "v")),
        (
            "request.auth.claims[a.b][c]",
            "v",
            claim(&["a.b", "c"], "v"),
        ),
        (
            "request.headers[X-A]",
            "v",
            header(HeaderField::Named(HeaderName::from_static("x-a"))),
        ),
        ("request.headers[:path]", "v", header(HeaderField::Path)),
        ("request.headers[host]", "v", header(HeaderField::Authority)),
        ("experimental.envoy.filters.a.b[c]", "v", Test::Absent),
    ] {
        let entry = format!("key: '{key}', values: [{value}], notValues: [{value}]");
        let fields = [
            format!("when[0] {key} values"),
            format!("when[0] {key} notValues"),
        ];
        same(
            &condition(&entry),
            &[(&fields[0], false, test.clone()), (&fields[1], true, test)],
        );
    }
}

#[test]
fn actions_dry_runs_and_origins() {
    let of = |annotation: &str, spec: &str| {
        let text = base()
            + &named(
                "p",
                "default",
                &format!(", annotations: {{{annotation}}}"),
                spec,
            );
        let compiled = compiled(&text);
        let [policy] = policies(&compiled) else {
            panic!("{spec}")
        };
        policy.clone()
    };
    for (action, expected) in [
        ("ALLOW", Action::Allow),
        ("DENY", Action::Deny),
        ("AUDIT", Action::Audit),
    ] {
        let policy = of("", &format!("{{action: {action}, rules: [{{}}]}}"));
        assert_eq!(
            (policy.action, policy.dry_run),
            (expected, false),
            "{action}"
        );
        let [rule] = &policy.rules[..] else { panic!() };
        assert!(rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty());
        assert_eq!(
            rule.origin.to_string(),
            "AuthorizationPolicy default/p rules[0] (t.yaml:11)"
        );
        assert_eq!(
            policy.origin.to_string(),
            "AuthorizationPolicy default/p (t.yaml:8)"
        );
    }
    for (value, dry) in [
        ("'1'", true),
        ("'T'", true),
        ("'true'", true),
        ("'True'", true),
        ("'0'", false),
        ("'false'", false),
        ("'yes'", false),
        ("'TrUe'", false),
    ] {
        let policy = of(&format!("istio.io/dry-run: {value}"), "{}");
        assert_eq!(policy.dry_run, dry, "{value}");
    }
    for spec in ["{}", "", "{rules: []}", "{rules: null}"] {
        let policy = of("", spec);
        assert_eq!(policy.action, Action::Allow, "{spec}");
        assert!(policy.rules.is_empty(), "{spec}: nothing passes");
    }
}

/// An unknown provider refuses what matches (Istio); a known one cannot be asked, and is only left out of a dry run.
#[test]
fn custom() {
    const SPEC: &str = "{action: CUSTOM, provider: {name: ask}, rules: [{}]}";
    let dry = |value: &str| {
        named(
            "p",
            "default",
            &format!(", annotations: {{istio.io/dry-run: '{value}'}}"),
            SPEC,
        )
    };
    let providers = mesh(
        "extensionProviders: [{name: ask, envoyExtAuthzHttp: {service: ask.test, port: \"80\"}}]",
    );
    for (text, said, takes) in [
        (
            policy(SPEC),
            "warning[unknown-provider]: nobody knows the provider `ask`: every request that this policy matches is refused",
            true,
        ),
        (
            dry("true"),
            "warning[unknown-provider]: nobody knows the provider `ask`: every request that this policy matches would be refused",
            true,
        ),
        (
            providers.clone() + &policy(SPEC),
            "error[unsupported-provider]: calling a provider is not supported yet: `ask`",
            false,
        ),
        (
            providers + &dry("true"),
            "warning[provider-not-asked]: `ask` is not asked: it is only recorded what matches",
            true,
        ),
    ] {
        let loaded = load_one(&(base() + &text));
        assert_eq!(told(&loaded), [said]);
        assert_eq!(loaded.compiled.is_some(), takes, "{said}");
        if let Some(compiled) = &loaded.compiled {
            let [policy] = policies(compiled) else {
                panic!()
            };
            assert_eq!(policy.action, Action::Custom);
            assert_eq!(
                policy.dry_run,
                said.contains("would") || said.contains("recorded")
            );
        }
    }
}

/// A gateway whose policies name several providers asks none of them (Istio): what they match is refused.
#[test]
fn several_providers() {
    let providers = mesh("extensionProviders: [{name: a}, {name: b}]");
    let custom = |name: &str, provider: &str| {
        let spec = format!("{{action: CUSTOM, provider: {{name: {provider}}}, rules: [{{}}]}}");
        named(name, "default", "", &spec)
    };
    let with = |policies: &[String]| load_one(&(base() + &providers + &policies.concat()));
    let loaded = with(&[custom("p", "a"), custom("q", "b")]);
    let said = "warning[several-providers]: a gateway asks one provider, and its policies name `a` and `b`: none is asked, and what this policy matches is refused";
    assert_eq!(told(&loaded), [said, said]);
    let policies = policies(loaded.compiled.as_ref().expect("no error"));
    assert!(policies.iter().all(|it| it.action == Action::Custom));

    let one = with(&[custom("p", "a"), custom("q", "a")]);
    let said = "error[unsupported-provider]: calling a provider is not supported yet: `a`";
    assert_eq!(told(&one), [said, said]);
}

/// `spiffe://` or not is the same; trust domains stand for all of their aliases (decision T12).
#[test]
fn trust_domains_and_spiffe_names() {
    let settings = mesh("trustDomain: td1, trustDomainAliases: [td2]")
        .replace("'trustDomain", "'{trustDomain")
        .replace("]'", "]}'");
    let spec = "{rules: [{from: [{source: {principals: ['spiffe://cluster.local/ns/a/sa/b'], trustDomains: [td2, x]}}]}]}";
    let text = base() + &settings + &policy(spec);
    let loaded = load_one(&text);
    assert_eq!(
        told(&loaded)[1],
        "warning[spiffe-prefix]: Istio writes principals without `spiffe://`, and never matches them with it"
    );
    let compiled = super::support::accepted(loaded);
    same(
        &policies(&compiled)[0].rules[0].from[0],
        &[
            (
                "from[0].source.principals",
                false,
                Test::Principals(vec![exact("td1/ns/a/sa/b"), exact("td2/ns/a/sa/b")]),
            ),
            (
                "from[0].source.trustDomains",
                false,
                Test::TrustDomains(vec![exact("td1"), exact("td2"), exact("x")]),
            ),
        ],
    );
}

fn names(policies: &[Policy]) -> Vec<String> {
    let name = |it: &Policy| format!("{}/{}", it.origin.namespace, it.origin.name);
    policies.iter().map(name).collect()
}

/// Own and root namespace, labels and references, one set for gateways with the same policies; root first, then by age.
#[test]
fn which_policies_hold_where() {
    let target = |name: &str| {
        format!(
            "{{targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}]}}"
        )
    };
    let select = "{selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: other}}}";
    let other = gateway_named("other", "", "{name: http, port: 81, protocol: HTTP}");
    let twin = gateway_named("twin", "", "{name: http, port: 82, protocol: HTTP}");
    let text = gateway(HTTP)
        + &other
        + &twin
        + &named("z", "istio-system", "", "{}")
        + &named("b", "default", "", "{}")
        + &named(
            "a",
            "default",
            ", creationTimestamp: '2024-05-01T12:00:00Z'",
            &target("gw"),
        )
        + &named("c", "default", "", select)
        + &named("d", "istio-system", "", select)
        + &named("far", "apps", "", "{}");
    let compiled = compiled(&text);
    let at = |gateway: &str| names(policies_of(&compiled, &format!("default/{gateway}/http")));
    assert_eq!(at("gw"), ["istio-system/z", "default/a", "default/b"]);
    assert_eq!(
        at("other"),
        ["istio-system/d", "istio-system/z", "default/b", "default/c"]
    );
    assert_eq!(at("twin"), ["istio-system/z", "default/b"]);
    let again = gateway_named("third", "", "{name: http, port: 83, protocol: HTTP}");
    let shared = super::support::compiled(&(text + &again));
    let id = |gateway: &str| listener(&shared, &format!("default/{gateway}/http")).policies;
    assert_eq!(id("twin"), id("third"));
    assert_eq!(shared.snapshot.policies.len(), 3);
}

#[test]
fn policies_that_hold_nowhere_say_so() {
    let select = "{selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: gw}}}";
    let target = |kind: &str, name: &str| format!("{{targetRefs: [{{{kind}, name: {name}}}]}}");
    const GATEWAY: &str = "group: gateway.networking.k8s.io, kind: Gateway";
    for (namespace, spec, why) in [
        (
            "apps",
            "{}".to_owned(),
            "no Gateway lies in namespace `apps`",
        ),
        (
            "apps",
            select.to_owned(),
            "no Gateway that it can reach has the labels `gateway.networking.k8s.io/gateway-name=gw`; \
             Gateway `default/gw` lies in another namespace, where the policy cannot reach it",
        ),
        (
            "apps",
            target(GATEWAY, "gw"),
            "there is no Gateway apps/gw; Gateway `default/gw` lies in another namespace, where the policy cannot reach it",
        ),
        (
            "istio-system",
            target(GATEWAY, "gw"),
            "there is no Gateway istio-system/gw; Gateway `default/gw` lies in another namespace, where the policy cannot reach it",
        ),
        (
            "default",
            target("group: '', kind: Service", "s"),
            "a policy of a Service holds in the mesh, not on a gateway",
        ),
        (
            "default",
            target("group: networking.istio.io, kind: ServiceEntry", "s"),
            "a policy of a ServiceEntry holds in the mesh, not on a gateway",
        ),
        (
            "istio-system",
            target(
                "group: gateway.networking.k8s.io, kind: GatewayClass",
                "istio-waypoint",
            ),
            "a GatewayClass is a target for waypoints alone",
        ),
    ] {
        let loaded = load_one(&(base() + &named("p", namespace, "", &spec)));
        let said = format!(
            "warning[policy-without-target]: this policy protects nothing here, because {why}"
        );
        assert_eq!(told(&loaded), [said]);
        let compiled = super::support::accepted(loaded);
        assert!(policies(&compiled).is_empty());
    }
    let two = format!("{{targetRefs: [{{{GATEWAY}, name: gw}}, {{{GATEWAY}, name: lost}}]}}");
    let loaded = load_one(&(base() + &policy(&two)));
    assert_eq!(
        told(&loaded),
        [
            "warning[policy-without-target]: this target of the policy protects nothing here, because there is no Gateway default/lost"
        ]
    );
}

/// Where every target was refused, that is all there is to tell: there is no reason beside it.
#[test]
fn targets_that_were_refused_are_told_once() {
    let bad = "{group: apps, kind: Deployment, name: a}, {group: '', kind: Pod, name: b}";
    for spec in [
        format!("{{targetRefs: [{bad}], rules: [{{}}]}}"),
        "{targetRef: {group: apps, kind: Deployment, name: a}, rules: [{}]}".to_owned(),
    ] {
        for policy in [
            policy(&spec),
            policy(&spec)
                .replace("AuthorizationPolicy", "RequestAuthentication")
                .replace("rules: [{}]", "jwtRules: []"),
        ] {
            let loaded = load_one(&(base() + &policy));
            let mut told = told(&loaded);
            told.retain(|it| !it.contains("[policy-without-effect]"));
            assert!(!told.is_empty() && loaded.compiled.is_none());
            for it in told {
                assert!(it.contains("a policy of Istio cannot target"), "{it}");
            }
        }
    }
}
