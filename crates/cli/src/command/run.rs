//! `countersign run`: serves a configuration until a signal ends it.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use clap::Args;
use countersign_config::{Loaded, load};

use crate::exit::{Exit, Failure};
use crate::gateway::{Gateway, Plan, Reloads, Signals, on_control_runtime};
use crate::load::{self, PathsArg, environment};
use crate::logging::LogArgs;
use crate::output::report;

/// Serve a configuration
///
/// Files that change are taken over while it runs; where a change has errors, the last good configuration stays. SIGHUP
/// reads them again, SIGTERM and SIGINT let running requests end, and a second signal ends at once. One line for each
/// request goes to standard output, everything else to standard error.
#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    paths: PathsArg,
    /// Where health, metrics and the running configuration are shown; never let strangers reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Threads that serve requests [default: one for each processor]
    #[arg(long, value_name = "N")]
    workers: Option<NonZero<usize>>,
    #[command(flatten)]
    log: LogArgs,
    /// Keep the last configuration where a new one asks less of callers, on any route
    #[arg(long)]
    refuse_unprotect: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let sources = Arc::new(self.paths.sources());
        let texts = load::texts(&sources)?;
        let Loaded {
            compiled,
            diagnostics,
            files,
            ..
        } = load(texts.clone(), &environment);
        report(&diagnostics.render(&files, self.log.style()));
        let compiled = compiled.ok_or_else(|| load::invalid(&diagnostics))?;
        let plan = Plan {
            compiled,
            workers: self.workers,
            admin: Some(self.admin),
            log: self.log.start(),
            reloads: Some(Reloads {
                sources,
                texts,
                refuse_unprotect: self.refuse_unprotect,
            }),
        };
        on_control_runtime(serve(plan))
    }
}

async fn serve(plan: Plan) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let gateway = Gateway::start(plan)?;
    let addresses: Vec<_> = gateway
        .addresses()
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    let admin = gateway
        .admin()
        .map(|address| address.to_string())
        .unwrap_or_default();
    if addresses.is_empty() {
        tracing::warn!(admin, "the configuration has no Gateway: nothing is served");
    } else {
        tracing::info!(listening = addresses.join(", "), admin, "ready");
    }
    Ok(gateway.until_signal(&mut signals).await)
}
