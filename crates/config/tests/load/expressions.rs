//! CEL rules: where kgateway's `rbac` holds and what of it is refused; mistakes in expressions; what rules demand.

use countersign_config::compiled::Compiled;
use countersign_core::authz::{Join, Rbac, RuleAction};

use super::support::{
    HTTP, SERVICE, TO_SERVICE, codes, compiled, gateway, listener, load_one, route, told,
};

pub(crate) const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

pub(crate) const GATEWAY: &str = "group: gateway.networking.k8s.io, kind: Gateway, name: gw";
pub(crate) const ROUTE: &str = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: r";

/// A Gateway `gw` with listeners `http` and `other`, and an HTTPRoute `r` with rules `one` and `two` on both.
pub(crate) fn scene(policies: &str) -> String {
    let rules = format!(
        "{{name: one, {TO_SERVICE}}}, {{name: two, matches: [{{path: {{value: /two}}}}], {TO_SERVICE}}}"
    );
    gateway(&format!(
        "{HTTP}, {{name: other, port: 81, protocol: HTTP}}"
    )) + SERVICE
        + &route(&rules)
        + policies
}

pub(crate) fn traffic(name: &str, target: &str, fields: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  targetRefs: [{{{target}}}]\n  {fields}\n---\n"
    )
}

pub(crate) fn rbac(name: &str, target: &str, policy: &str) -> String {
    traffic(name, target, &format!("rbac: {{policy: {{{policy}}}}}"))
}

pub(crate) fn agentgateway(name: &str, target: &str, traffic: &str) -> String {
    format!(
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  targetRefs: [{{{target}}}]\n  traffic: {{{traffic}}}\n---\n"
    )
}

pub(crate) fn authorization(name: &str, target: &str, action: &str, expressions: &str) -> String {
    let policy = format!("action: {action}, policy: {{matchExpressions: [{expressions}]}}");
    agentgateway(name, target, &format!("authorization: {{{policy}}}"))
}

/// `action policy` of each rule, by set: `Allow a|Deny b + Allow c`.
fn shown(rbac: Option<&Rbac>) -> String {
    let Some(rbac) = rbac else {
        return "none".to_owned();
    };
    let sets = rbac.sets.iter().map(|set| {
        let rules = set.rules().iter();
        let rules: Vec<String> = rules
            .map(|it| format!("{} {}", it.action, it.origin.name))
            .collect();
        rules.join("|")
    });
    sets.collect::<Vec<_>>().join(" + ")
}

/// What holds for a rule of the route on a listener.
pub(crate) fn at(compiled: &Compiled, title: &str, rule: &str) -> String {
    let found = listener(compiled, title).routes.entries().find(|it| {
        let name = &compiled.snapshot.rule(it.rule).unwrap().name;
        **name == format!("default/r/{rule}")
    });
    let rbac = found
        .unwrap()
        .rbac
        .map(|id| compiled.snapshot.rbac(id).unwrap());
    shown(rbac)
}

pub(crate) fn unrouted(compiled: &Compiled, title: &str) -> String {
    let rbac = listener(compiled, title).rbac;
    shown(rbac.map(|id| compiled.snapshot.rbac(id).unwrap()))
}

pub(crate) const YES: &str = "matchExpressions: ['true']";

#[test]
fn of_kgateway_the_nearest_level_decides_alone() {
    let mut yaml = scene("");
    assert_eq!(at(&compiled(&yaml), "default/gw/http", "one"), "none");
    yaml += &rbac("far", GATEWAY, YES);
    let far = compiled(&yaml);
    assert_eq!(at(&far, "default/gw/http", "one"), "Allow far");
    assert_eq!(unrouted(&far, "default/gw/http"), "Allow far");
    yaml += &rbac("listener", &format!("{GATEWAY}, sectionName: other"), YES);
    yaml += &rbac("rule", &format!("{ROUTE}, sectionName: two"), YES);
    let near = compiled(&yaml);
    let all = |rule| {
        (
            at(&near, "default/gw/http", rule),
            at(&near, "default/gw/other", rule),
        )
    };
    assert_eq!(all("one"), ("Allow far".into(), "Allow listener".into()));
    assert_eq!(all("two"), ("Allow rule".into(), "Allow rule".into()));
    yaml += &rbac("route", ROUTE, YES);
    let route = compiled(&yaml);
    assert_eq!(at(&route, "default/gw/other", "one"), "Allow route");
    assert_eq!(at(&route, "default/gw/other", "two"), "Allow rule");
    assert_eq!(unrouted(&route, "default/gw/other"), "Allow listener");
}

