//! A gateway with two TLS ports that check clients, a plain port behind proxies, and one backend.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Client, Request};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::tls::{Authority, Identity};
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

/// Server name of the TLS ports.
pub(crate) const NAME: &str = "shop.example";
pub(crate) const ALICE: &str = "spiffe://shop.example/ns/front/sa/alice";
pub(crate) const BOB: &str = "spiffe://shop.example/ns/back/sa/bob";

/// See the file.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    /// Trusted for clients.
    pub(crate) clients: Authority,
    /// The one that the servers' certificates are from.
    server: Authority,
    /// `AllowValidOnly`.
    pub(crate) strict: u16,
    /// `AllowInsecureFallback`.
    pub(crate) lenient: u16,
    /// Without TLS.
    pub(crate) plain: u16,
    pub(crate) backend: Upstream,
}

/// What differs from one test to another.
#[derive(Default)]
pub(crate) struct Plan {
    /// `rules` of an ALLOW policy in flow style; none where empty.
    pub(crate) allow: &'static str,
    /// `rules` of a DENY policy in flow style; none where empty.
    pub(crate) deny: &'static str,
    /// More fields of GatewayParameters, in flow style.
    pub(crate) parameters: Value,
    /// Trust domains of the clients' authority; unbound where empty.
    pub(crate) trust_domains: &'static [&'static str],
}

impl World {
    pub(crate) fn start(plan: &Plan) -> World {
        let (server, clients) = (Authority::new("server"), Authority::new("clients"));
        let backend = Upstream::start("backend");
        let [strict, lenient, plain] = [port::free(), port::free(), port::free()];
        let certificate = server.issue(&[NAME, "127.0.0.1"]);
        let mut objects = certificates(&certificate, &clients).to_vec();
        objects.push(parameters(plan, [strict, lenient, plain]));
        objects.push(gateway());
        objects.extend(routing(backend.address()));
        let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let mut text = texts.join("\n---\n");
        for (action, rules) in [("ALLOW", plan.allow), ("DENY", plan.deny)] {
            if !rules.is_empty() {
                text += &policy(action, rules);
            }
        }
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("all.yaml", &text)
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        World {
            gateway,
            clients,
            server,
            strict,
            lenient,
            plain,
            backend,
        }
    }

    /// Status of a request over TLS; an error where the handshake or the connection fails.
    pub(crate) fn tls(&self, port: u16, identity: Option<&Identity>) -> io::Result<u16> {
        let config = self.server.client(identity);
        let mut client = Client::connect_tls(address(port), NAME, config)?;
        Ok(client.send(&Request::get("/"))?.status)
    }

    /// Status of a request without TLS.
    pub(crate) fn plainly(&self, from: &str, before: &[u8], request: &Request) -> io::Result<u16> {
        let from: IpAddr = from.parse().expect("an address");
        let mut client = Client::connect_from(from, address(self.plain))?;
        client.write(before)?;
        Ok(client.send(request)?.status)
    }
}

pub(crate) fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn certificates(server: &Identity, clients: &Authority) -> [Value; 2] {
    let pair = json!({"stringData": {"tls.crt": server.certificate, "tls.key": server.key}});
    let ca = json!({"data": {"ca.crt": clients.pem()}});
    [
        object("v1", "Secret", "server", &pair),
        object("v1", "ConfigMap", "clients", &ca),
    ]
}

fn parameters(plan: &Plan, [strict, lenient, plain]: [u16; 3]) -> Value {
    let mut spec = json!({
        "ports": [
            {"port": 443, "bind": strict}, {"port": 8443, "bind": lenient},
            {"port": 80, "bind": plain},
        ],
        "accessLog": "Json",
    });
    merge(&mut spec, &plan.parameters);
    if !plan.trust_domains.is_empty() {
        let reference = json!({"group": "", "kind": "ConfigMap", "name": "clients"});
        spec["clientCertificates"] =
            json!([{"caCertificateRef": reference, "trustDomains": plan.trust_domains}]);
    }
    let spec = json!({"spec": spec});
    object(
        "countersign.dev/v1alpha1",
        "GatewayParameters",
        "edge",
        &spec,
    )
}

fn gateway() -> Value {
    let tls = json!({"certificateRefs": [{"name": "server"}]});
    let check = |mode: &str| {
        let reference = json!({"group": "", "kind": "ConfigMap", "name": "clients"});
        json!({"validation": {"mode": mode, "caCertificateRefs": [reference]}})
    };
    let spec = json!({"spec": {
        "gatewayClassName": "any",
        "addresses": [{"value": "127.0.0.1"}],
        "infrastructure": {"parametersRef": {
            "group": "countersign.dev", "kind": "GatewayParameters", "name": "edge",
        }},
        "tls": {"frontend": {
            "default": check("AllowValidOnly"),
            "perPort": [{"port": 8443, "tls": check("AllowInsecureFallback")}],
        }},
        "listeners": [
            {"name": "strict", "port": 443, "protocol": "HTTPS", "tls": tls},
            {"name": "lenient", "port": 8443, "protocol": "HTTPS", "tls": tls},
            {"name": "plain", "port": 80, "protocol": "HTTP"},
        ],
    }});
    object("gateway.networking.k8s.io/v1", "Gateway", "edge", &spec)
}

fn routing(backend: SocketAddr) -> [Value; 2] {
    let reference = json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": "backend"});
    let route = json!({"spec": {
        "parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [reference]}],
    }});
    let hosts = json!([{"host": backend.ip(), "port": backend.port()}]);
    let backend = json!({"spec": {"type": "Static", "static": {"hosts": hosts}}});
    [
        object("gateway.networking.k8s.io/v1", "HTTPRoute", "all", &route),
        object(
            "gateway.kgateway.dev/v1alpha1",
            "Backend",
            "backend",
            &backend,
        ),
    ]
}

fn object(version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({
        "apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "default"},
    });
    merge(&mut object, rest);
    object
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name.as_str()] = value.clone();
    }
}

fn policy(action: &str, rules: &str) -> String {
    let name = action.to_lowercase();
    format!(
        "\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: {name}, namespace: default}}\n\
         spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]\n\
         \x20 action: {action}\n  rules: [{rules}]\n"
    )
}
