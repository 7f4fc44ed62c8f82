//! Random sets of policies, as an administrator might write them, that Istio's admission would take.
//!
//! `__NS__` stands for the namespace of the group's gateway, `__PORT__` for its port.

use serde_json::{Map, Value, json};

use crate::keys;
use crate::random::Random;
use crate::vocabulary::{
    CONDITIONS, Field, IDENTITIES, ISSUERS, OPERATIONS, SERVICE_ACCOUNT, SOURCES, TLS_CONDITIONS,
};

/// All that hold on one gateway, and how it listens.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// AuthorizationPolicies and RequestAuthentications.
    pub(crate) documents: Vec<Value>,
    /// Istio's `pathNormalization`.
    pub(crate) normalization: &'static str,
    /// Istio's `numTrustedProxies`.
    pub(crate) proxies: usize,
    /// Whether it speaks TLS and asks for client certificates.
    pub(crate) tls: bool,
}

impl Group {
    pub(crate) fn random(random: &mut Random) -> Self {
        let tls = random.percent(30);
        let mut documents = Vec::new();
        for number in 0..*random.pick(&[0, 1, 1, 1, 1, 2]) {
            documents.push(authentication(random, number));
        }
        for number in 0..*random.pick(&[1, 1, 1, 2, 2, 3, 4]) {
            documents.push(authorization(random, number, tls));
        }
        Self {
            documents,
            normalization: *random.pick(&[
                "BASE",
                "BASE",
                "NONE",
                "MERGE_SLASHES",
                "DECODE_AND_MERGE_SLASHES",
            ]),
            proxies: *random.pick(&[0, 1, 1, 2]),
            tls,
        }
    }

    pub(crate) fn policies(&self) -> impl Iterator<Item = &Value> {
        self.documents
            .iter()
            .filter(|it| it["kind"] == "AuthorizationPolicy")
    }

    /// The rules of every RequestAuthentication that holds here.
    pub(crate) fn token_rules(&self) -> impl Iterator<Item = &Value> {
        let documents = self.documents.iter();
        documents
            .filter(|it| it["kind"] == "RequestAuthentication" && holds(it))
            .flat_map(|it| it["spec"]["jwtRules"].as_array().into_iter().flatten())
    }
}

/// Whether a document finds the group's gateway, as [`selection`] lets it.
fn holds(document: &Value) -> bool {
    let spec = &document["spec"];
    let other = json!("other");
    let named = |it: &Value| it.is_null() || it["name"] == "gw";
    let refs = spec["targetRefs"].as_array();
    spec["selector"]["matchLabels"]["app"] != other
        && named(&spec["targetRef"])
        && refs.is_none_or(|it| it.iter().any(named))
}

fn authentication(random: &mut Random, number: usize) -> Value {
    let mut spec = selection(random);
    let count = random.between(1, 2);
    let rules: Vec<Value> = (0..count).map(|_| token_rule(random)).collect();
    spec.insert("jwtRules".into(), rules.into());
    let mut document = document("RequestAuthentication", &format!("ra{number}"), &spec);
    if random.percent(15) {
        for_the_root(&mut document);
    }
    document
}

