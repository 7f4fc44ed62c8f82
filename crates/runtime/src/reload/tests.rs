use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use countersign_config::source::Text;
use tempfile::{TempDir, tempdir};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::Metrics;
use crate::keys::tests::script::{FIRST, Script, satisfy};

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: countersign
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart, namespace: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: cart}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: cart, namespace: shop}
spec: {type: Static, static: {hosts: [{host: 127.0.0.1, port: 8000}]}}
";

const POLICY: &str = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  jwtRules:
  - {issuer: 'https://idp.example', jwksUri: 'http://idp.example/keys'}
";

/// Doors that open whatever comes, or refuse with these words.
#[derive(Clone, Default)]
struct Doors(Arc<Mutex<(Option<String>, Vec<u16>)>>);

impl Doors {
    fn refuse(&self, why: Option<&str>) {
        self.0.lock().unwrap().0 = why.map(str::to_owned);
    }

    /// First port of each configuration that was applied.
    fn applied(&self) -> Vec<u16> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Apply for Doors {
    async fn apply(&self, next: &Compiled) -> Result<(), String> {
        let (refusal, applied) = &mut *self.0.lock().unwrap();
        if let Some(why) = refusal {
            return Err(why.clone());
        }
        applied.push(next.sockets[0].port);
        Ok(())
    }
}

/// A folder of files under a running reloader.
struct Run {
    dir: TempDir,
    handle: Handle,
    doors: Doors,
    script: Arc<Script>,
    reports: UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn compile(texts: Vec<Text>) -> Loaded {
    countersign_config::load(texts, &|_| None)
}

impl Run {
    async fn start(files: &[(&str, &str)], refuse_unprotect: bool) -> Self {
        let dir = tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let sources = Arc::new(Sources::new([dir.path().to_owned()], io::empty()));
        let texts = sources.read().ok().unwrap().texts;
        let loaded = compile(texts.clone());
        let shown = loaded
            .diagnostics
            .render(&loaded.files, countersign_config::diagnostic::Style::Plain);
        let compiled = Arc::new(loaded.compiled.expect(&shown));
        let script = Script::publishing(&["a"]);
        let handle = Handle::start(compiled, script.clone(), || 0.0, Metrics::new());
        let (tell, reports) = unbounded_channel();
        let doors = Doors::default();
        let plan = Plan {
            handle: handle.clone(),
            sources,
            texts,
            compile: Arc::new(compile),
            apply: doors.clone(),
            refuse_unprotect,
            report: Box::new(move |report| tell.send(shown_as(report)).unwrap()),
        };
        let task = tokio::spawn(run(plan));
        Self {
            dir,
            handle,
            doors,
            script,
            reports,
            task,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    async fn report(&mut self) -> String {
        timeout(Duration::from_secs(20), self.reports.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// Whether no reload happens for longer than one takes.
    async fn quiet(&mut self) -> bool {
        timeout(Duration::from_millis(1200), self.reports.recv())
            .await
            .is_err()
    }

    fn load(&self) -> u64 {
        self.handle.current().load
    }
}

fn shown_as(report: &Report) -> String {
    let detail = match report {
        Report::Applied {
            load, unprotected, ..
        } => format!("{load} {}", unprotected.len()),
        Report::Unchanged => String::new(),
        Report::Unreadable(problems) => problems[0].to_string(),
        Report::Rejected { diagnostics, files } => {
            let first = diagnostics.errors().next().unwrap();
            let name = files.name(first.span.unwrap().file);
            format!(
                "{} in {}",
                diagnostics.errors().count(),
                name.rsplit('/').next().unwrap()
            )
        }
        Report::Refused(routes) => routes[0].to_string(),
        Report::NotApplied(why) => why.clone(),
    };
    format!("{}: {detail}", report.result())
}

#[tokio::test]
async fn a_change_is_put_in_force() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY)], false).await;
    assert!(run.quiet().await, "nothing changed since the first load");
    run.write("gateway.yaml", &GATEWAY.replace("8080", "8081"));
    assert_eq!(run.report().await, "applied: 2 0");
    assert_eq!((run.load(), run.doors.applied()), (2, vec![8081]));
    assert_eq!(run.handle.current().compiled.sockets[0].port, 8081);
    // Touched, not changed.
    run.write("gateway.yaml", &GATEWAY.replace("8080", "8081"));
    assert!(run.quiet().await);
    let text = run.handle.metrics().render();
    assert!(
        text.contains("countersign_reload_total{result=\"applied\"} 1\n"),
        "{text}"
    );
}

#[tokio::test]
async fn errors_keep_the_last_good_configuration() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], false).await;
    run.write("policy.yaml", "kind: [");
    assert!(run.report().await.ends_with(" in policy.yaml"));
    assert_eq!((run.load(), run.doors.applied()), (1, vec![]));
    // Nothing new is nothing to say; whoever asks is told again.
    run.write("policy.yaml", "kind: [");
    assert!(run.quiet().await);
    run.handle.reload();
    assert!(run.report().await.starts_with("rejected: "));
    fs::remove_dir_all(run.dir.path()).unwrap();
    assert_eq!(
        run.report().await,
        format!("unreadable: `{}` does not exist", run.dir.path().display())
    );
    fs::create_dir(run.dir.path()).unwrap();
    run.write("gateway.yaml", GATEWAY);
    run.write("policy.yaml", POLICY);
    assert_eq!(run.report().await, "unchanged: ");
    run.write("gateway.yaml", &GATEWAY.replace("8080", "8081"));
    assert_eq!(run.report().await, "applied: 2 0");
}