/// Fields of policies do not know of each other: one that says nothing about a field leaves it to farther levels.
#[test]
fn each_field_has_its_own_winner() {
    let extension = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: e}}\n\
         spec: {{jwt: {{providers: [{{name: p, issuer: i, jwks: {{local: {{inline: '{KEYS}'}}}}}}]}}}}\n---\n"
    );
    let uses = "jwtAuth: {extensionRef: {name: e}}";
    let yaml = scene(&extension)
        + &traffic("tokens", GATEWAY, uses)
        + &rbac("far", GATEWAY, YES)
        + &rbac("near", ROUTE, YES)
        + &traffic(
            "open",
            &format!("{ROUTE}, sectionName: two"),
            "jwtAuth: {disable: {}}",
        );
    let compiled = compiled(&yaml);
    let jwt = |name: &str| {
        let mut entries = listener(&compiled, "default/gw/http").routes.entries();
        let found = entries.find(|it| &*compiled.snapshot.rule(it.rule).unwrap().name == name);
        found.unwrap().jwt.is_some()
    };
    assert!(jwt("default/r/one") && !jwt("default/r/two"));
    assert_eq!(at(&compiled, "default/gw/http", "one"), "Allow near");
    assert_eq!(at(&compiled, "default/gw/http", "two"), "Allow near");
    assert_eq!(unrouted(&compiled, "default/gw/http"), "Allow far");
}

#[test]
fn filters_name_policies_that_come_first() {
    let filter = "filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: TrafficPolicy, name: named}}]";
    let named = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: named}\n\
                 spec: {rbac: {action: Deny, policy: {matchExpressions: ['false']}}}\n---\n";
    let yaml = gateway(HTTP)
        + SERVICE
        + &route(&format!("{{name: one, {filter}, {TO_SERVICE}}}"))
        + &rbac("rule", &format!("{ROUTE}, sectionName: one"), YES)
        + named;
    assert_eq!(at(&compiled(&yaml), "default/gw/http", "one"), "Deny named");
}

/// A rule that names several policies: of each field the first decides, and the others are told.
#[test]
fn of_several_policies_that_a_filter_names_the_first_decides_and_the_rest_is_told() {
    let filters = |names: &str| {
        let filters = names.split(' ').map(|it| {
            format!("{{type: ExtensionRef, extensionRef: {{group: gateway.kgateway.dev, kind: TrafficPolicy, name: {it}}}}}")
        });
        filters.collect::<Vec<_>>().join(", ")
    };
    let named = |name: &str, fields: &str| {
        format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {name}}}\nspec: {{{fields}}}\n---\n"
        )
    };
    let rbac = |action: &str| {
        format!("rbac: {{action: {action}, policy: {{matchExpressions: ['true']}}}}")
    };
    let policies = named("a", &rbac("Allow"))
        + &named("b", &rbac("Deny"))
        + &named("c", "jwtAuth: {disable: {}}")
        + &named(
            "d",
            &format!("jwtAuth: {{disable: {{}}}}, {}", rbac("Deny")),
        );
    let scene = |names: &str| {
        gateway(HTTP)
            + SERVICE
            + &route(&format!(
                "{{name: one, filters: [{}], {TO_SERVICE}}}",
                filters(names)
            ))
            + &policies
    };
    let overridden = |field: &str, loser: &str, winner: &str| {
        format!(
            "warning[policy-overridden]: `{field}` of TrafficPolicy `{loser}` is overridden here: `{winner}`, \
             which the rule names before, says the same"
        )
    };
    for (names, decides, expected) in [
        ("a b", "Allow a", vec![overridden("rbac", "b", "a")]),
        ("b a", "Deny b", vec![overridden("rbac", "a", "b")]),
        ("a c", "Allow a", vec![]),
        ("a a", "Allow a", vec![]),
        (
            "a c d",
            "Allow a",
            vec![
                overridden("rbac", "d", "a"),
                overridden("jwtAuth", "d", "c"),
            ],
        ),
    ] {
        let loaded = load_one(&scene(names));
        let mut told = told(&loaded);
        told.retain(|it| it.contains("policy-overridden"));
        told.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(told, expected, "{names}");
        let compiled = loaded.compiled.unwrap();
        assert_eq!(at(&compiled, "default/gw/http", "one"), decides, "{names}");
    }
}

#[test]
fn of_two_policies_on_one_level_the_first_wins_field_by_field() {
    let yaml = scene(&(rbac("b", GATEWAY, YES) + &rbac("a", GATEWAY, YES)));
    let loaded = load_one(&yaml);
    assert_eq!(
        told(&loaded),
        [
            "warning[policy-overridden]: `rbac` of this policy is overridden where TrafficPolicy `default/a`, \
             which comes first, says the same"
        ]
    );
    assert_eq!(
        at(&loaded.compiled.unwrap(), "default/gw/http", "one"),
        "Allow a"
    );
}

