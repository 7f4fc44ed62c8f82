//! Tests of token policies: attachment, precedence, and what is said about mistakes.

use std::sync::Arc;

use countersign_core::authn::{Family, Missing};
use countersign_core::backend::Endpoint;
use countersign_core::source::Source;

use super::trust::TrustDomains;
use super::*;
use crate::compiled::KeyLocation;
use crate::source::{Files, Text};

mod istio;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

struct Load {
    policies: Policies,
    diags: Diagnostics,
}

/// Loads policies beside Gateway `apps/edge` (listeners `http` and `https`, label `tier=front`),
/// Gateway `other/edge`, and HTTPRoute `apps/shop` with rules `cart` and one without a name.
fn load(yaml: &str) -> Load {
    let yaml = yaml.replace("KEYS", &format!("'{KEYS}'"));
    let files = Files::new([Text {
        name: "p.yaml".into(),
        content: yaml,
    }]);
    let mut diags = Diagnostics::new();
    let objects = Objects::collect(&files, &|_| None, &mut diags);
    let gateway = |namespace: &str| {
        let mut labels = BTreeMap::new();
        labels.insert("tier".into(), "front".into());
        labels.insert(
            "gateway.networking.k8s.io/gateway-name".into(),
            "edge".into(),
        );
        GatewayInfo {
            key: key(namespace),
            labels,
            listeners: vec!["http".into(), "https".into()],
            client_certificates: false,
        }
    };
    let backend = |wanted: &KeyBackend<'_>| match wanted.name {
        "idp" => Ok(KeyServer {
            endpoint: Endpoint {
                host: "10.0.0.1".into(),
                port: 443,
            },
            tls: None,
        }),
        name => Err(format!(
            "there is no {} `{}/{name}`",
            wanted.kind, wanted.namespace
        )),
    };
    let scene = Scene {
        objects: &objects,
        gateways: vec![gateway("apps"), gateway("other")],
        routes: vec![RouteInfo {
            key: route(),
            rules: vec![Some("cart".into()), None],
        }],
        backend: &backend,
        guard: AddressGuard::default(),
    };
    let policies = compile(&scene, &mut diags);
    Load { policies, diags }
}

fn key(namespace: &str) -> GatewayKey {
    GatewayKey {
        namespace: namespace.into(),
        name: "edge".into(),
    }
}

fn route() -> RouteKey {
    RouteKey {
        kind: "HTTPRoute",
        namespace: "apps".into(),
        name: "shop".into(),
    }
}

impl Load {
    fn istio_rules(&self, namespace: &str) -> Vec<String> {
        let id = self.policies.istio(&key(namespace));
        let rules = id.map(|id| self.policies.requirements[id.0 as usize].rules());
        rules
            .unwrap_or_default()
            .iter()
            .map(|it| it.origin.to_string())
            .collect()
    }

    /// Name of the extension in force for a rule of the route, `none` or `closed`.
    fn at(&self, listener: &str, rule: usize, named: &[&str]) -> String {
        let named: Vec<Arc<str>> = named.iter().map(|it| (*it).into()).collect();
        self.show(
            &self
                .policies
                .rule(&key("apps"), listener, &route(), rule, &named),
        )
    }

    fn show(&self, effect: &Effect) -> String {
        match effect {
            Effect {
                closed: Some(_), ..
            } => "closed".into(),
            Effect { jwt: None, .. } => "none".into(),
            Effect { jwt: Some(id), .. } => self.policies.requirements[id.0 as usize]
                .origin
                .name
                .to_string(),
        }
    }

    /// `code: message` of everything said.
    fn said(&self) -> Vec<String> {
        self.diags
            .iter()
            .map(|it| format!("{}: {}", it.code, it.message))
            .collect()
    }

    fn assert_said(&self, part: &str) {
        let said = self.said();
        assert!(
            said.iter().any(|it| it.contains(part)),
            "{part} is not in {said:#?}"
        );
    }
}

fn authentication(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn extension(name: &str, jwt: &str) -> String {
    format!(
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: {name}, namespace: apps}}\nspec: {{jwt: {jwt}}}\n"
    )
}

fn plain_extension(name: &str) -> String {
    extension(
        name,
        "{providers: [{name: p, issuer: i, jwks: {local: {inline: KEYS}}}]}",
    )
}

fn traffic(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {name}, namespace: apps}}\nspec: {spec}\n"
    )
}

fn on(kind: &str, name: &str, section: &str, jwt: &str) -> String {
    let section = if section.is_empty() {
        String::new()
    } else {
        format!(", sectionName: {section}")
    };
    format!(
        "{{targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}{section}}}], jwtAuth: {jwt}}}"
    )
}

fn uses(extension: &str) -> String {
    format!("{{extensionRef: {{name: {extension}}}}}")
}

const ONE: &str = "{jwtRules: [{issuer: b, jwks: KEYS}]}";

