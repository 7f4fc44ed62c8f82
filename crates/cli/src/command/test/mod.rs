//! `countersign test`: files of cases, put to the library or to a running gateway.

mod gateway;
mod library;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_config::Loaded;
use countersign_core::UnixTime;
use countersign_explain::KeyRing;
use countersign_runtime::clock::now;

use crate::exit::{Exit, Failure};
use crate::load;
use crate::output::{Format, Palette, json_line, print, redact, report as tell};
use crate::suites::Read;
use gateway::GatewayOptions;
use report::{Outcome, Report};

/// Put cases to a configuration, and compare what comes of each with what is expected
///
/// Ends with 0 if all are as expected, with 5 if some are not, and with 3 if a file or its configuration has errors.
#[derive(Args)]
pub(crate) struct Test {
    /// Files of cases, or folders: their *.test.yaml, *.test.yml and *.test.json
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    #[command(flatten)]
    gateway: GatewayOptions,
    /// How results are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let format = if self.json { Format::Json } else { self.format };
        let files = files(&self.paths)?;
        let gateway = self.gateway.connect()?;
        let filter = self.filter.as_deref().unwrap_or_default();
        let mut report = Report::default();
        for file in files {
            let run = Suite::read(&file).and_then(|suite| {
                let cases = suite.read.suite.cases.iter();
                cases
                    .filter(|case| case.name.contains(filter))
                    .map(|case| match &gateway {
                        None => library::run(&suite, case),
                        Some(gateway) => gateway.run(&suite, case),
                    })
                    .collect::<Result<Vec<Outcome>, Failure>>()
            });
            match run {
                Ok(outcomes) => report.add(&file, outcomes),
                Err(failure) => {
                    tell(&redact(&failure.to_string()));
                    report.broken(&file, &failure);
                }
            }
        }
        if report.is_empty() && !filter.is_empty() {
            let message = format!("no case has `{filter}` in its name");
            return Err(Failure::new(Exit::Usage, message));
        }
        print(&match format {
            Format::Human => report.human(Palette::stdout(format)),
            Format::Plain => report.plain(),
            Format::Json => json_line(&report.json()),
        })?;
        Ok(report.exit())
    }
}

/// The files that are meant, each once, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error: std::io::Error| {
            let message = format!("the folder `{}` cannot be read: {error}", path.display());
            Failure::new(Exit::Failure, message)
        };
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut found = Vec::new();
        for entry in entries {
            found.push(entry.map_err(unreadable)?.path());
        }
        found.retain(|it| is_of_cases(it));
        found.sort();
        if found.is_empty() {
            let message = format!("the folder `{}` has no file of cases", path.display());
            return Err(Failure::new(Exit::Failure, message)
                .help("their names end in `.test.yaml`, `.test.yml` or `.test.json`"));
        }
        files.extend(found);
    }
    Ok(files)
}

fn is_of_cases(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|it| it.to_str())
        .unwrap_or_default();
    [".test.yaml", ".test.yml", ".test.json"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// A file of cases with its configuration, ready to be asked.
struct Suite {
    read: Read,
    loaded: Loaded,
    ring: KeyRing,
    time: UnixTime,
}

impl Suite {
    fn read(file: &Path) -> Result<Self, Failure> {
        let read = Read::file(file)?;
        let texts = read.texts()?;
        if texts.is_empty() {
            let message = format!("`{}` names no configuration", file.display());
            return Err(Failure::new(Exit::Invalid, message)
                .help("list files and folders under `policies`, or write objects under `inline`"));
        }
        let loaded = countersign_config::load(texts, &load::environment);
        if loaded.compiled.is_none() {
            let style = Palette::stderr().style();
            tell(&loaded.diagnostics.render(&loaded.files, style));
            let invalid = load::invalid(&loaded.diagnostics);
            let message = format!("the configuration of `{}` has errors", file.display());
            return Err(Failure::new(Exit::Invalid, message).and(invalid));
        }
        let (ring, time) = (read.ring()?, read.suite.time.unwrap_or_else(now));
        Ok(Self {
            read,
            loaded,
            ring,
            time,
        })
    }
}
