pub(crate) mod script;

use std::collections::HashSet;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::task::{Context, Waker};

use countersign_config::compiled::KeySource;
use countersign_core::{Need, ProviderId};
use countersign_jose::{Audiences, Symmetric};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{Handle, Metrics};

use script::*;

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_before_anybody_asks() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    assert_eq!((state(&handle), handle.version()), ("Pending".into(), 1));
    let mut versions = handle.subscribe();
    versions.changed().await.unwrap();
    assert_eq!(
        (state(&handle), handle.version(), handle.current().load),
        ("1: a".into(), 2, 1)
    );
    // Known keys are not asked for again.
    satisfy(&handle, FIRST).await;
    assert_eq!(script.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_first_fetch() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    assert_eq!(state(&handle), "1: a");
}

/// Who is sent back too early decides by the old keys, and asks no second time.
#[tokio::test(start_paused = true)]
async fn nobody_is_woken_before_the_keys_are_published() {
    let script = Script::publishing(&["a"]);
    let (owner, early) = (
        Arc::new(OnceLock::<Arc<Owner>>::new()),
        Arc::new(Mutex::new(Vec::new())),
    );
    let published = {
        let (owner, early) = (Arc::clone(&owner), Arc::clone(&early));
        move || {
            let owner = owner.get().unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let first = pin!(owner.first()).poll(&mut context).is_ready();
            let newer = pin!(owner.newer(0)).poll(&mut context).is_ready();
            early.lock().unwrap().push((first, newer));
        }
    };
    let control = tokio::runtime::Handle::current();
    let keeper = Keeper::new(control, script, || 0.5, Metrics::new(), published);
    let source = KeySource::Remote(source("http://idp.example/keys"));
    let owners = keeper.adopt(&compiled(&[("p", source)]));
    let mine = owners[0].clone().unwrap();
    assert!(owner.set(mine.clone()).is_ok());
    mine.first().await;
    assert_eq!(*early.lock().unwrap(), [(false, false)]);
    mine.first().await;
    mine.newer(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_one_fetch() {
    let script = Script::failing(minutes(9));
    let handle = run(
        &script,
        RemoteKeys {
            retries: 3,
            ..source("http://idp.example/keys")
        },
    );
    let begun = Instant::now();
    satisfy(&handle, FIRST).await;
    assert_eq!(
        (begun.elapsed(), state(&handle)),
        (seconds(5), "Pending".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_found_in_turn() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    script.publish(&["a", "b"]);
    sleep(minutes(19)).await;
    assert_eq!((state(&handle), script.fetches()), ("1: a".into(), 1));
    sleep(minutes(2)).await;
    assert_eq!((state(&handle), script.fetches()), ("2: a b".into(), 2));
    // The same keys in another order and spelling are the same set.
    let version = handle.version();
    script.answer(document(&jwks(&["b", "a"]).replace(',', " ,\n"), None));
    sleep(minutes(61)).await;
    assert_eq!(
        (state(&handle), script.fetches(), handle.version()),
        ("2: a b".into(), 5, version)
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_as_old_as_their_last_good_fetch() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    // One look at it tells the age at every moment.
    let early = handle.current();
    let age = || early.provider(P0).unwrap().age();
    assert_eq!(age(), None);
    satisfy(&handle, FIRST).await;
    sleep(minutes(10)).await;
    assert_eq!(age(), Some(minutes(10)));
    // The same keys again are fresh keys.
    sleep(minutes(11)).await;
    assert_eq!(script.fetches(), 2);
    assert!(age() < Some(minutes(3)), "{:?}", age());
    script.answer(failure("connect"));
    sleep(minutes(60)).await;
    assert!(age() > Some(minutes(40)), "{:?}", age());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_asks_for_a_fetch_out_of_turn() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    script.publish(&["b"]);
    let before = handle.current();
    satisfy(&handle, fresh(1)).await;
    assert_eq!((state(&handle), script.fetches()), ("2: b".into(), 2));
    // Whoever still looks at the old set is told at once to look again.
    handle.satisfy(&before, fresh(1)).await;
    assert_eq!(script.fetches(), 2);
    assert_eq!(before.version + 1, handle.version());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_who_wait_share_one_fetch() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    script.publish(&["a", "b"]);
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                satisfy(&handle, fresh(1)).await;
                state(&handle)
            })
        })
        .collect();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), "2: a b");
    }
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn made_up_kids_are_throttled() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    for _ in 0..50 {
        satisfy(&handle, fresh(1)).await;
    }
    assert_eq!(script.fetches(), 4, "one at first, then the burst");
    let begun = Instant::now();
    satisfy(&handle, fresh(1)).await;
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "who is not let through does not wait"
    );
    sleep(seconds(10)).await;
    for _ in 0..50 {
        satisfy(&handle, fresh(1)).await;
    }
    assert_eq!(script.fetches(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_dead_at_start() {
    let script = Script::failing(seconds(3));
    let handle = run(
        &script,
        RemoteKeys {
            retries: 2,
            ..source("http://idp.example/keys")
        },
    );
    satisfy(&handle, FIRST).await;
    assert_eq!(state(&handle), "Pending", "further attempts go on");
    sleep(seconds(6)).await;
    assert_eq!(
        (state(&handle), script.fetches()),
        ("Unavailable".into(), 3)
    );
    script.publish(&["a"]);
    sleep(seconds(50)).await;
    assert_eq!(
        (state(&handle), script.fetches()),
        ("Unavailable".into(), 3)
    );
    sleep(seconds(14)).await;
    assert_eq!((state(&handle), script.fetches()), ("1: a".into(), 4));
}

#[tokio::test(start_paused = true)]
async fn waits_between_attempts_double_up_to_a_bound() {
    let script = Script::failing(Duration::ZERO);
    let times = RemoteKeys {
        retries: 6,
        backoff: seconds(4),
        backoff_max: seconds(10),
        ..source("http://idp.example/keys")
    };
    let _handle = run(&script, times);
    // Half of 4, 8, 10, 10, …: without jitter the lower half of each wait.
    for (wait, fetches) in [
        (1, 1),
        (2, 2),
        (2, 2),
        (2, 3),
        (5, 4),
        (5, 5),
        (5, 6),
        (5, 7),
        (50, 7),
        (10, 8),
    ] {
        sleep(seconds(wait)).await;
        assert_eq!(script.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_good_set_is_kept_for_seven_days() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    script.answer(failure("status"));
    sleep(7 * DAY - seconds(1)).await;
    assert_eq!(state(&handle), "1: a");
    assert!(script.fetches() > 1000, "one attempt a minute");
    sleep(seconds(2)).await;
    assert_eq!(state(&handle), "Unavailable");
    // What comes back unchanged is the same generation.
    script.publish(&["a"]);
    sleep(seconds(61)).await;
    assert_eq!(state(&handle), "1: a");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_key_set_change_nothing() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    let answers = [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"keys": []}"#,
        r#"{"keys": {}}"#,
        r#"{"keys": [], "keys": []}"#,
    ];
    for answer in answers {
        script.answer(document(answer, None));
        satisfy(&handle, fresh(1)).await;
        assert_eq!(state(&handle), "1: a", "{answer}");
        sleep(minutes(1)).await;
    }
    assert!(script.fetches() > answers.len());
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_used_are_skipped() {
    let script = Script::publishing(&["a"]);
    let handle = run(&script, source("http://idp.example/keys"));
    satisfy(&handle, FIRST).await;
    // The issuer withdrew `a`; what it published instead is nothing for us, and `a` must not stay.
    script.answer(document(
        r#"{"keys": [{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}, 7]}"#,
        None,
    ));
    satisfy(&handle, fresh(1)).await;
    assert_eq!(state(&handle), "2: ");
}

#[tokio::test(start_paused = true)]
async fn the_answers_own_lifetime_counts_within_bounds() {
    for (refresh, fresh_for, expected) in [
        (minutes(20), None, minutes(20)),
        (minutes(20), Some(300), minutes(5)),
        (minutes(20), Some(86_400), minutes(20)),
        (minutes(20), Some(1), seconds(30)),
        (minutes(20), Some(0), minutes(20)),
        (seconds(10), Some(1), seconds(10)),
        (seconds(10), Some(300), seconds(10)),
        (90 * DAY, None, DAY),
    ] {
        let script = Script::publishing(&["a"]);
        script.answer(document(&jwks(&["a"]), fresh_for));
        let handle = run(
            &script,
            RemoteKeys {
                refresh,
                ..source("http://idp.example/keys")
            },
        );
        satisfy(&handle, FIRST).await;
        sleep(expected - Duration::from_millis(5)).await;
        assert_eq!(script.fetches(), 1, "{refresh:?} {fresh_for:?}");
        sleep(Duration::from_millis(10)).await;
        assert_eq!(script.fetches(), 2, "{refresh:?} {fresh_for:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_fetches_earlier_and_retries_later() {
    let script = Script::publishing(&["a"]);
    let keys = compiled(&[("p", KeySource::Remote(source("http://idp.example/keys")))]);
    let handle = Handle::start(keys, script.clone(), || 1.0, Metrics::new());
    satisfy(&handle, FIRST).await;
    script.answer(failure("status"));
    sleep(minutes(18) + seconds(1)).await;
    assert_eq!(script.fetches(), 2);
    sleep(seconds(70)).await;
    assert_eq!(script.fetches(), 2);
    sleep(seconds(3)).await;
    assert_eq!(script.fetches(), 3);
    let thrown: Vec<f64> = (0..100).map(|_| dice()).collect();
    assert!(thrown.iter().all(|it| (0.0..=1.0).contains(it)));
    assert!(
        thrown.iter().any(|it| *it < 0.5) && thrown.iter().any(|it| *it > 0.5),
        "{thrown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn providers_share_a_source() {
    let script = Script::publishing(&["a"]);
    let same = || KeySource::Remote(source("http://idp.example/keys"));
    let other = KeySource::Remote(source("http://idp.example/other"));
    let set = KeySet::from_jwks(jwks(&["i"]).as_bytes(), Symmetric::Allow).unwrap();
    let inline = KeySource::Inline(Arc::new(set));
    let handle = start(
        &script,
        &[
            ("one", same()),
            ("two", same()),
            ("three", other),
            ("four", inline),
        ],
    );
    for provider in 0..4 {
        satisfy(&handle, Need::Keys(ProviderId(provider))).await;
    }
    assert_eq!(script.fetches(), 2);
    let current = handle.current();
    let uids: HashSet<u64> = current.keys.iter().map(|keys| keys.uid).collect();
    assert_eq!(uids.len(), 4);
    assert!(
        current
            .keys
            .iter()
            .all(|keys| matches!(keys.state, KeyState::Ready { generation: 1, .. }))
    );
    // An inline set has nobody to fetch it anew.
    handle
        .satisfy(
            &current,
            Need::FreshKeys {
                provider: ProviderId(3),
                generation: 1,
            },
        )
        .await;
    assert_eq!(script.fetches(), 2);
    let text = handle.metrics().render();
    for line in [
        r#"countersign_jwks_fetch_total{provider="one",result="ok"} 1"#,
        r#"countersign_jwks_fetch_total{provider="two",result="ok"} 1"#,
        r#"countersign_jwks_fetch_total{provider="three",result="ok"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("four"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_known() {
    let script = Script::publishing(&["a"]);
    let remote = |url| KeySource::Remote(source(url));
    let handle = start(&script, &[("p", remote("http://idp.example/keys"))]);
    satisfy(&handle, FIRST).await;
    let uid = handle.current().keys[0].uid;
    script.answer(failure("connect"));

    // The same source, at another place in the list.
    handle.replace(compiled(&[
        ("q", remote("http://idp.example/other")),
        ("p", remote("http://idp.example/keys")),
    ]));
    let current = handle.current();
    assert_eq!(current.load, 2);
    assert_eq!(current.keys[1].uid, uid);
    assert!(matches!(
        current.keys[1].state,
        KeyState::Ready { generation: 1, .. }
    ));
    assert!(matches!(current.keys[0].state, KeyState::Pending));

    // The same place under other settings: what was fetched is still good.
    let patient = RemoteKeys {
        timeout: seconds(9),
        ..source("http://idp.example/keys")
    };
    handle.replace(compiled(&[("p", KeySource::Remote(patient.clone()))]));
    assert_eq!(state(&handle), "1: a");
    let patient_uid = handle.current().keys[0].uid;
    assert_ne!(patient_uid, uid);
    sleep(minutes(30)).await;
    assert_eq!(state(&handle), "1: a");

    // Another expectation is another provider, for tokens verified under the old one.
    let mut stricter = (*compiled(&[("p", KeySource::Remote(patient))])).clone();
    stricter.snapshot.providers[0].expect.audiences = Audiences::exact(["x"]);
    handle.replace(Arc::new(stricter));
    assert_eq!(state(&handle), "1: a");
    assert_ne!(handle.current().keys[0].uid, patient_uid);

    // Another place: nothing is known.
    let mut closed = source("http://idp.example/keys");
    closed.guard.refuse_private = true;
    handle.replace(compiled(&[("p", KeySource::Remote(closed))]));
    assert_eq!(state(&handle), "Pending");
}

#[tokio::test(start_paused = true)]
async fn sources_that_a_reload_drops_are_left_alone() {
    let script = Script::failing(minutes(9));
    let patient = RemoteKeys {
        timeout: minutes(10),
        ..source("http://idp.example/keys")
    };
    let handle = run(&script, patient);
    let waiter = tokio::spawn({
        let handle = handle.clone();
        async move { satisfy(&handle, FIRST).await }
    });
    sleep(seconds(1)).await;
    let old = handle.current();
    let begun = Instant::now();
    handle.replace(compiled(&[]));
    waiter.await.unwrap();
    handle.satisfy(&old, FIRST).await;
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "nobody waits for what will not come"
    );
    sleep(DAY).await;
    assert_eq!(script.fetches(), 1);
    assert!(!handle.metrics().render().contains("provider="));
}

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.lock())).unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let script = Script::failing(Duration::ZERO);
    let handle = run(&script, source("https://idp.example/keys?secret=1"));
    sleep(minutes(10)).await;
    let text = log.take();
    assert_eq!(text.matches("ERROR").count(), 1, "{text}");
    for part in [
        "https://idp.example/keys\"",
        "providers=\"p\"",
        "it failed by connect",
        "next_attempt_seconds=60",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    script.answer(failure("status"));
    sleep(minutes(10)).await;
    assert_eq!(log.take().matches("it failed by status").count(), 1);

    script.answer(document(
        &jwks(&["a"]).replace("[", "[{\"kty\": \"XYZ\", \"kid\": \"odd\"},"),
        None,
    ));
    sleep(minutes(1)).await;
    let text = log.take();
    for part in [
        "can be fetched again",
        "the key set is new",
        "keys[0] (kid `odd`): ",
    ] {
        assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    }
    assert_eq!(state(&handle), "1: a");

    script.answer(failure("timeout"));
    sleep(8 * DAY).await;
    let text = log.take();
    assert_eq!(
        text.matches("the last one stays in use").count(),
        1,
        "{text}"
    );
    assert_eq!(text.matches("seven days old").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("secret"));
}