#[test]
fn the_nearest_kgateway_level_decides_alone() {
    let names = ["gw", "lis", "rt", "rl", "fl"];
    let mut yaml: String = names.iter().map(|it| plain_extension(it)).collect();
    yaml += &traffic("p-gw", &on("Gateway", "edge", "", &uses("gw")));
    let only_gateway = load(&yaml);
    assert_eq!(only_gateway.at("http", 0, &[]), "gw");
    yaml += &traffic("p-lis", &on("Gateway", "edge", "https", &uses("lis")));
    let listener = load(&yaml);
    assert_eq!(
        (listener.at("http", 0, &[]), listener.at("https", 0, &[])),
        ("gw".into(), "lis".into())
    );
    assert_eq!(
        listener.show(&listener.policies.listener(&key("apps"), "https")),
        "lis"
    );
    yaml += &traffic("p-rt", &on("HTTPRoute", "shop", "", &uses("rt")));
    assert_eq!(load(&yaml).at("https", 0, &[]), "rt");
    yaml += &traffic("p-rl", &on("HTTPRoute", "shop", "cart", &uses("rl")));
    let rule = load(&yaml);
    assert_eq!(
        (rule.at("https", 0, &[]), rule.at("https", 1, &[])),
        ("rl".into(), "rt".into())
    );
    yaml += &traffic("p-fl", "{jwtAuth: {extensionRef: {name: fl}}}");
    let filter = load(&yaml);
    assert_eq!(
        (filter.at("https", 0, &["p-fl"]), filter.at("https", 0, &[])),
        ("fl".into(), "rl".into())
    );
    assert!(!filter.diags.has_errors(), "{:?}", filter.said());
}

#[test]
fn disabling_opens_its_own_level_only() {
    let yaml = plain_extension("gw")
        + &traffic("p-gw", &on("Gateway", "edge", "", &uses("gw")))
        + &traffic("p-open", &on("HTTPRoute", "shop", "cart", "{disable: {}}"));
    let load = load(&yaml);
    assert_eq!(
        (load.at("http", 0, &[]), load.at("http", 1, &[])),
        ("none".into(), "gw".into())
    );
    assert_eq!(
        load.show(&load.policies.listener(&key("apps"), "http")),
        "gw"
    );
}

#[test]
fn a_policy_without_jwt_auth_says_nothing_about_it() {
    let yaml = plain_extension("gw")
        + &traffic("p-gw", &on("Gateway", "edge", "", &uses("gw")))
        + &traffic(
            "p-nil",
            "{targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]}",
        );
    assert_eq!(load(&yaml).at("http", 0, &[]), "gw");
}

#[test]
fn a_missing_or_foreign_extension_closes_and_a_missing_target_warns() {
    let lost = load(&traffic("p", &on("Gateway", "edge", "", &uses("nowhere"))));
    assert_eq!(lost.at("http", 0, &[]), "closed");
    assert!(lost.diags.has_errors());
    lost.assert_said("there is no GatewayExtension `apps/nowhere`");
    for (kind, name, section, said) in [
        ("Gateway", "nope", "", "there is no Gateway `apps/nope`"),
        ("Gateway", "edge", "nope", "with a section `nope`"),
        (
            "HTTPRoute",
            "shop",
            "nope",
            "there is no HTTPRoute `apps/shop` with a section `nope`",
        ),
        ("GRPCRoute", "shop", "", "there is no GRPCRoute `apps/shop`"),
    ] {
        let yaml = plain_extension("gw") + &traffic("p", &on(kind, name, section, &uses("gw")));
        let load = load(&yaml);
        load.assert_said(said);
        assert!(!load.diags.has_errors(), "a warning: {:?}", load.said());
    }
}

#[test]
fn of_two_policies_on_one_level_the_older_wins_and_the_other_is_told() {
    let dated = |name: &str, date: &str, extension: &str| {
        traffic(name, &on("Gateway", "edge", "", &uses(extension))).replace(
            "namespace: apps}",
            &format!("namespace: apps, creationTimestamp: '{date}'}}"),
        )
    };
    let yaml = plain_extension("one")
        + &plain_extension("two")
        + &dated("a", "2026-02-01T00:00:00Z", "one")
        + &dated("b", "2026-01-01T00:00:00Z", "two");
    let load = load(&yaml);
    assert_eq!(load.at("http", 0, &[]), "two");
    load.assert_said("`jwtAuth` of this policy is overridden where TrafficPolicy `apps/b`");
}

