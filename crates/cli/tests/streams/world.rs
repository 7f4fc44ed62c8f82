//! A gateway with a TCP port and a TLS port, and what it takes to speak with it.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use countersign_testkit::client::tcp;
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::tls::Authority;
use serde_json::Value;

use crate::backend::Backend;

/// See the file. Policies see the ports 5432 (TCP) and 443 (TLS).
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) tcp: u16,
    pub(crate) tls: u16,
    /// Where TCP goes.
    pub(crate) plain: Backend,
    /// Where TLS for `a.test` goes.
    pub(crate) sealed: Backend,
    pub(crate) server: Authority,
    pub(crate) clients: Authority,
    pub(crate) text: String,
}

/// What differs from one test to another.
#[derive(Default)]
pub(crate) struct Plan {
    /// Action and rules in flow style of each AuthorizationPolicy.
    pub(crate) policies: &'static [(&'static str, &'static str)],
    /// More of `spec` of GatewayParameters, in flow style without braces.
    pub(crate) parameters: &'static str,
}

impl World {
    pub(crate) fn start(plan: &Plan) -> World {
        let (plain, sealed) = (Backend::start("plain "), Backend::start("sealed "));
        let (server, clients) = (Authority::new("server"), Authority::new("clients"));
        let [tcp, tls] = [port::free(), port::free()];
        let mut text = gateway(tcp, tls, plan.parameters);
        text += &routes(plain.address, sealed.address);
        let identity = server.issue(&["ends.test"]);
        text += &pem(
            "Secret",
            "server",
            "stringData",
            &[
                ("tls.crt", &identity.certificate),
                ("tls.key", &identity.key),
            ],
        );
        text += &pem(
            "ConfigMap",
            "clients",
            "data",
            &[("ca.crt", &clients.pem())],
        );
        for (index, (action, rules)) in plan.policies.iter().enumerate() {
            text += &policy(index, action, rules);
        }
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("all.yaml", &text)
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        World {
            gateway,
            tcp,
            tls,
            plain,
            sealed,
            server,
            clients,
            text,
        }
    }

    /// Opens a connection from an address of ours, sends some bytes, and reads to the end.
    pub(crate) fn exchange(&self, from: &str, port: u16, bytes: &[u8]) -> Vec<u8> {
        let Ok(mut tcp) = connect(from, port) else {
            return Vec::new();
        };
        let _refused = tcp.write_all(bytes);
        let _refused = tcp.shutdown(Shutdown::Write);
        rest(&mut tcp)
    }

    /// Gives the plain backend another port by a reload, and sends these bytes until a connection ends with `reason`.
    ///
    /// Returns the line that says so. Workers take the new configuration one after the other.
    pub(crate) fn moved(&self, port: u16, bytes: &[u8], reason: &str) -> Value {
        let old = self.plain.address.port().to_string();
        self.gateway
            .write("all.yaml", &self.text.replace(&old, &port.to_string()));
        self.gateway.signal("HUP");
        let _line = self.gateway.logs("in force load=2");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let _answer = self.exchange("127.0.0.1", self.tcp, bytes);
            if let Some(line) = self.find(&[("reason", reason.into())]) {
                return line;
            }
            assert!(
                Instant::now() < deadline,
                "{reason}: {}",
                self.gateway.stdout()
            );
        }
    }

    /// Whether the TCP port lets somebody through.
    pub(crate) fn passes(&self, from: &str) -> bool {
        match &*self.exchange(from, self.tcp, b"ping") {
            b"plain pingbye" => true,
            b"" => false,
            other => panic!("{:?}", String::from_utf8_lossy(other)),
        }
    }

    /// Waits for a line of the access log with these fields.
    pub(crate) fn line(&self, wanted: &[(&str, Value)]) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(line) = self.find(wanted) {
                return line;
            }
            assert!(
                Instant::now() < deadline,
                "no line with {wanted:?} in {}",
                self.gateway.stdout()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn find(&self, wanted: &[(&str, Value)]) -> Option<Value> {
        let fits = |it: &Value| wanted.iter().all(|(name, value)| it[*name] == *value);
        self.gateway
            .stdout()
            .lines()
            .filter_map(|it| serde_json::from_str::<Value>(it).ok())
            .find(fits)
    }
}

pub(crate) fn connect(from: &str, port: u16) -> io::Result<TcpStream> {
    let from: IpAddr = from.parse().expect("an address");
    tcp((Ipv4Addr::LOCALHOST, port).into(), Some(from))
}

/// All that comes until the other side is done; a reset is an end like any other.
pub(crate) fn rest(tcp: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = tcp.read_to_end(&mut bytes);
    bytes
}

fn gateway(tcp: u16, tls: u16, parameters: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge, namespace: default}}\n\
         spec:\n  gatewayClassName: any\n  addresses: [{{value: 127.0.0.1}}]\n\
         \x20 infrastructure: {{parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: edge}}}}\n\
         \x20 tls: {{frontend: {{default: {{validation: {{mode: AllowInsecureFallback, caCertificateRefs: [{{group: '', kind: ConfigMap, name: clients}}]}}}}}}}}\n\
         \x20 listeners:\n\
         \x20 - {{name: tcp, port: 5432, protocol: TCP}}\n\
         \x20 - {{name: pass, port: 443, protocol: TLS, tls: {{mode: Passthrough}}}}\n\
         \x20 - {{name: ends, port: 443, protocol: TLS, hostname: ends.test, tls: {{certificateRefs: [{{name: server}}]}}}}\n---\n\
         apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: edge, namespace: default}}\n\
         spec: {{ports: [{{port: 5432, bind: {tcp}}}, {{port: 443, bind: {tls}}}], accessLog: Json{parameters}}}\n---\n"
    )
}

fn routes(plain: SocketAddr, sealed: SocketAddr) -> String {
    let mut text = String::new();
    for (name, address) in [("plain", plain), ("sealed", sealed)] {
        let _infallible = write!(
            text,
            "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{type: Static, static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}}}\n---\n",
            address.port()
        );
    }
    for (kind, name, fields, backend) in [
        (
            "TCPRoute",
            "plain",
            "parentRefs: [{name: edge, sectionName: tcp}]",
            "plain",
        ),
        (
            "TLSRoute",
            "sealed",
            "parentRefs: [{name: edge}], hostnames: [a.test, '*.b.test']",
            "sealed",
        ),
        (
            "TCPRoute",
            "ends",
            "parentRefs: [{name: edge, sectionName: ends}]",
            "plain",
        ),
    ] {
        let _infallible = write!(
            text,
            "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{{fields}, rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: {backend}}}]}}]}}\n---\n"
        );
    }
    text
}

fn pem(kind: &str, name: &str, field: &str, texts: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\n{field}:\n"
    );
    for (key, value) in texts {
        let value = Value::String((*value).to_owned());
        let _infallible = writeln!(text, "  {key}: {value}");
    }
    text + "---\n"
}

fn policy(index: usize, action: &str, rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{index}, namespace: default}}\n\
         spec: {{action: {action}, rules: [{rules}]}}\n---\n"
    )
}