#[test]
fn kgateway_rbac_in_full() {
    let policy = "matchExpressions: ['jwt.sub == \"a\"', \"'x' in jwt.groups\"], \
                  allowedCIDRs: [10.0.0.0/8, '::ffff:192.0.2.0/120'], blockedCIDRs: [10.1.2.3/16]";
    let yaml = scene(&traffic(
        "p",
        GATEWAY,
        &format!("rbac: {{action: Deny, policy: {{{policy}}}}}"),
    ));
    let compiled = compiled(&yaml);
    let rule = &compiled.snapshot.rbacs[0].sets[0].rules()[0];
    assert_eq!((rule.action, rule.join), (RuleAction::Deny, Join::Any));
    let parts: Vec<String> = rule
        .expressions
        .iter()
        .map(|it| it.origin.to_string())
        .collect();
    assert!(
        parts[1].starts_with("TrafficPolicy default/p rbac.policy.matchExpressions[1] (t.yaml:"),
        "{parts:?}"
    );
    assert_eq!(rule.expressions[0].program.source(), "jwt.sub == \"a\"");
    let allowed = rule.allowed.as_ref().unwrap();
    assert_eq!(
        allowed
            .networks
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.0/24"]
    );
    let blocked = rule.blocked.as_ref().unwrap();
    assert_eq!(&*blocked.origin.part, "rbac.policy.blockedCIDRs");
    assert_eq!(blocked.networks[0].to_string(), "10.1.0.0/16");
}

#[test]
fn kgateway_mistakes() {
    for (fields, said) in [
        ("rbac: {}", "missing-field: `rbac` needs a field `policy`"),
        (
            "rbac: {policy: {}}",
            "missing-field: `rbac.policy` needs one of",
        ),
        (
            "rbac: {policy: {matchExpressions: []}}",
            "out-of-range: this list has 0 items",
        ),
        (
            "rbac: {policy: {matchExpressions: ['']}}",
            "out-of-range: this string must not be empty",
        ),
        (
            "rbac: {policy: {matchExpressions: [true]}}",
            "wrong-type: expected a string",
        ),
        (
            "rbac: {action: Require, policy: {matchExpressions: ['true']}}",
            "invalid-value: `Require` is not",
        ),
        (
            "rbac: {action: deny, policy: {matchExpressions: ['true']}}",
            "invalid-value: `deny` is not",
        ),
        (
            "rbac: {policy: {allowedCIDRs: [10.0.0.1]}}",
            "invalid-value: `10.0.0.1` is not a network",
        ),
        (
            "rbac: {policy: {blockedCIDRs: [10.0.0.0/33]}}",
            "invalid-value: `10.0.0.0/33` is not a network",
        ),
        ("rbac: {policy: {blockedCIDRs: []}}", "out-of-range"),
        (
            "rbac: {policy: {matchExpression: ['true']}}",
            "unknown-field: unknown field `matchExpression`",
        ),
        (
            "rbac: {disable: {}, policy: {matchExpressions: ['true']}}",
            "unknown-field: unknown field `disable`",
        ),
        (
            "rbac: {policy: {matchExpressions: ['nosuch == 1']}}",
            "invalid-expression: unknown variable `nosuch`",
        ),
        (
            "rbac: {policy: {matchExpressions: ['request.size > 1']}}",
            "invalid-expression: `request` has no field `size`",
        ),
        (
            "rbac: {policy: {matchExpressions: ['jwt.a.splt(1)']}}",
            "invalid-expression: unknown function `splt`",
        ),
        (
            "rbac: {policy: {matchExpressions: ['(true']}}",
            "invalid-expression: `(` has no partner",
        ),
    ] {
        let loaded = load_one(&scene(&traffic("p", GATEWAY, fields)));
        let told: Vec<String> = loaded
            .diagnostics
            .errors()
            .map(|it| format!("{}: {}", it.code, it.message))
            .collect();
        assert!(
            told.iter().any(|it| it.starts_with(said)),
            "{fields}: {told:#?}"
        );
        assert!(loaded.compiled.is_none());
    }
}