#[tokio::test]
async fn a_route_that_loses_its_policy_is_named() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], false).await;
    fs::remove_file(run.path("policy.yaml")).unwrap();
    assert_eq!(run.report().await, "applied: 2 1");
}

#[tokio::test]
async fn a_route_that_would_lose_its_policy_keeps_it_where_that_is_wanted() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], true).await;
    fs::remove_file(run.path("policy.yaml")).unwrap();
    let report = run.report().await;
    assert!(
        report.starts_with("unprotects: `shop/edge/http"),
        "{report}"
    );
    assert!(
        report.contains("no longer demands valid-tokens"),
        "{report}"
    );
    assert_eq!((run.load(), run.doors.applied()), (1, vec![]));
    // Other keys are other people who may sign.
    run.write("policy.yaml", &POLICY.replace("/keys", "/other"));
    let report = run.report().await;
    assert!(
        report.contains("no longer demands keys:http://idp.example/keys"),
        "{report}"
    );
    run.write(
        "policy.yaml",
        &POLICY.replace("jwksUri", "audiences: [shop], jwksUri"),
    );
    assert_eq!(run.report().await, "applied: 2 0");
}

/// The mesh's settings decide what policies compare, and stand in another object.
#[tokio::test]
async fn a_gateway_whose_paths_are_read_otherwise_is_named() {
    const MESH: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                        data: {mesh: 'pathNormalization: {normalization: NONE}'}\n";
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], true).await;
    run.write("mesh.yaml", MESH);
    assert_eq!(
        run.report().await,
        "unprotects: `Gateway shop/edge` no longer demands paths:BASE"
    );
    assert_eq!(run.load(), 1);
}

#[tokio::test]
async fn a_half_written_folder_is_not_put_in_force() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], false).await;
    // Removed and written anew, as some tools do, with moments in between.
    fs::remove_file(run.path("policy.yaml")).unwrap();
    for text in [POLICY.split_at(POLICY.len() / 2).0, POLICY] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        run.write("policy.yaml", text);
    }
    assert!(run.quiet().await);
    assert_eq!(run.load(), 1);
}

#[tokio::test]
async fn doors_that_cannot_open_keep_the_last_configuration() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY)], false).await;
    run.doors.refuse(Some("port 8081 is taken"));
    run.write("gateway.yaml", &GATEWAY.replace("8080", "8081"));
    assert_eq!(run.report().await, "not_applied: port 8081 is taken");
    assert_eq!(
        (run.load(), run.handle.current().compiled.sockets[0].port),
        (1, 8080)
    );
    // The port is free again, which no file tells.
    run.doors.refuse(None);
    run.handle.reload();
    assert_eq!(run.report().await, "applied: 2 0");
    run.handle.reload();
    assert_eq!(run.report().await, "unchanged: ");
    assert_eq!(run.doors.applied(), [8081]);
}

#[tokio::test]
async fn keys_outlive_a_reload() {
    let mut run = Run::start(&[("gateway.yaml", GATEWAY), ("policy.yaml", POLICY)], false).await;
    satisfy(&run.handle, FIRST).await;
    let uid = run.handle.current().keys[0].uid;
    run.write("gateway.yaml", &GATEWAY.replace("8080", "8081"));
    assert_eq!(run.report().await, "applied: 2 0");
    let current = run.handle.current();
    assert!(matches!(
        current.keys[0].state,
        crate::KeyState::Ready { generation: 1, .. }
    ));
    assert_eq!((current.keys[0].uid, run.script.fetches()), (uid, 1));
}

#[tokio::test]
async fn a_panic_while_compiling_is_no_configuration() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), GATEWAY).unwrap();
    let handle = Handle::start(
        Arc::default(),
        Script::publishing(&[]),
        || 0.0,
        Metrics::new(),
    );
    let plan = Plan {
        handle: handle.clone(),
        sources: Arc::new(Sources::new([dir.path().to_owned()], io::empty())),
        texts: Vec::new(),
        compile: Arc::new(|_| panic!("on purpose")),
        apply: Doors::default(),
        refuse_unprotect: false,
        report: Box::new(|_| {}),
    };
    let mut reloader = Reloader {
        applied: Vec::new(),
        seen: None,
        plan,
    };
    reloader.reload(false).await;
    assert!(
        handle
            .metrics()
            .render()
            .contains("countersign_reload_total{result=\"not_applied\"} 1\n")
    );
    assert_eq!(handle.current().load, 1);
}
