//! What the log says about reloads: all that was found, at once.

use std::path::PathBuf;

use countersign_config::diagnostic::{Diagnostics, Style};
use countersign_config::source::Files;

use super::{Report, Unprotected};

pub(super) fn reloaded(report: &Report) {
    match report {
        Report::Applied {
            load,
            diagnostics,
            files,
            unprotected,
        } => {
            if !unprotected.is_empty() {
                let routes = lines(unprotected);
                tracing::warn!(load, routes, "routes ask for less than before");
            }
            let warnings = diagnostics.warnings().count();
            let found = found(diagnostics, files);
            if warnings > 0 {
                tracing::warn!(load, warnings, "the new configuration is in force{found}");
            } else {
                tracing::info!(load, "the new configuration is in force{found}");
            }
        }
        Report::Unchanged => tracing::info!("the configuration has not changed"),
        Report::Unreadable(problems) => {
            let problems = problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            tracing::error!(
                problems,
                "the configuration cannot be read; the last one stays in force"
            );
        }
        Report::Rejected { diagnostics, files } => {
            let errors = diagnostics.errors().count();
            let found = found(diagnostics, files);
            tracing::error!(
                errors,
                "the new configuration has errors; the last one stays in force{found}"
            );
        }
        Report::Refused(unprotected) => {
            let routes = lines(unprotected);
            tracing::error!(
                routes,
                "routes would ask for less than before; the last configuration stays in force"
            );
        }
        Report::NotApplied(cause) => {
            tracing::error!(
                cause,
                "the new configuration cannot be put in force; the last one stays"
            );
        }
    }
}

pub(super) fn passed_over(folders: &[PathBuf]) {
    if !folders.is_empty() {
        let folders = folders
            .iter()
            .map(|it| it.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        tracing::warn!(folders, "folders inside a folder are not read");
    }
}

/// All diagnostics below the message, if there are any.
fn found(diagnostics: &Diagnostics, files: &Files) -> String {
    let text = diagnostics.render(files, Style::Plain);
    if text.is_empty() {
        text
    } else {
        // Fields follow the message: on a line of their own they are no part of the last hint.
        format!(":\n{}\n", text.trim_end())
    }
}

fn lines(unprotected: &[Unprotected]) -> String {
    unprotected
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
