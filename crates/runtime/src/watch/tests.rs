use std::future::Future;
use std::io;
use std::os::unix::fs::symlink;

use tempfile::{TempDir, tempdir};

use super::*;

/// Within this much an event must have been noticed; far less than it takes to look in turn.
const SOON: Duration = Duration::from_secs(3);

fn sources(paths: &[PathBuf]) -> Arc<Sources> {
    Arc::new(Sources::new(paths.to_vec(), io::empty()))
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// Does something, and says whether that was noticed.
async fn notices(watch: &mut Watch, change: impl FnOnce()) -> bool {
    change();
    timeout(SOON, watch.changed()).await.is_ok()
}

async fn texts(sources: &Arc<Sources>) -> Vec<String> {
    still(sources)
        .await
        .ok()
        .unwrap()
        .texts
        .into_iter()
        .map(|text| text.content)
        .collect()
}

#[tokio::test]
async fn files_of_a_folder() {
    let dir = folder(&[("a.yaml", "1")]);
    let at = |name: &str| dir.path().join(name);
    let mut watch = Watch::new(sources(&[dir.path().to_owned()])).await;
    assert!(
        notices(&mut watch, || fs::write(at("a.yaml"), "2").unwrap()).await,
        "written"
    );
    assert!(
        notices(&mut watch, || fs::write(at("b.yaml"), "1").unwrap()).await,
        "created"
    );
    let replace = || {
        fs::write(at("new"), "3").unwrap();
        fs::rename(at("new"), at("a.yaml")).unwrap();
    };
    assert!(notices(&mut watch, replace).await, "replaced");
    assert!(
        notices(&mut watch, || fs::remove_file(at("b.yaml")).unwrap()).await,
        "removed"
    );
}

#[tokio::test]
async fn what_does_not_matter() {
    let dir = folder(&[("a.yaml", "1")]);
    let mut watch = Watch::new(sources(&[dir.path().to_owned()])).await;
    let quiet = timeout(Duration::from_millis(600), async {
        tokio::join!(watch.changed(), async {
            for round in 0..20 {
                fs::write(dir.path().join("app.log"), round.to_string()).unwrap();
                fs::read(dir.path().join("a.yaml")).unwrap();
                sleep(Duration::from_millis(20)).await;
            }
        })
    });
    assert!(quiet.await.is_err());
}

#[tokio::test]
async fn one_file_and_one_that_comes_later() {
    let dir = folder(&[("a.yaml", "1")]);
    let at = |name: &str| dir.path().join(name);
    let mut watch = Watch::new(sources(&[at("a.yaml"), at("later.yaml")])).await;
    assert!(notices(&mut watch, || fs::write(at("later.yaml"), "1").unwrap()).await);
    let replace = || {
        fs::write(at("new"), "2").unwrap();
        fs::rename(at("new"), at("a.yaml")).unwrap();
    };
    assert!(notices(&mut watch, replace).await);
    assert!(
        notices(&mut watch, || fs::write(at("a.yaml"), "33").unwrap()).await,
        "the file is another one by now"
    );
}

#[tokio::test]
async fn a_mounted_volume_is_swapped() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let version = |name: &str, content: &str| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("a.yaml"), content).unwrap();
        symlink(name, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    version("..1", "1");
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let sources = sources(&[dir.path().to_owned()]);
    let mut watch = Watch::new(sources.clone()).await;
    for (new, old) in [("2", "..1"), ("3", "..2")] {
        let swap = || {
            version(&format!("..{new}"), new);
            fs::remove_dir_all(at(old)).unwrap();
        };
        assert!(notices(&mut watch, swap).await);
        assert_eq!(texts(&sources).await, [new]);
    }
}

#[tokio::test]
async fn a_link_to_a_folder_is_swapped() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (name, content) in [("v1", "1"), ("v2", "2")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("a.yaml"), content).unwrap();
    }
    symlink("v1", at("current")).unwrap();
    let outside = tempdir().unwrap();
    let link = outside.path().join("conf");
    symlink(at("current"), &link).unwrap();
    let sources = sources(&[link]);
    let mut watch = Watch::new(sources.clone()).await;
    let swap = || {
        symlink("v2", at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();
    };
    assert!(notices(&mut watch, swap).await);
    assert_eq!(texts(&sources).await, ["2"]);
    assert!(
        notices(&mut watch, || fs::write(at("v2").join("a.yaml"), "22")
            .unwrap())
        .await
    );
}

#[tokio::test]
async fn without_events_we_look() {
    let dir = folder(&[("a.yaml", "1")]);
    let mut watch = Watch::new(sources(&[dir.path().to_owned()])).await;
    watch.watcher = None;
    fs::write(dir.path().join("a.yaml"), "2").unwrap();
    assert!(timeout(OFTEN + SOON, watch.changed()).await.is_ok());
}

/// Runs both, and says what the first brought and how long it took.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    other: impl Future<Output = ()>,
) -> (T, Duration) {
    let begun = Instant::now();
    let timed = async { (work.await, begun.elapsed()) };
    tokio::join!(timed, other).0
}

#[tokio::test]
async fn a_folder_that_is_being_written_is_not_read() {
    let dir = folder(&[("a.yaml", "1")]);
    let sources = sources(&[dir.path().to_owned()]);
    let writing = async {
        for round in 1..=6 {
            sleep(Duration::from_millis(200)).await;
            fs::write(dir.path().join(format!("{round}.yaml")), round.to_string()).unwrap();
        }
    };
    let (read, took) = meanwhile(texts(&sources), writing).await;
    assert_eq!(read, ["1", "2", "3", "4", "5", "6", "1"]);
    assert!(took >= Duration::from_millis(1200) + STILL, "{took:?}");
}

#[tokio::test]
async fn what_cannot_be_read_for_a_moment_is_waited_for() {
    let dir = folder(&[("a.yaml", "1")]);
    let path = dir.path().join("a.yaml");
    let sources = sources(std::slice::from_ref(&path));
    fs::remove_file(&path).unwrap();
    let back = async {
        sleep(Duration::from_millis(200)).await;
        fs::write(&path, "2").unwrap();
    };
    assert_eq!(meanwhile(texts(&sources), back).await.0, ["2"]);
    fs::remove_file(&path).unwrap();
    let problems = still(&sources).await.err().unwrap();
    assert_eq!(problems.len(), 1);
}
