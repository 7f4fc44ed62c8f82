//! The process's log, on standard error: levels that can be changed while it runs.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};
use countersign_config::diagnostic::Style;
use countersign_server::Log;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::output::Palette;

/// The options of the log.
#[derive(Args)]
pub(crate) struct LogArgs {
    /// What is logged: error, warn, info, debug or trace, for all or as in `info,hyper=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    log_level: String,
    /// How it is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For reading
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl LogArgs {
    /// Starts the log, and gives what the admin listener changes its level with.
    pub(crate) fn start(self) -> Log {
        let filter = filter(&self.log_level).unwrap_or_default();
        let (filter, handle) = reload::Layer::new(filter);
        let lines = match self.log_format {
            LogFormat::Text => fmt::layer()
                .with_writer(io::stderr)
                .with_target(false)
                .boxed(),
            LogFormat::Json => fmt::layer()
                .with_writer(io::stderr)
                .json()
                .flatten_event(true)
                .boxed(),
        };
        // Fails only where a log was started before.
        let _first = tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init();
        control(self.log_level, handle)
    }

    /// How diagnostics look among the lines.
    pub(crate) fn style(&self) -> Style {
        match self.log_format {
            LogFormat::Text => Palette::stderr().style(),
            LogFormat::Json => Style::Json,
        }
    }
}

fn control(level: String, handle: reload::Handle<EnvFilter, Registry>) -> Log {
    let shown = Arc::new(Mutex::new(level));
    let changed = Arc::clone(&shown);
    Log {
        level: Box::new(move || shown.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        set: Box::new(move |wanted| {
            let filter = filter(wanted)?;
            handle.reload(filter).map_err(|error| error.to_string())?;
            *changed.lock().unwrap_or_else(PoisonError::into_inner) = wanted.to_owned();
            Ok(())
        }),
    }
}

/// Checks a level without setting it.
fn level(text: &str) -> Result<String, String> {
    filter(text).map(|_| text.to_owned())
}

/// `LEVEL` or `PART=LEVEL`, several with commas between.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let help = "write error, warn, info, debug or trace, for all or as in `info,hyper=debug`";
    // The parser would take a misspelt level for the name of a part of the program.
    let is_level = |it: &str| {
        let level = it.rsplit_once('=').map_or(it, |(_, level)| level);
        !level.is_empty() && level.parse::<LevelFilter>().is_ok()
    };
    if text.split(',').all(is_level) {
        EnvFilter::builder()
            .parse(text)
            .map_err(|_| help.to_owned())
    } else {
        Err(help.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for good in [
            "error",
            "warn",
            "info",
            "DEBUG",
            "trace",
            "info,hyper=debug",
            "off",
        ] {
            assert_eq!(level(good).as_deref(), Ok(good));
        }
        for bad in ["", " ", "loud", "hyper=loud", "info,hyper=loud", "info,"] {
            assert!(level(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_level_shown_is_the_level_set() {
        let (layer, handle) = reload::Layer::new(filter("info").unwrap());
        let log = control("info".to_owned(), handle);
        assert_eq!((log.level)(), "info");
        assert_eq!((log.set)("debug"), Ok(()));
        assert_eq!((log.level)(), "debug");
        assert!((log.set)("hyper=loud").is_err());
        assert_eq!((log.level)(), "debug");
        drop(layer);
        assert!((log.set)("info").is_err());
        assert_eq!((log.level)(), "debug");
    }
}
