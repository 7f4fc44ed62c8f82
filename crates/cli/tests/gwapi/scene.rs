//! A gateway that runs the manifests of one test, with all that a cluster would add to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use serde_json::{Value, json};

use crate::case::{Case, Step};
use crate::certificates::Certificates;
use crate::echo::{self, Server};
use crate::journal::Journal;
use crate::manifests::{self, Document};

/// What the requests of one test go to.
pub(crate) struct Scene {
    gateway: Gateway,
    documents: Vec<Document>,
    /// Each Gateway as `namespace/name`, and its ports.
    doors: Vec<(String, Vec<Door>)>,
    pub(crate) journal: Journal,
    pub(crate) certificates: Certificates,
    /// Only held: they stop when dropped.
    _servers: Vec<Server>,
}

/// One port of a Gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// What the Gateway says.
    pub(crate) port: u16,
    pub(crate) tls: bool,
    bind: u16,
}

impl Door {
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.bind).into()
    }
}

impl Scene {
    /// Starts everything, or tells what keeps it from starting.
    pub(crate) fn start(case: &Case, folder: &Path) -> Result<Self, String> {
        let mut documents = manifests::read(folder, &case.yaml_file)?;
        let certificates = Certificates::make(&asked(case));
        let journal = Journal::default();
        let servers = echo::start(&documents, &certificates, &journal)?;
        let doors = open_doors(&mut documents)?;
        let mut added = certificates.objects();
        added.extend(documents.iter().filter_map(|it| slice(it, &servers)));
        let numbered = doors.iter().enumerate();
        added.extend(numbered.map(|(number, (name, doors))| parameters(number, name, doors)));
        let mut setup = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("added.yaml", &json_documents(&added));
        for (file, text) in files(&documents) {
            setup = setup.file(&file, &text);
        }
        let gateway = setup
            .start()
            .map_err(|ended| format!("it does not start ({:?}):\n{}", ended.code, ended.stderr))?;
        Ok(Self {
            gateway,
            documents,
            doors,
            journal,
            certificates,
            _servers: servers,
        })
    }

    /// Where a step's request goes: the port that its host names, else the first one of its scheme.
    pub(crate) fn door(&self, step: &Step) -> Result<Door, String> {
        let gateway = self.doors.iter().find(|(name, _)| *name == step.gateway);
        let (_, doors) = gateway.ok_or_else(|| format!("there is no Gateway {}", step.gateway))?;
        if let Some(dial) = step.dial {
            let door = doors.iter().find(|door| door.port == dial.port);
            return door
                .copied()
                .ok_or_else(|| format!("no port {}", dial.port));
        }
        let request = step.request.as_ref();
        let host = request
            .and_then(|it| it.host.as_deref())
            .unwrap_or_default();
        let port: Option<u16> = host
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let scheme = request.and_then(|it| it.scheme.as_deref());
        let named = doors.iter().find(|door| Some(door.port) == port);
        let found = named.or_else(|| {
            let tls = scheme.map(|it| it.eq_ignore_ascii_case("https"));
            doors
                .iter()
                .find(|door| tls.is_none_or(|it| door.tls == it))
        });
        found.copied().ok_or_else(|| {
            format!(
                "{} listens nowhere for this request: {doors:?}",
                step.gateway
            )
        })
    }

    /// Takes all objects of a kind away and lets the gateway read what is left.
    pub(crate) fn remove(&mut self, kind: &str) -> Result<(), String> {
        let (gone, left): (Vec<Document>, Vec<Document>) = std::mem::take(&mut self.documents)
            .into_iter()
            .partition(|it| it.kind() == kind);
        self.documents = left;
        let changed: BTreeSet<&str> = gone.iter().map(|it| it.file.as_str()).collect();
        if changed.is_empty() {
            return Err(format!("there is no {kind} to remove"));
        }
        for (file, text) in files(&self.documents) {
            if changed.contains(file.as_str()) {
                self.gateway.write(&file, &text);
            }
        }
        Ok(())
    }

    /// The objects that only this test has.
    pub(crate) fn own_documents(&self) -> Vec<&Document> {
        let own = |it: &&Document| it.file != "base.yaml";
        self.documents.iter().filter(own).collect()
    }

