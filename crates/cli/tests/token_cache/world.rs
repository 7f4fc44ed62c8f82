//! A gateway of two workers, routes in two namespaces, and policies that are written anew.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::client::Request;
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{self, Key};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example.com";

/// Namespaces and names of the routes; each takes the path `/namespace/name`.
const ROUTES: [(&str, &str); 4] = [("apps", "a"), ("apps", "b"), ("apps", "c"), ("more", "a")];

/// The running gateway.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    upstream: Upstream,
}

impl World {
    pub(crate) fn start(policies: &[Value]) -> Self {
        Self::with(&json!({}), policies)
    }

    /// With a `spec` of GatewayParameters.
    pub(crate) fn with(parameters: &Value, policies: &[Value]) -> Self {
        let upstream = Upstream::start("app");
        let port = port::free();
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("gateway.yaml", &yaml(&edge(port, &upstream)))
            .file("parameters.yaml", &yaml(&[settings(parameters)]))
            .file("policies.yaml", &yaml(policies))
            .arg("--workers")
            .arg("2")
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        Self {
            gateway,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            upstream,
        }
    }

    /// Puts other policies in force.
    pub(crate) fn reload(&self, policies: &[Value]) {
        self.rewrite("policies.yaml", policies);
    }

    /// Puts other parameters in force.
    pub(crate) fn set(&self, parameters: &Value) {
        self.rewrite("parameters.yaml", &[settings(parameters)]);
    }

    fn rewrite(&self, file: &str, objects: &[Value]) {
        let applied = || {
            let series = r#"countersign_reload_total{result="applied"}"#;
            self.gateway.metric(series).unwrap_or_default()
        };
        let (before, begun) = (applied(), Instant::now());
        self.gateway.write(file, &yaml(objects));
        while applied() <= before {
            let late = begun.elapsed() > Duration::from_secs(20);
            assert!(!late, "not taken over:\n{}", self.gateway.stderr());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a token gets at a path: the status, and the body unless it comes from the upstream.
    pub(crate) fn ask(&self, path: &str, token: &str) -> (u16, String) {
        let before = self.upstream.seen().len();
        let response = Request::get(path).bearer(token).send(self.address);
        let reached = self.upstream.seen().len() > before;
        assert_eq!(reached, response.status == 200, "{}", response.text());
        let refusal = if reached {
            String::new()
        } else {
            response.text()
        };
        (response.status, refusal)
    }

    pub(crate) fn status(&self, path: &str, token: &str) -> u16 {
        self.ask(path, token).0
    }

    /// Makes a token hot: both workers have let it in, over and over.
    pub(crate) fn heat(&self, path: &str, token: &str) {
        let before = self.count("hits");
        for _ in 0..10 {
            assert_eq!(self.ask(path, token), (200, String::new()), "{path}");
        }
        assert!(self.count("hits") >= before + 9.0, "it was not kept");
    }

    /// `hits` or `misses` of the cache.
    pub(crate) fn count(&self, what: &str) -> f64 {
        let series = format!("countersign_token_cache_{what}_total");
        self.gateway.metric(&series).expect("a number")
    }

    pub(crate) fn bytes(&self) -> f64 {
        let bytes = self.gateway.metric("countersign_token_cache_bytes");
        bytes.expect("a number")
    }
}

fn object(api: &str, kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
}

fn edge(port: u16, upstream: &Upstream) -> Vec<Value> {
    let api = "gateway.networking.k8s.io/v1";
    let parameters =
        json!({"group": "countersign.dev", "kind": "GatewayParameters", "name": "edge"});
    let spec = json!({
        "gatewayClassName": "countersign",
        "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
        "infrastructure": {"parametersRef": parameters},
        "listeners": [{
            "name": "http", "protocol": "HTTP", "port": port,
            "allowedRoutes": {"namespaces": {"from": "All"}},
        }],
    });
    let mut all = vec![object(api, "Gateway", "apps", "edge", &spec)];
    for namespace in ["apps", "more"] {
        let host = json!({"host": "127.0.0.1", "port": upstream.address().port()});
        let spec = json!({"static": {"hosts": [host]}});
        let api = "gateway.kgateway.dev/v1alpha1";
        all.push(object(api, "Backend", namespace, "app", &spec));
    }
    for (namespace, name) in ROUTES {
        let spec = json!({
            "parentRefs": [{"name": "edge", "namespace": "apps"}],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": format!("/{namespace}/{name}")}}],
                "backendRefs": [{"group": "gateway.kgateway.dev", "kind": "Backend", "name": "app"}],
            }],
        });
        all.push(object(api, "HTTPRoute", namespace, name, &spec));
    }
    all
}