/// All mistakes at once, each where it stands.
#[test]
fn mistakes_in_expressions_have_a_place() {
    let yaml = scene(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\nspec:\n  \
         targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]\n  rbac:\n    policy:\n      \
         matchExpressions:\n      - jwtt.sub == 'a' && request.size > 3\n      - \"source.adress == 'x'\"\n      - |\n        \
         jwt.sub == 'a'\n        && nobody()\n",
    );
    let loaded = load_one(&yaml);
    let place = |it: &countersign_config::diagnostic::Diagnostic| {
        let span = it.span.unwrap();
        (
            loaded.files.slice(span).to_owned(),
            it.message.clone(),
            it.help.clone().unwrap_or_default(),
        )
    };
    let told: Vec<_> = loaded.diagnostics.errors().map(place).collect();
    let [first, second, third, block] = &told[..] else {
        panic!("{told:#?}")
    };
    assert_eq!((&*first.0, &*first.2), ("jwtt", "did you mean `jwt`?"));
    assert_eq!(second.0, "size");
    assert!(
        second.2.starts_with("it is not known before the body"),
        "{second:?}"
    );
    assert_eq!(
        (&*third.0, &*third.2),
        ("adress", "did you mean `address`?")
    );
    assert_eq!(block.1, "unknown function `nobody`, at `nobody()\\n`");
}

/// What variables of the environment hold is not shown (decision P5).
#[test]
fn expanded_expressions_are_not_shown() {
    let yaml = scene(&rbac(
        "p",
        GATEWAY,
        "matchExpressions: ['jwt.sub == ${WHO}']",
    ));
    let text = countersign_config::source::Text {
        name: "t.yaml".into(),
        content: yaml,
    };
    let loaded = countersign_config::load(vec![text], &|_| Some("hunter2".into()));
    let style = countersign_config::diagnostic::Style::Plain;
    let shown = loaded.diagnostics.render(&loaded.files, style);
    assert!(shown.contains("invalid-expression"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Claims that nobody can have there: that is told once, and not where tokens are verified.
#[test]
fn claims_without_tokens_are_told() {
    let reads = "matchExpressions: ['jwt.sub == \"a\"']";
    let alone = scene(&rbac("p", GATEWAY, reads));
    assert_eq!(codes(&alone), ["no-verified-token"]);
    let istio = format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a}}\n\
         spec: {{jwtRules: [{{issuer: i, presence: REQUIRED, jwks: '{KEYS}'}}]}}\n---\n"
    );
    assert!(codes(&(alone.clone() + &istio)).is_empty());
    let provider = format!("{{issuer: i, jwks: {{inline: '{KEYS}'}}}}");
    let tokens = format!("jwtAuthentication: {{providers: [{provider}]}}");
    let beside = |target: &str| codes(&(alone.clone() + &agentgateway("t", target, &tokens)));
    assert!(beside(GATEWAY).is_empty());
    assert!(beside(ROUTE).is_empty());
    assert_eq!(
        beside(&format!("{ROUTE}, sectionName: one")),
        ["no-verified-token"]
    );
    assert!(codes(&scene(&rbac("p", GATEWAY, YES))).is_empty());
}

/// Decision P5a: words that change whenever a rule does.
#[test]
fn what_rules_demand_is_told() {
    let demands = |policies: &str| -> Vec<String> {
        let compiled = compiled(&scene(policies));
        let words = compiled.protection[0].demands.iter();
        words.map(ToString::to_string).collect()
    };
    let [word] = &demands(&rbac("p", GATEWAY, YES))[..] else {
        panic!("one word")
    };
    assert!(
        word.starts_with("rbac:Allow TrafficPolicy default/p "),
        "{word}"
    );
    for other in [
        rbac("p", GATEWAY, "matchExpressions: ['true', 'false']"),
        rbac(
            "p",
            GATEWAY,
            "matchExpressions: ['true'], allowedCIDRs: [10.0.0.0/8]",
        ),
        rbac(
            "p",
            GATEWAY,
            "matchExpressions: ['true'], blockedCIDRs: [10.0.0.0/8]",
        ),
        traffic(
            "p",
            GATEWAY,
            &format!("rbac: {{action: Deny, policy: {{{YES}}}}}"),
        ),
        String::new(),
    ] {
        assert!(!demands(&other).contains(word), "{other}");
    }
    let (deny, allow) = (
        authorization("d", GATEWAY, "Deny", "'false'"),
        authorization("a", GATEWAY, "Allow", "'true'"),
    );
    let both = demands(&(deny.clone() + &allow));
    assert_eq!(both.len(), 2, "{both:?}");
    // One more alternative asks for less, one more `Deny` for more.
    let more = demands(&(deny.clone() + &allow + &authorization("b", GATEWAY, "Allow", "'true'")));
    assert!(!both.iter().all(|it| more.contains(it)), "{more:?}");
    let more = demands(&(deny + &allow + &authorization("e", GATEWAY, "Deny", "'true'")));
    assert!(both.iter().all(|it| more.contains(it)), "{more:?}");
}
