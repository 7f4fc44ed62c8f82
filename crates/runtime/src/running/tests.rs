use std::thread;

use super::*;
use crate::keys::tests::script::{FIRST, Script, source, start};

/// A worker on a thread and a runtime of its own, as the server has them.
fn worker<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_other_runtimes_share_a_fetch() {
    let script = Script::publishing(&["a"]);
    let handle = start(
        &script,
        &[("p", KeySource::Remote(source("http://idp.example/keys")))],
    );
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let handle = handle.clone();
            worker(async move {
                let (mut running, mut waits) = (handle.current(), 0);
                while let Keys::Pending = running.facts(ProviderId(0)) {
                    handle.satisfy(&running, FIRST).await;
                    running = handle.current();
                    waits += 1;
                }
                assert!(handle.version() >= running.version);
                (
                    matches!(
                        running.facts(ProviderId(0)),
                        Keys::Ready { generation: 1, .. }
                    ),
                    waits,
                )
            })
        })
        .collect();
    for worker in workers {
        let (ready, waits) = worker.join().unwrap();
        assert!(ready && waits <= 1, "{waits} waits");
    }
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn an_index_of_another_configuration_finds_nothing() {
    let script = Script::publishing(&[]);
    let handle = start(&script, &[]);
    assert!(matches!(
        handle.current().facts(ProviderId(3)),
        Keys::Unavailable
    ));
    handle
        .satisfy(&handle.current(), Need::Keys(ProviderId(3)))
        .await;
    assert_eq!((handle.version(), script.fetches()), (1, 0));
}

#[tokio::test]
async fn every_swap_is_told() {
    let script = Script::publishing(&[]);
    let handle = start(&script, &[]);
    let mut versions = handle.subscribe();
    handle.replace(Arc::default());
    assert!(versions.changed().await.is_ok());
    assert_eq!(
        (*versions.borrow(), handle.version(), handle.current().load),
        (2, 2, 2)
    );
}

/// What the server relies on.
#[test]
fn handles_go_everywhere() {
    fn everywhere<T: Send + Sync + Clone + 'static>() {}
    everywhere::<Handle>();
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Running>();
    shared::<Metrics>();
}
