//! Notices that the sources of a configuration may read differently, and waits until they are still.
//!
//! What counts is what the files look like (existence, size, times, identity). Events of the file system only make us
//! look at once; without them, as on some network file systems, we look every now and then.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use crate::texts::{Reading, Sources, Unreadable, list};

/// Watches the files and folders of some sources.
pub struct Watch {
    sources: Arc<Sources>,
    seen: Looks,
    events: Receiver<()>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Starts to watch.
    pub async fn new(sources: Arc<Sources>) -> Self {
        let (tell, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reading is an access; on an error it is better to look.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // Full: a look is due anyway.
            let _due = tell.try_send(());
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "file system events cannot be had; files are looked at every two seconds");
        });
        let mut watch = Self {
            sources,
            seen: Looks::default(),
            events,
            watcher: watcher.ok(),
            watched: BTreeSet::new(),
        };
        watch.arm().await;
        watch.seen = watch.look().await;
        watch
    }

    /// Waits until the sources look different from the last time.
    pub async fn changed(&mut self) {
        let pause = if self.watcher.is_some() {
            SELDOM
        } else {
            OFTEN
        };
        loop {
            // No event for a while, or no events at all: look all the same.
            let event = timeout(pause, self.events.recv()).await;
            if event.is_ok_and(|event| event.is_none()) {
                sleep(pause).await;
            }
            let now = self.look().await;
            if now != self.seen {
                self.seen = now;
                // Before anybody reads: what happens from here on is told again.
                self.arm().await;
                return;
            }
            // A busy neighbour in the same folder must not keep us busy.
            sleep(BREATH).await;
        }
    }

    async fn look(&self) -> Looks {
        let sources = self.sources.clone();
        spawn_blocking(move || Looks::of(&sources))
            .await
            .unwrap_or_default()
    }

    /// Puts the watches where they are needed now: a folder that was replaced is another one under the same name.
    async fn arm(&mut self) {
        let Some(mut watcher) = self.watcher.take() else {
            return;
        };
        let (sources, old) = (self.sources.clone(), std::mem::take(&mut self.watched));
        let armed = spawn_blocking(move || {
            for folder in old {
                // Fails where the folder is gone.
                let _gone = watcher.unwatch(&folder);
            }
            let mut watched = folders(&sources);
            // What cannot be watched, because it is not there or may not be read, is looked at in turn.
            watched.retain(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_ok());
            (watcher, watched)
        });
        if let Ok((watcher, watched)) = armed.await {
            (self.watcher, self.watched) = (Some(watcher), watched);
        }
    }
}

/// Reads the sources once they are still: two readings some time apart agree, in what can be read and in what cannot.
///
/// A writer that never pauses is waited for without end, since half a configuration may be an open one.
///
/// # Errors
/// Every source that cannot be read.
pub async fn still(sources: &Arc<Sources>) -> Result<Reading, Vec<Unreadable>> {
    let (begun, mut told) = (Instant::now(), false);
    let mut last = read(sources).await;
    loop {
        sleep(STILL).await;
        let next = read(sources).await;
        if next == last {
            return next;
        }
        last = next;
        if !told && begun.elapsed() > PATIENCE {
            told = true;
            tracing::warn!(
                "the configuration keeps changing; it is read when it has been still for half a second"
            );
        }
    }
}

async fn read(sources: &Arc<Sources>) -> Result<Reading, Vec<Unreadable>> {
    let sources = sources.clone();
    let failed = |_| Err(Vec::new());
    spawn_blocking(move || sources.read())
        .await
        .unwrap_or_else(failed)
}

/// What the files look like.
#[derive(Debug, Default, PartialEq, Eq)]
struct Looks(Vec<(PathBuf, Option<Look>)>);

/// One file, links followed: device, number, size, and when content and anything of it changed.
type Look = (u64, u64, u64, (i64, i64), (i64, i64));

impl Looks {
    fn of(sources: &Sources) -> Self {
        let look = |path: PathBuf| {
            let look = fs::metadata(&path).ok().map(|it| {
                (
                    it.dev(),
                    it.ino(),
                    it.size(),
                    (it.mtime(), it.mtime_nsec()),
                    (it.ctime(), it.ctime_nsec()),
                )
            });
            (path, look)
        };
        let files = |path: &Path| {
            list(path).map_or_else(|_| vec![path.to_owned()], |listing| listing.paths)
        };
        Self(sources.paths().flat_map(files).map(look).collect())
    }
}

/// The folders in which something happens when a source changes: those of the paths as named, and where links lead.
fn folders(sources: &Sources) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in sources.paths() {
        let Ok(whole) = std::path::absolute(path) else {
            continue;
        };
        let files = list(&whole)
            .map(|listing| listing.paths)
            .unwrap_or_default();
        let links = files
            .iter()
            .chain([&whole])
            .filter_map(|file| fs::canonicalize(file).ok());
        for it in links.chain([whole.clone()]) {
            folders.extend(it.parent().map(Path::to_owned));
            if it.is_dir() {
                folders.insert(it);
            }
        }
    }
    folders
}

/// Two readings that far apart must agree.
const STILL: Duration = Duration::from_millis(500);
/// After so long the log says what we wait for.
const PATIENCE: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(100);
const OFTEN: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