#[test]
fn kgateway_providers_in_full() {
    let jwt = "{validationMode: AllowMissing, providers: [
        {name: z, issuer: i, audiences: [a], clockSkew: 5s, forwardToken: true, tokenSource: {header: {header: X-Jwt, prefix: 'Bearer '}},
         claimsToHeaders: [{name: org.name, header: X-Org, overwrite: true}],
         jwks: {remote: {url: 'https://idp.test/k', backendRef: {name: idp, kind: Backend, group: gateway.kgateway.dev}, cacheDuration: 10m, timeout: 2s, retryPolicy: {numRetries: 3, backOff: {baseInterval: 100ms}}, asyncFetch: {fastListener: true, failedRefetchDuration: 3s}}}},
        {name: a, tokenSource: {queryParameter: t}, jwks: {local: {inline: KEYS}}}]}";
    let load = load(&(extension("e", jwt) + &traffic("p", &on("Gateway", "edge", "", &uses("e")))));
    assert!(!load.diags.has_errors(), "{:?}", load.said());
    let requirement = &load.policies.requirements[0];
    assert_eq!(
        (requirement.missing, requirement.family),
        (Missing::Anonymous, Family::Kgateway)
    );
    let [first, second] = requirement.rules() else {
        panic!("two rules")
    };
    assert_eq!(
        first.sources[..],
        [Source::Query("t".into())],
        "sorted by name"
    );
    assert!(second.forward && !first.forward);
    assert_eq!(
        second.claim_headers[0].path[..],
        [Box::from("org"), Box::from("name")]
    );
    let provider = &load.policies.providers[second.provider.0 as usize];
    assert_eq!((provider.expect.skew, provider.remote), (5, true));
    let KeySource::Remote(remote) = &load.policies.keys[second.provider.0 as usize] else {
        panic!("remote")
    };
    assert_eq!(
        (
            remote.refresh.as_secs(),
            remote.timeout.as_secs(),
            remote.retries
        ),
        (600, 2, 3)
    );
    assert_eq!(
        (remote.backoff.as_millis(), remote.backoff_max.as_millis()),
        (100, 1000)
    );
    assert_eq!(remote.connect.as_ref().map(|it| it.port), Some(443));
}

#[test]
fn kgateway_mistakes_are_named() {
    let provider = |fields: &str| format!("{{providers: [{{name: p, {fields}}}]}}");
    for (jwt, said) in [
        (provider("issuer: i"), "needs a field `jwks`"),
        (
            provider("jwks: {local: {inline: nonsense}}"),
            "there are no keys in this text",
        ),
        (
            provider("jwks: {local: {configMapRef: {name: nope}}}"),
            "there is no ConfigMap `apps/nope`",
        ),
        (
            provider("jwks: {remote: {url: 'http://a/b', backendRef: {name: gone}}}"),
            "there is no Service `apps/gone`",
        ),
        (
            provider("jwks: {remote: {url: 'http://a/b'}}"),
            "needs a field `backendRef`",
        ),
        (
            provider("audiences: [], jwks: {local: {inline: KEYS}}"),
            "this list has 0 items",
        ),
        (
            provider("clockSkew: 500ms, jwks: {local: {inline: KEYS}}"),
            "clockSkew takes whole seconds",
        ),
        (
            provider(
                "tokenSource: {header: {header: a}, queryParameter: b}, jwks: {local: {inline: KEYS}}",
            ),
            "takes one of",
        ),
        (
            provider("remoteJwks: {}, jwks: {local: {inline: KEYS}}"),
            "unknown field `remoteJwks`",
        ),
        (
            "{validationMode: Loose, providers: []}".into(),
            "is not a value of this field",
        ),
        (
            "{validationMode: AllowMissing}".into(),
            "it protects nothing",
        ),
    ] {
        load(&extension("e", &jwt)).assert_said(said);
    }
    load(&traffic("p", "{cors: {}}"))
        .assert_said("field `cors` of `TrafficPolicy.spec` is not supported");
    load(&traffic("p", &on("ListenerSet", "x", "", "{disable: {}}"))).assert_said("cannot target");
}

#[test]
fn a_config_map_may_hold_the_keys() {
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys, namespace: apps}\ndata: {jwks: KEYS}\n";
    let jwt = "{providers: [{name: p, jwks: {local: {configMapRef: {name: keys}}}}]}";
    let load = load(&(extension("e", jwt) + map));
    assert!(!load.diags.has_errors(), "{:?}", load.said());
    assert!(matches!(&load.policies.keys[0], KeySource::Inline(set) if set.len() == 1));
}

#[test]
fn the_mesh_is_read_from_its_config_map() {
    let mesh = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: mesh}
data:
  mesh: |
    accessLogFile: /dev/stdout
    trustDomain: td
    trustDomainAliases: [old]
    pathNormalization: {normalization: MERGE_SLASHES}
    defaultConfig: {discoveryAddress: istiod:15012, gatewayTopology: {numTrustedProxies: 2}}
    extensionProviders: [{name: ext, envoyExtAuthzHttp: {service: a, port: 1}}]
";
    let good = load(&(mesh.to_owned() + &authentication("r", "mesh", ONE)));
    assert_eq!(
        good.policies.mesh,
        Mesh {
            root_namespace: "mesh".into(),
            normalization: countersign_core::path::Normalization::MergeSlashes,
            trusted_proxies: 2,
            trust_domains: TrustDomains::new(Some("td".into()), vec!["old".into()]),
            providers: ["ext".into()].into(),
        }
    );
    assert_eq!(
        good.istio_rules("apps").len(),
        1,
        "`mesh` is the root namespace"
    );
    good.assert_said("`accessLogFile` of MeshConfig does not concern a gateway");
    assert!(!good.diags.has_errors(), "{:?}", good.said());
    let bad = load(&mesh.replace("MERGE_SLASHES", "SOME"));
    bad.assert_said("MeshConfig line 4: `SOME` is not a value of this field");
}