    /// The last that the gateway said, for a failure.
    pub(crate) fn said(&self) -> String {
        let said = self.gateway.stderr();
        said.lines().last().unwrap_or_default().to_owned()
    }
}

/// Every name by which a test asks for a Gateway over TLS.
fn asked(case: &Case) -> Vec<String> {
    let requests = case.requests.iter().filter_map(|it| it.request.as_ref());
    let names = requests.flat_map(|it| [it.sni.as_deref(), it.host.as_deref()]);
    let names = names
        .flatten()
        .map(|name| name.split(':').next().unwrap_or_default());
    let mut asked: BTreeSet<String> = names.map(str::to_owned).collect();
    asked.insert(Ipv4Addr::LOCALHOST.to_string());
    asked.into_iter().collect()
}

/// Gives each Gateway a loopback address and ports that anybody may bind.
fn open_doors(documents: &mut [Document]) -> Result<Vec<(String, Vec<Door>)>, String> {
    let mut all = Vec::new();
    for gateway in documents.iter_mut().filter(|it| it.kind() == "Gateway") {
        let mut doors: Vec<Door> = Vec::new();
        for listener in gateway.spec()["listeners"].as_array().into_iter().flatten() {
            let port = listener["port"].as_u64().and_then(|it| it.try_into().ok());
            let port = port.ok_or_else(|| format!("a port {}", listener["port"]))?;
            if doors.iter().all(|door| door.port != port) {
                doors.push(Door {
                    port,
                    tls: listener["protocol"] == "HTTPS",
                    bind: port::free(),
                });
            }
        }
        let parameters = parameters_name(all.len());
        gateway.add_to_spec(&format!(
            "infrastructure: {{parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: {parameters}}}}}"
        ))?;
        gateway.add_to_spec("addresses: [{type: IPAddress, value: 127.0.0.1}]")?;
        let name = format!("{}/{}", gateway.namespace(), gateway.name());
        all.push((name, doors));
    }
    Ok(all)
}

/// A name of a fixed length: those of the Gateways may be as long as a name can be.
fn parameters_name(number: usize) -> String {
    format!("ports-{number}")
}

fn parameters(number: usize, gateway: &str, doors: &[Door]) -> Value {
    let (namespace, _) = gateway.split_once('/').unwrap_or(("default", gateway));
    let ports = doors
        .iter()
        .map(|door| json!({"port": door.port, "bind": door.bind}));
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "GatewayParameters",
        "metadata": {"namespace": namespace, "name": parameters_name(number)},
        "spec": {"ports": ports.collect::<Vec<Value>>()},
    })
}

/// The workload behind Services that select none: the suite fills their slices with its pods.
const BY_HAND: &str = "infra-backend-v1";

/// What a cluster's controller would write: where the pods of a Service are.
fn slice(service: &Document, servers: &[Server]) -> Option<Value> {
    let ports = service.spec()["ports"].as_array()?;
    if service.kind() != "Service" {
        return None;
    }
    let by_hand = json!({"app": BY_HAND});
    let selector = service.spec().get("selector").unwrap_or(&by_hand);
    let ports = ports.iter().filter_map(|port| {
        let target = port.get("targetPort").unwrap_or(&port["port"]).as_i64()?;
        let server = servers
            .iter()
            .find(|it| it.namespace == service.namespace() && it.is_selected(selector, target))?;
        let name = port["name"].as_str().unwrap_or_default();
        Some(json!({"name": name, "port": server.address().port(), "protocol": "TCP"}))
    });
    let ports: Vec<Value> = ports.collect();
    if ports.is_empty() {
        return None;
    }
    Some(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "namespace": service.namespace(), "name": format!("{}-pods", service.name()),
            "labels": {"kubernetes.io/service-name": service.name()},
        },
        "endpoints": [{"addresses": [Ipv4Addr::LOCALHOST.to_string()], "conditions": {"ready": true}}],
        "ports": ports,
    }))
}

fn json_documents(objects: &[Value]) -> String {
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    texts.join("\n---\n") + "\n"
}

/// The texts of all files.
fn files(documents: &[Document]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for document in documents {
        let text = files.entry(document.file.clone()).or_default();
        *text += "---\n";
        *text += &document.text;
    }
    files
}
