//! SIGHUP, in a process of its own: the signal reaches every reloader of a process.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use countersign_config::compiled::Compiled;
use countersign_runtime::keys::{Network, dice};
use countersign_runtime::reload::{Apply, Plan, run};
use countersign_runtime::texts::Sources;
use countersign_runtime::{Handle, Metrics};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

struct Doors;

impl Apply for Doors {
    async fn apply(&self, _: &Compiled) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn sighup_reads_the_files_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "# nothing yet\n").unwrap();
    let sources = Arc::new(Sources::new([dir.path().to_owned()], io::empty()));
    let texts = sources.read().ok().unwrap().texts;
    let handle = Handle::start(Arc::default(), Arc::new(Network), dice, Metrics::new());
    let (tell, mut reports) = mpsc::unbounded_channel();
    tokio::spawn(run(Plan {
        handle: handle.clone(),
        sources,
        texts,
        compile: Arc::new(|texts| countersign_config::load(texts, &|_| None)),
        apply: Doors,
        refuse_unprotect: false,
        report: Box::new(move |report| tell.send(report.result()).unwrap()),
    }));
    // Long enough for the handler to be there: before it is, the signal would end this process.
    sleep(Duration::from_secs(1)).await;
    let pid = std::process::id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    let report = timeout(Duration::from_secs(10), reports.recv())
        .await
        .unwrap();
    assert_eq!(report, Some("unchanged"));
    assert_eq!(handle.current().load, 1);
}