fn settings(spec: &Value) -> Value {
    let api = "countersign.dev/v1alpha1";
    object(api, "GatewayParameters", "apps", "edge", spec)
}

/// kgateway's way: tokens of one provider on one route.
pub(crate) fn on_route(namespace: &str, route: &str, provider: &Value) -> [Value; 2] {
    let api = "gateway.kgateway.dev/v1alpha1";
    let extension = json!({"jwt": {"validationMode": "Strict", "providers": [provider]}});
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route});
    let policy = json!({
        "targetRefs": [target], "jwtAuth": {"extensionRef": {"name": route}},
    });
    [
        object(api, "GatewayExtension", namespace, route, &extension),
        object(api, "TrafficPolicy", namespace, route, &policy),
    ]
}

/// A provider whose keys stand in the policy.
pub(crate) fn inline(keys: &[&Key]) -> Value {
    json!({"name": "idp", "issuer": ISSUER, "jwks": {"local": {"inline": mint::jwks(keys)}}})
}

/// Istio's way: these rules on the whole Gateway, where everybody needs a token.
pub(crate) fn on_gateway(rules: &[Value]) -> Vec<Value> {
    let api = "security.istio.io/v1";
    let spec = json!({"targetRefs": [gateway()], "jwtRules": rules});
    let with_token = json!([{"from": [{"source": {"requestPrincipals": ["*"]}}]}]);
    vec![
        object(api, "RequestAuthentication", "apps", "tokens", &spec),
        authorization("with-token", "ALLOW", &with_token),
    ]
}

pub(crate) fn authorization(name: &str, action: &str, rules: &Value) -> Value {
    let spec = json!({"targetRefs": [gateway()], "action": action, "rules": rules});
    let api = "security.istio.io/v1";
    object(api, "AuthorizationPolicy", "apps", name, &spec)
}

pub(crate) fn gateway() -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"})
}

/// agentgateway's way, on the whole Gateway.
pub(crate) fn agentgateway(provider: &Value) -> Value {
    let jwt = json!({"mode": "Strict", "providers": [provider]});
    let spec = json!({"targetRefs": [gateway()], "traffic": {"jwtAuthentication": jwt}});
    let api = "agentgateway.dev/v1alpha1";
    object(api, "AgentgatewayPolicy", "apps", "tokens", &spec)
}

/// The same for kgateway.
pub(crate) fn kgateway(provider: &Value) -> [Value; 2] {
    let api = "gateway.kgateway.dev/v1alpha1";
    let extension = json!({"jwt": {"validationMode": "Strict", "providers": [provider]}});
    let policy = json!({
        "targetRefs": [gateway()], "jwtAuth": {"extensionRef": {"name": "tokens"}},
    });
    [
        object(api, "GatewayExtension", "apps", "tokens", &extension),
        object(api, "TrafficPolicy", "apps", "tokens", &policy),
    ]
}

/// A Backend where an issuer serves its keys.
pub(crate) fn issuer_backend(idp: &Idp) -> Value {
    let host = json!({"host": "127.0.0.1", "port": idp.address().port()});
    let spec = json!({"static": {"hosts": [host]}});
    let api = "gateway.kgateway.dev/v1alpha1";
    object(api, "Backend", "apps", "idp", &spec)
}

/// A token that is good for long, unless these claims say otherwise; `null` takes a claim away.
pub(crate) fn token(key: &Key, issuer: &str, claims: &Value) -> String {
    let mut all = json!({"iss": issuer, "sub": "alice", "aud": "shop", "exp": 4_102_444_800_u64});
    for (name, value) in claims.as_object().expect("claims") {
        all[name] = value.clone();
    }
    all.as_object_mut()
        .expect("claims")
        .retain(|_, value| !value.is_null());
    key.token(&all)
}

fn yaml(objects: &[Value]) -> String {
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    texts.join("\n---\n") + "\n"
}
