//! What a real Envoy says of each attribute, and the gateway must too: an expression of Envoy's answer lets requests in.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::client::Request;
use countersign_testkit::{port, tools};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{Shop, object};

/// Attributes that are the same in two processes, and questions about them.
const ATTRIBUTES: &[&str] = &[
    "request.path",
    "request.url_path",
    "request.query",
    "request.host",
    "request.scheme",
    "request.method",
    "request.protocol",
    "request.referer",
    "request.useragent",
    "request.headers['host']",
    "request.headers['HOST']",
    "request.headers[':authority']",
    "request.headers[':method']",
    "request.headers[':path']",
    "request.headers['X-Team']",
    "request.headers['x-none']",
    "request.headers['x-empty']",
    "'x-team' in request.headers",
    "'X-TEAM' in request.headers",
    "has(request.headers.foo)",
    "has(request.referer)",
    "source.address",
    "source.port",
    "connection.mtls",
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_peer_certificate",
    "connection.uri_san_peer_certificate",
    "connection.dns_san_peer_certificate",
    "connection.sha256_peer_certificate_digest",
    "has(connection.tls_version)",
    "'envoy.filters.http.jwt_authn' in metadata.filter_metadata",
    "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['sub']",
    "request.url_path.startsWith('/17')",
    "request.path.matches('b=[0-9]$')",
];

/// A request as both get it; each attribute has a path of its own.
fn requests(number: usize) -> [Request; 2] {
    let plain = Request::get(&format!("/{number}/a?b=1"))
        .header("host", "shop.test:8080")
        .header("x-forwarded-for", "10.1.2.3, 192.0.2.9")
        .header("x-team", "red")
        .header("x-team", "blue")
        .header("x-empty", "");
    let other = Request::new("PUT", &format!("/{number}/a/../c"))
        .header("host", "shop.test")
        .header("x-forwarded-for", "2001:db8::1")
        .header("user-agent", "curl")
        .header("referer", "https://r.test/");
    [plain, other]
}

#[test]
fn attributes_are_those_of_envoy() {
    let envoy = Envoy::start();
    let told: Vec<[String; 2]> = (0..ATTRIBUTES.len())
        .map(|number| requests(number).map(|it| envoy.says(&it, number)))
        .collect();
    for scene in [0, 1] {
        let expected = |number: usize| told[number][scene].as_str();
        let cases = 0..ATTRIBUTES.len();
        let policies: Vec<Value> = cases
            .clone()
            .flat_map(|number| route(number, &agrees(ATTRIBUTES[number], expected(number))))
            .collect();
        let shop = Shop::open(&policies);
        for number in cases {
            let request = &requests(number)[scene];
            let answer = shop.raw(request);
            // What Envoy does not have cannot be evaluated here.
            let wanted = if expected(number) == "-" { 403 } else { 200 };
            let (attribute, value) = (ATTRIBUTES[number], expected(number));
            assert_eq!(
                answer.status, wanted,
                "{attribute}: Envoy says {value}, {request:?}"
            );
        }
    }
}

/// True where the gateway says the same of an attribute. A value that is absent fails in either way of asking.
fn agrees(attribute: &str, value: &str) -> String {
    match value {
        "true" | "false" => format!("({attribute}) == {value}"),
        "-" => format!("{attribute} == '' || {attribute} != ''"),
        _ if value.bytes().all(|it| it.is_ascii_digit()) && !value.is_empty() => {
            format!("{attribute} == {value}")
        }
        _ => format!("{attribute} == '{value}'"),
    }
}

/// A route for one path, and the policy that holds for it.
fn route(number: usize, expression: &str) -> [Value; 2] {
    let name = format!("r{number}");
    let backend = json!([{"group": "gateway.kgateway.dev", "kind": "Backend", "name": "shop"}]);
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name});
    let matches = json!([{"path": {"value": format!("/{number}")}}]);
    [
        object(
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            &name,
            json!({"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": backend, "matches": matches}]}),
        ),
        object(
            "gateway.kgateway.dev/v1alpha1",
            "TrafficPolicy",
            &name,
            json!({"targetRefs": [target], "rbac": {"policy": {"matchExpressions": [expression]}}}),
        ),
    ]
}

/// An Envoy that writes what it knows of each request into its log.
struct Envoy {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    _folder: TempDir,
}

const END: &str = "--end";

impl Envoy {
    fn start() -> Envoy {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (bootstrap, log) = (folder.path().join("envoy.json"), folder.path().join("log"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        fs::write(&bootstrap, configuration(address.port()).to_string()).expect("a file");
        let output = File::create(&log).expect("a file");
        let child = Command::new(tools::envoy())
            .arg("-c")
            .arg(&bootstrap)
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            .args(["--file-flush-interval-msec", "10"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("Envoy runs");
        let envoy = Envoy {
            child,
            address,
            log,
            _folder: folder,
        };
        envoy.wait(|_| TcpStream::connect(address).is_ok());
        envoy
    }

    /// What it says of one attribute of a request: `-` for nothing.
    fn says(&self, request: &Request, number: usize) -> String {
        let entries = |log: &str| log.matches(END).count();
        let before = entries(&self.read());
        assert_eq!(request.send(self.address).status, 200);
        let log = self.wait(|log| entries(log) > before);
        let last = log.trim_end().rsplit(END).nth(1).unwrap_or_default();
        let line = last
            .lines()
            .find_map(|it| it.strip_prefix(&format!("[{number}]")));
        line.unwrap_or_else(|| panic!("no line {number} in\n{log}"))
            .to_owned()
    }

    fn read(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("a log")).into_owned()
    }

    fn wait(&self, done: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.read();
            if done(&log) {
                return log;
            }
            assert!(Instant::now() < deadline, "Envoy printed:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// One listener that answers everything, with one proxy in front and paths made normal, as the gateway has it.
fn configuration(port: u16) -> Value {
    let types = "type.googleapis.com/envoy.extensions";
    let lines = ATTRIBUTES.iter().enumerate();
    let lines: String = lines
        .map(|(at, it)| format!("[{at}]%CEL({it})%\n"))
        .collect();
    let formatter = json!({"@type": format!("{types}.formatter.cel.v3.Cel")});
    let log = json!({
        "@type": format!("{types}.access_loggers.stream.v3.StdoutAccessLog"),
        "log_format": {
            "text_format_source": {"inline_string": format!("{lines}{END}\n")},
            "formatters": [{"name": "envoy.formatter.cel", "typed_config": formatter}],
        },
    });
    let routes = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
    let router = json!({"@type": format!("{types}.filters.http.router.v3.Router")});
    let manager = json!({
        "@type": format!("{types}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "http",
        "use_remote_address": true,
        "xff_num_trusted_hops": 1,
        "normalize_path": true,
        "access_log": [{"name": "envoy.access_loggers.stdout", "typed_config": log}],
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    });
    let filter =
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    json!({"static_resources": {"listeners": [{
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [filter]}],
    }]}})
}
