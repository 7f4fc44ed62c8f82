//! `countersign test` as a door: the cases of each group as a file of cases, put to the binary in one run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_testkit::agreement::{self, Level};
use countersign_testkit::corpus::{Istio, IstioRequest};
use serde_json::{Map, Value, json};

use crate::certificates::{Certificates, names};
use crate::differences::Disagreement;
use crate::group::{Group, is_parser, level};
use crate::keys::{GOOD, key_set};
use crate::library::PORTS;

/// What the binary says of every case, by id.
pub(crate) struct Told {
    cases: HashMap<String, Value>,
    /// Groups whose file was not run.
    broken: BTreeSet<String>,
    pub(crate) stderr: String,
}

/// Writes all files and runs them.
pub(crate) fn run(groups: &[Group]) -> Told {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    fs::write(path.join("keys.json"), key_set()).expect("a file");
    for (index, group) in groups.iter().enumerate() {
        write(path, index, group);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["test", ".", "--json"])
        .current_dir(path)
        .output()
        .expect("the binary");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let mut told = Told {
        cases: HashMap::new(),
        broken: BTreeSet::new(),
        stderr,
    };
    let files = report["files"].as_array().expect("files");
    assert_eq!(files.len(), groups.len());
    // A folder's files are run in order of their names.
    for (file, group) in files.iter().zip(groups) {
        if !file["error"].is_null() {
            told.broken.insert(group.name.clone());
        }
        for case in file["cases"].as_array().expect("cases") {
            let id = case["name"].as_str().expect("a name");
            told.cases.insert(id.to_owned(), case.clone());
        }
    }
    told
}

fn write(path: &Path, index: usize, group: &Group) {
    let folder = format!("{index:03}");
    fs::create_dir(path.join(&folder)).expect("a folder");
    for (name, text) in group.files(PORTS, Certificates::all()) {
        fs::write(path.join(&folder).join(name), text).expect("a file");
    }
    let policies = PORTS.fill(&group.cases[0].policy_yaml);
    let urls = policies.lines().filter_map(|line| {
        line.trim_start_matches([' ', '-'])
            .strip_prefix("jwksUri: ")
    });
    let keys = urls.map(|url| match url.ends_with(GOOD) {
        true => json!({"url": url, "file": "keys.json"}),
        false => json!({"url": url, "unavailable": true}),
    });
    let file = json!({
        "policies": [folder],
        "keys": keys.collect::<Vec<_>>(),
        "cases": group.cases.iter().map(case).collect::<Vec<_>>(),
    });
    let name = format!("{folder}.test.json");
    fs::write(path.join(name), file.to_string()).expect("a file");
}

fn case(case: &Istio) -> Value {
    json!({"name": case.id, "request": request(&case.request), "expect": expect(case)})
}

fn request(case: &IstioRequest) -> Value {
    let headers = case.headers.iter();
    let headers = headers.map(|(name, value)| json!([name, PORTS.fill(value)]));
    let mut request = json!({
        "method": case.method,
        "host": PORTS.fill(&case.host),
        "path": PORTS.fill(&case.path),
        "headers": headers.collect::<Vec<_>>(),
    });
    let optional = [
        ("body", &case.body),
        ("peer", &case.client_ip),
        ("destinationIp", &case.connect_ip),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            request[name] = json!(value);
        }
    }
    if let Some(tls) = &case.tls {
        request["tls"] = json!({"sni": tls["sni"]});
        if let Some(names) = names(tls) {
            request["tls"]["uriSans"] = json!(names.uris);
            request["tls"]["dnsSans"] = json!(names.dns);
            request["tls"]["subject"] = json!(names.subject);
        }
    }
    request
}

/// All that was recorded, in the terms of the file.
fn expect(case: &Istio) -> Value {
    let recorded = &case.expect;
    if is_parser(case) {
        return json!({"upstream": null});
    }
    let mut expect = json!({"status": recorded.status});
    if !recorded.reached_upstream {
        expect["upstream"] = Value::Null;
    }
    if level(case) == Level::Status {
        return expect;
    }
    if !recorded.reached_upstream
        && let Some(body) = &recorded.body
    {
        let challenge = recorded.www_authenticate.iter().flatten().next();
        expect["body"] = json!(PORTS.fill(body));
        expect["challenge"] = json!(challenge.map(|it| PORTS.fill(it)));
    }
    if let Some(upstream) = &recorded.upstream {
        expect["upstream"] = upstream_of(&case.request, upstream);
    } else if let Some(has) = &recorded.upstream_has {
        expect["upstream"] = has.clone();
    }
    expect
}

/// The headers that came through with all their values, and those that did not.
fn upstream_of(request: &IstioRequest, recorded: &Value) -> Value {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, _) in &request.headers {
        headers.entry(name.to_ascii_lowercase()).or_default();
    }
    for pair in recorded["headers"].as_array().into_iter().flatten() {
        let text = |index: usize| PORTS.fill(pair[index].as_str().unwrap_or_default());
        headers.entry(text(0)).or_default().push(utf8(&text(1)));
    }
    headers.retain(|name, _| !agreement::is_noise(name));
    for (name, values) in &mut headers {
        // They were recorded in the order of the alphabet.
        let sent = request
            .headers
            .iter()
            .filter(|it| it.0.eq_ignore_ascii_case(name));
        let sent: Vec<String> = sent.map(|(_, value)| PORTS.fill(value)).collect();
        let mut sorted = sent.clone();
        sorted.sort();
        if sorted == *values {
            *values = sent;
        }
    }
    let headers = headers
        .into_iter()
        .map(|(name, values)| match values.is_empty() {
            true => (name, Value::Null),
            false => (name, json!(values)),
        });
    json!({
        "method": recorded["method"],
        "path": PORTS.fill(recorded["path"].as_str().unwrap_or_default()),
        "headers": headers.collect::<Map<_, _>>(),
    })
}

/// A value that was recorded byte for byte as latin-1.
fn utf8(text: &str) -> String {
    let bytes: Result<Vec<u8>, _> = text.chars().map(|it| u8::try_from(u32::from(it))).collect();
    let decoded = bytes.ok().and_then(|it| String::from_utf8(it).ok());
    decoded.unwrap_or_else(|| text.to_owned())
}

impl Told {
    /// Whether the file of a group was not run.
    pub(crate) fn is_broken(&self, group: &Group) -> bool {
        self.broken.contains(&group.name)
    }

    /// How a case disagrees; `None` when it does not.
    pub(crate) fn ask(&self, case: &Istio) -> Option<Disagreement> {
        let told = &self.cases[&case.id];
        if told["result"] == "passed" {
            return None;
        }
        let differences = told["differences"].as_array().into_iter().flatten();
        let admitted = match differences.clone().find(|it| it["field"] == "upstream") {
            // Nothing but whether there is a request is compared under this name.
            Some(it) => it["got"] != "",
            None => case.expect.reached_upstream,
        };
        let status = match differences.clone().find(|it| it["field"] == "status") {
            Some(it) => it["got"].as_str().and_then(|it| it.parse().ok()),
            None => Some(case.expect.status),
        };
        let differences = differences
            .map(|it| format!("{} want {} got {}", it["field"], it["expected"], it["got"]));
        let differences: Vec<String> = differences.collect();
        let why = format!("{}; {}", differences.join(", "), told["because"]);
        Some(Disagreement {
            why,
            status,
            admitted,
        })
    }
}
