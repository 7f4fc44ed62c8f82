//! `countersign run`: serves a configuration until a signal ends it.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use clap::Args;
use countersign_config::{Loaded, load};
use countersign_runtime::traces::{self, Collector, Ratio};

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
    #[command(flatten)]
    traces: TraceArgs,
}

/// The options of traces.
#[derive(Args)]
struct TraceArgs {
    /// Send traces to this OpenTelemetry collector over OTLP/HTTP, as in `http://collector:4318`; if not given, none are sent
    #[arg(
        long,
        value_name = "URL",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_parser = collector
    )]
    otlp: Option<Otlp>,
    /// The share of requests that are traced, from 0 to 1, where the caller has not decided
    #[arg(long, value_name = "RATIO", default_value_t = Ratio::ALL)]
    otlp_sample: Ratio,
    /// What the gateway is called in traces [default: countersign]
    #[arg(
        long,
        value_name = "NAME",
        env = "OTEL_SERVICE_NAME",
        hide_env_values = true
    )]
    otlp_service: Option<String>,
}

/// A collector, or none: OpenTelemetry wants a variable that is empty to be as good as unset.
#[derive(Clone)]
struct Otlp(Option<Collector>);

fn collector(text: &str) -> Result<Otlp, String> {
    if text.is_empty() {
        return Ok(Otlp(None));
    }
    let collector = text.parse::<Collector>();
    collector
        .map(|it| Otlp(Some(it)))
        .map_err(|error| error.to_string())
}

impl TraceArgs {
    fn plan(self) -> Option<traces::Plan> {
        let name = self.otlp_service.filter(|name| !name.is_empty());
        Some(traces::Plan {
            collector: self.otlp?.0?,
            sample: self.otlp_sample,
            service: name.unwrap_or_else(|| "countersign".to_owned()),
        })
    }
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
            traces: self.traces.plan(),
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
