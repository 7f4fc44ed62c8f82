//! Configuration from the command line: paths to texts to what can be served, with everything there is to tell about it.

use std::io;
use std::path::PathBuf;

use clap::Args;
use countersign_config::diagnostic::Diagnostics;
use countersign_config::source::Text;
use countersign_config::{Loaded, load};
use countersign_runtime::texts::{Reading, Sources, Unreadable};

use crate::exit::{Exit, Failure};
use crate::output::{Palette, report};

/// The paths of a configuration.
#[derive(Args)]
pub(crate) struct PathsArg {
    /// Files, folders (their *.yaml, *.yml and *.json), or `-` for standard input; all are one configuration
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

impl PathsArg {
    pub(crate) fn sources(self) -> Sources {
        sources(self.paths)
    }
}

/// Where these paths lead.
pub(crate) fn sources(paths: Vec<PathBuf>) -> Sources {
    Sources::new(paths, io::stdin())
}

/// Reads and compiles. Folders that were passed over are told on standard error.
///
/// # Errors
/// When a text cannot be read. Errors in the texts are in what is returned.
pub(crate) fn read(sources: &Sources) -> Result<Loaded, Failure> {
    Ok(load(texts(sources)?, &environment))
}

/// As [`read`], the first half.
///
/// # Errors
/// When a text cannot be read.
pub(crate) fn texts(sources: &Sources) -> Result<Vec<Text>, Failure> {
    let reading = sources.read().map_err(|all| unreadable(&all))?;
    passed_over(&reading);
    Ok(reading.texts)
}

/// What `${NAME}` stands for.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `2 errors, 1 warning`
pub(crate) fn tally(diagnostics: &Diagnostics) -> String {
    let (errors, warnings) = (diagnostics.errors().count(), diagnostics.warnings().count());
    format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
}

/// `1 file`, `2 files`
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The failure of a command that needs a configuration without errors, which have been told already.
pub(crate) fn invalid(diagnostics: &Diagnostics) -> Failure {
    let message = format!("the configuration is not usable: {}", tally(diagnostics));
    Failure::new(Exit::Invalid, message)
        .help("`countersign check` with the same paths shows them again")
}

fn unreadable(all: &[Unreadable]) -> Failure {
    let mut failures = all
        .iter()
        .map(|it| Failure::new(Exit::Failure, it.to_string()).help(it.problem.help()));
    let first = failures
        .next()
        .unwrap_or_else(|| Failure::new(Exit::Failure, "the configuration cannot be read"));
    failures.fold(first, Failure::and)
}

fn passed_over(reading: &Reading) {
    let title = Palette::stderr().warning("warning");
    for folder in &reading.passed_over {
        let name = folder.display().to_string();
        report(&format!(
            "{title}: nothing in the folder `{}` is read\n  help: name it as well\n",
            name.escape_debug()
        ));
    }
}
