//! The backends: one server for each port of each echo workload.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_testkit::site::{Reply, Seen, Site};
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::grpc;
use crate::journal::{Journal, Sighting};
use crate::manifests::Document;

/// A server that a Service can point at.
pub(crate) struct Server {
    pub(crate) namespace: String,
    /// Labels of its pods.
    labels: Value,
    /// The container port that it stands for.
    container_port: i64,
    site: Site,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.site.address()
    }

    /// Whether a Service of its namespace with this selector and target port reaches it.
    pub(crate) fn is_selected(&self, selector: &Value, target_port: i64) -> bool {
        let wanted = selector.as_object();
        let matches = wanted.is_some_and(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| self.labels.get(key) == Some(value))
        });
        matches && self.container_port == target_port
    }
}

/// What the echo image of the suite listens on.
const PLAIN: i64 = 3000;
const HTTP2_ONLY: i64 = 3001;
const TLS: i64 = 8443;

/// Starts the servers of all echo Deployments.
pub(crate) fn start(
    documents: &[Document],
    certificates: &Certificates,
    journal: &Journal,
) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    for deployment in documents.iter().filter(|it| it.kind() == "Deployment") {
        let pod = &deployment.spec()["template"];
        let container = &pod["spec"]["containers"][0];
        let image = container["image"].as_str().unwrap_or_default();
        let variables = container["env"].as_array().into_iter().flatten();
        let variables: Vec<&str> = variables.filter_map(|it| it["name"].as_str()).collect();
        // Everything else speaks no HTTP.
        if !image.contains("/echo-basic:") || variables.contains(&"TCP_ECHO_SERVER") {
            continue;
        }
        let mut ports = vec![(PLAIN, None), (HTTP2_ONLY, None)];
        if variables.contains(&"TLS_SERVER_CERT") {
            let secret = secret_volume(&pod["spec"])?;
            let identity = certificates.of(deployment.namespace(), secret)?;
            ports.push((TLS, Some(journal.tls(deployment, identity)?)));
        }
        for (container_port, tls) in ports {
            let script = script(deployment, container_port, journal.clone());
            let site = Site::bind((Ipv4Addr::LOCALHOST, 0).into(), tls, script);
            servers.push(Server {
                namespace: deployment.namespace().to_owned(),
                labels: pod["metadata"]["labels"].clone(),
                container_port,
                site: site.map_err(|error| error.to_string())?,
            });
        }
    }
    Ok(servers)
}

fn secret_volume(pod: &Value) -> Result<&str, String> {
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let mut secrets = volumes.filter_map(|it| it["secret"]["secretName"].as_str());
    secrets
        .next()
        .ok_or_else(|| "a TLS backend without a Secret".into())
}

fn script(
    deployment: &Document,
    container_port: i64,
    journal: Journal,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let namespace = deployment.namespace().to_owned();
    let workload = deployment.name().to_owned();
    move |seen| {
        journal.note(Sighting {
            namespace: namespace.clone(),
            workload: workload.clone(),
            seen: seen.clone(),
        });
        if container_port == HTTP2_ONLY && seen.version != "HTTP/2" {
            return Reply::new(505);
        }
        answer(&workload, seen)
    }
}

fn answer(workload: &str, seen: &Seen) -> Reply {
    let kind = seen.headers.first("content-type").unwrap_or_default();
    if kind.starts_with("application/grpc") {
        return grpc::reply(workload);
    }
    if seen.headers.lists("upgrade", "websocket") {
        let key = seen.headers.first("sec-websocket-key").unwrap_or_default();
        return Reply::upgrade("websocket").header("sec-websocket-accept", &accept(key));
    }
    let mut reply = Reply::json(json!({ "workload": workload }).to_string());
    for pair in seen.headers.all("x-echo-set-header") {
        for (name, value) in pair.split(',').filter_map(|it| it.split_once(':')) {
            reply = reply.header(name.trim(), value.trim());
        }
    }
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    let delay = query.split('&').find_map(|it| it.strip_prefix("delay="));
    match delay.map(duration) {
        None => reply,
        Some(Some(delay)) => reply.after(delay),
        Some(None) => Reply::new(400).body("a delay that is not understood"),
    }
}

/// What proves that a server understood the handshake (RFC 6455 section 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    STANDARD.encode(aws_lc_rs::digest::digest(sha1, text.as_bytes()))
}

/// A duration as Go writes it, of one unit.
fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}