/// Moves a policy into the root namespace. That is everybody's: a selector keeps the policy to one group.
fn for_the_root(document: &mut Value) {
    let name = document["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    document["metadata"]["namespace"] = "istio-system".into();
    document["metadata"]["name"] = format!("{name}-__NS__").into();
    let spec = document["spec"].as_object_mut().expect("a mapping");
    spec.remove("targetRef");
    spec.remove("targetRefs");
    spec.insert(
        "selector".into(),
        json!({"matchLabels": {"group": "__NS__"}}),
    );
}

fn token_rule(random: &mut Random) -> Value {
    let issuer = *random.pick(&[0, 0, 1, 2]);
    let mut rule = Map::new();
    rule.insert("issuer".into(), ISSUERS[issuer].into());
    rule.insert("jwks".into(), keys::published(issuer).into());
    if random.percent(20) {
        let audiences = random.some(&["api", "web", "https://api/"], 2);
        rule.insert("audiences".into(), json!(audiences));
    }
    if random.percent(25) {
        rule.insert("forwardOriginalToken".into(), true.into());
    }
    places(random, &mut rule);
    if random.percent(25) {
        let claims = [("x-sub", "sub"), ("x-role", "role"), ("x-level", "level")];
        let outputs = random.some(&claims, 2);
        let outputs = outputs
            .iter()
            .map(|(header, claim)| json!({"header": header, "claim": claim}));
        rule.insert(
            "outputClaimToHeaders".into(),
            outputs.collect::<Vec<_>>().into(),
        );
    }
    if random.percent(10) {
        rule.insert("outputPayloadToHeader".into(), "x-payload".into());
    }
    if random.percent(15) {
        rule.insert("spaceDelimitedClaims".into(), json!(["scp"]));
    }
    rule.into()
}

/// Where the tokens of a rule are; none of these is Istio's default.
fn places(random: &mut Random, rule: &mut Map<String, Value>) {
    if random.percent(75) {
        return;
    }
    let (headers, params, cookies) = (
        json!([{"name": "x-token"}, {"name": "authorization", "prefix": "Token "}]),
        json!(["tok"]),
        json!(["session"]),
    );
    let all = [
        ("fromHeaders", headers),
        ("fromParams", params),
        ("fromCookies", cookies),
    ];
    let count = random.between(1, 2);
    for (name, value) in random.some(&all, count) {
        rule.insert((*name).into(), value.clone());
    }
}

fn authorization(random: &mut Random, number: usize, tls: bool) -> Value {
    let action = *random.pick(&[
        "ALLOW", "ALLOW", "ALLOW", "ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "DENY", "DENY",
        "AUDIT", "CUSTOM",
    ]);
    let mut spec = selection(random);
    if action != "ALLOW" || random.percent(50) {
        spec.insert("action".into(), action.into());
    }
    let least = usize::from(action != "ALLOW" || random.percent(90));
    let count = least * random.between(1, 3);
    if action == "CUSTOM" {
        // Nobody has set that provider up: what the rules match is denied.
        spec.insert("provider".into(), json!({"name": "nowhere"}));
    }
    // Without any rule an ALLOW policy admits nobody.
    if count > 0 {
        let custom = action == "CUSTOM";
        let rules: Vec<Value> = (0..count)
            .map(|_| {
                if custom {
                    custom_rule(random)
                } else {
                    rule(random, tls)
                }
            })
            .collect();
        spec.insert("rules".into(), rules.into());
    }
    let mut document = document("AuthorizationPolicy", &format!("ap{number}"), &spec);
    if random.percent(8) {
        let value = *random.pick(&["true", "1", "false", "yes"]);
        document["metadata"]["annotations"] = json!({"istio.io/dry-run": value});
    }
    if random.percent(15) {
        for_the_root(&mut document);
    } else if random.percent(5) {
        document["metadata"]["namespace"] = "elsewhere".into();
        document["metadata"]["name"] = format!("ap{number}-__NS__").into();
    }
    document
}

/// How a policy finds its gateway, or misses it.
fn selection(random: &mut Random) -> Map<String, Value> {
    let (key, value) = match random.below(20) {
        0..8 => return Map::new(),
        8..13 => ("selector", json!({"matchLabels": {"app": "edge"}})),
        13..15 => (
            "selector",
            json!({"matchLabels": {"app": "edge", "group": "__NS__"}}),
        ),
        15 => ("selector", json!({"matchLabels": {"app": "other"}})),
        16 => ("targetRefs", json!([target("other")])),
        18 => ("targetRef", target("gw")),
        17 => ("targetRefs", json!([target("other"), target("gw")])),
        _ => ("targetRefs", json!([target("gw")])),
    };
    Map::from_iter([(key.to_owned(), value)])
}

fn target(name: &str) -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name})
}

fn document(kind: &str, name: &str, spec: &Map<String, Value>) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "__NS__"},
        "spec": spec,
    })
}

fn rule(random: &mut Random, tls: bool) -> Value {
    let mut rule = Map::new();
    if random.percent(if tls { 70 } else { 45 }) {
        let sources = (0..random.between(1, 2)).map(|_| json!({"source": source(random, tls)}));
        rule.insert("from".into(), sources.collect::<Vec<_>>().into());
    }
    if random.percent(60) {
        let operations = (0..random.between(1, 2))
            .map(|_| json!({"operation": fields(random, &OPERATIONS.iter().collect::<Vec<_>>())}));
        rule.insert("to".into(), operations.collect::<Vec<_>>().into());
    }
    if random.percent(45) {
        let conditions = (0..random.between(1, 2)).map(|_| condition(random, tls));
        rule.insert("when".into(), conditions.collect::<Vec<_>>().into());
    }
    rule.into()
}

/// CUSTOM comes before tokens are looked at, so admission takes nothing there that is about callers.
fn custom_rule(random: &mut Random) -> Value {
    let operation = fields(random, &OPERATIONS.iter().collect::<Vec<_>>());
    let headers: Vec<&Field> = CONDITIONS
        .iter()
        .filter(|it| it.name.starts_with("request.headers"))
        .collect();
    let field = *random.pick(&headers);
    let mut rule = json!({"to": [{"operation": operation}]});
    if random.percent(40) {
        rule["when"] = json!([{"key": field.name, "values": values(random, field)}]);
    }
    rule
}

fn source(random: &mut Random, tls: bool) -> Map<String, Value> {
    let mut known: Vec<&Field> = SOURCES.iter().collect();
    if tls && random.percent(25) {
        known.push(&SERVICE_ACCOUNT);
        known.extend(&IDENTITIES[2..]);
    } else if tls {
        known.extend(IDENTITIES.iter().chain(IDENTITIES));
    }
    fields(random, &known)
}

fn fields(random: &mut Random, known: &[&Field]) -> Map<String, Value> {
    let mut fields = Map::new();
    for _ in 0..*random.pick(&[1, 1, 1, 1, 2, 2, 3]) {
        let field = random.pick(known);
        let name = if random.percent(25) {
            negated(field.name)
        } else {
            field.name.to_owned()
        };
        fields.insert(name, values(random, field));
    }
    fields
}

fn condition(random: &mut Random, tls: bool) -> Value {
    let field = if tls && random.percent(50) {
        random.pick(TLS_CONDITIONS)
    } else {
        random.pick(CONDITIONS)
    };
    let mut condition = json!({"key": field.name});
    let which = random.below(10);
    if which < 7 {
        condition["values"] = values(random, field);
    }
    if which >= 6 {
        condition["notValues"] = values(random, field);
    }
    condition
}

fn values(random: &mut Random, field: &Field) -> Value {
    let count = *random.pick(&[1, 1, 2, 3]);
    json!(random.some(field.values, count))
}

/// `paths`: `notPaths`.
fn negated(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("not{}{rest}", first.to_ascii_uppercase())
}
