//! Takes a changed configuration into force, or keeps the last good one and says why.

mod log;
mod protection;

use std::future::Future;
use std::sync::Arc;

use countersign_config::Loaded;
use countersign_config::compiled::Compiled;
use countersign_config::diagnostic::Diagnostics;
use countersign_config::source::{Files, Text};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use protection::Unprotected;
use protection::unprotected;

use crate::running::Handle;
use crate::texts::{Reading, Sources, Unreadable};
use crate::watch::{Watch, still};

/// Makes a configuration of texts: [`countersign_config::load`] with the environment bound to it.
pub type Compile = Arc<dyn Fn(Vec<Text>) -> Loaded + Send + Sync>;

/// What the doors must do before a configuration is in force, such as to bind its ports.
pub trait Apply: Send + Sync {
    /// Makes ready for `next`. When it fails, all is as before and the last configuration stays.
    ///
    /// # Errors
    /// Why it cannot be done, in words for the log.
    fn apply(&self, next: &Compiled) -> impl Future<Output = Result<(), String>> + Send;
}

/// What came of one reload.
pub enum Report {
    /// The new configuration is in force.
    Applied {
        /// Number of the load, as in [`crate::Running::load`].
        load: u64,
        /// Warnings and notes, and the texts they speak of.
        diagnostics: Diagnostics,
        /// The texts.
        files: Files,
        /// Routes that ask for less than before (decision P5a).
        unprotected: Vec<Unprotected>,
    },
    /// The texts are those that are in force.
    Unchanged,
    /// Sources cannot be read.
    Unreadable(Vec<Unreadable>),
    /// The texts have errors.
    Rejected {
        /// All there is to tell.
        diagnostics: Diagnostics,
        /// The texts.
        files: Files,
    },
    /// Routes would ask for less than before, and that is not wanted (decision P5a).
    Refused(Vec<Unprotected>),
    /// The doors could not be made ready.
    NotApplied(String),
}

impl Report {
    /// Stable name for metrics and logs.
    pub fn result(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Unchanged => "unchanged",
            Self::Unreadable(_) => "unreadable",
            Self::Rejected { .. } => "rejected",
            Self::Refused(_) => "unprotects",
            Self::NotApplied(_) => "not_applied",
        }
    }
}

/// How reloads are done.
pub struct Plan<A> {
    /// What is reloaded.
    pub handle: Handle,
    /// Where the texts are.
    pub sources: Arc<Sources>,
    /// The texts that are in force.
    pub texts: Vec<Text>,
    /// Makes configurations.
    pub compile: Compile,
    /// The doors.
    pub apply: A,
    /// Keep the last configuration where a route would ask for less than before (`--refuse-unprotect`).
    pub refuse_unprotect: bool,
    /// Told of every reload, after it was logged and counted.
    pub report: Box<dyn Fn(&Report) + Send + Sync>,
}

/// Reloads whenever the sources change, on [`Handle::reload`] and on SIGHUP, without end.
pub async fn run<A: Apply>(plan: Plan<A>) {
    let mut watch = Watch::new(plan.sources.clone()).await;
    let (tell, mut changes) = mpsc::channel(1);
    // A task of its own, since a look that is broken off would lose what it saw.
    let mut watching = JoinSet::new();
    watching.spawn(async move {
        while tell.send(()).await.is_ok() {
            watch.changed().await;
        }
    });
    let mut hangup = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "SIGHUP will not reload the configuration"))
        .ok();
    let mut reloader = Reloader {
        applied: plan.texts.clone(),
        seen: None,
        plan,
    };
    // The first change is told at once: something may have happened between the first reading and the first look.
    loop {
        let forced = tokio::select! {
            Some(()) = changes.recv() => false,
            () = reloader.plan.handle.reload_wanted() => true,
            Some(()) = async { hangup.as_mut()?.recv().await } => true,
        };
        reloader.reload(forced).await;
    }
}

struct Reloader<A> {
    plan: Plan<A>,
    /// The texts that are in force.
    applied: Vec<Text>,
    /// What was read last if that was not taken: a change of nothing is no reason to say it all again.
    seen: Option<Result<Vec<Text>, Vec<Unreadable>>>,
}

impl<A: Apply> Reloader<A> {
    /// Reads the sources. Texts that were refused before are looked at again only if somebody asks: the reason may have
    /// gone away without them.
    async fn reload(&mut self, forced: bool) {
        let reading = still(&self.plan.sources).await;
        let read = reading
            .as_ref()
            .map(|it| it.texts.clone())
            .map_err(Clone::clone);
        let known = match &self.seen {
            Some(seen) => read == *seen,
            None => read.as_ref() == Ok(&self.applied),
        };
        if known && !forced {
            return;
        }
        let report = self.take(reading).await;
        self.seen =
            Some(read).filter(|_| !matches!(report, Report::Applied { .. } | Report::Unchanged));
        log::reloaded(&report);
        self.plan.handle.metrics().reloaded(report.result());
        (self.plan.report)(&report);
    }

    async fn take(&mut self, reading: Result<Reading, Vec<Unreadable>>) -> Report {
        let Reading { texts, passed_over } = match reading {
            Ok(reading) if reading.texts == self.applied => return Report::Unchanged,
            Ok(reading) => reading,
            Err(problems) => return Report::Unreadable(problems),
        };
        log::passed_over(&passed_over);
        let (compile, input) = (self.plan.compile.clone(), texts.clone());
        let Ok(loaded) = tokio::task::spawn_blocking(move || compile(input)).await else {
            return Report::NotApplied("reading the texts did not come to an end".into());
        };
        let Loaded {
            compiled,
            diagnostics,
            files,
            ..
        } = loaded;
        let Some(compiled) = compiled else {
            return Report::Rejected { diagnostics, files };
        };
        let unprotected = {
            let old = &self.plan.handle.current().compiled;
            let mut all = unprotected(&old.protection, &compiled.protection);
            all.extend(unprotected(&old.gateways, &compiled.gateways));
            all
        };
        if self.plan.refuse_unprotect && !unprotected.is_empty() {
            return Report::Refused(unprotected);
        }
        if let Err(why) = self.plan.apply.apply(&compiled).await {
            return Report::NotApplied(why);
        }
        self.plan.handle.replace(Arc::new(compiled));
        self.applied = texts;
        Report::Applied {
            load: self.plan.handle.current().load,
            diagnostics,
            files,
            unprotected,
        }
    }
}

#[cfg(test)]
mod tests;
