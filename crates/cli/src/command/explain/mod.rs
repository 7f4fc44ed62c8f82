//! `countersign explain`: what the gateway would answer to one request, and why, without a gateway or a network.

mod options;
mod show;

use std::path::PathBuf;

use clap::Args;
use countersign_core::UnixTime;
use countersign_explain::{Answer, ask, explain};
use countersign_runtime::clock::now;

use crate::exit::{Exit, Failure};
use crate::output::{Format, Palette, json_line, print, report};
use crate::suites::{self, Chosen};
use crate::time;
use crate::{files, load};
use options::{KeyOptions, RequestOptions};

/// Say what the gateway would answer to a request, and why
///
/// Ends with 0 if the request is let through, with 4 if it is refused, and with 6 if that hangs on keys that are not
/// known here.
#[derive(Args)]
pub(crate) struct Explain {
    /// The configuration: files, folders, or `-` for standard input. A file of cases names its own
    #[arg(value_name = "PATH", required_unless_present = "request")]
    paths: Vec<PathBuf>,
    /// Read the request from a file: HTTP text (`curl -v`, a browser's view of headers), or a case of `countersign test`
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    request: Option<PathBuf>,
    /// The case that is meant, where the file has several
    #[arg(
        long,
        value_name = "NAME",
        requires = "request",
        help_heading = "Request"
    )]
    case: Option<String>,
    #[command(flatten)]
    options: RequestOptions,
    #[command(flatten)]
    keys: KeyOptions,
    /// Decide as of this moment: seconds since 1970, or such as 2026-11-25T15:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    time: Option<u64>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let format = if self.json { Format::Json } else { self.format };
        let mut chosen = match &self.request {
            Some(file) => suites::one(file, self.case.as_deref())?,
            None => Chosen::default(),
        };
        let time = self.time.map(UnixTime).or(chosen.time).unwrap_or_else(now);
        let texts = chosen.texts(self.paths)?;
        let mut request = self.options.put_into(chosen.ask)?;
        let ring = self.keys.read(chosen.ring)?;
        let loaded = countersign_config::load(texts, &load::environment);
        let Some(compiled) = &loaded.compiled else {
            let style = Palette::stderr().style();
            report(&loaded.diagnostics.render(&loaded.files, style));
            return Err(load::invalid(&loaded.diagnostics));
        };
        self.options.identify(&mut request, compiled, time)?;
        let answer = ask(compiled, &request, &ring, time).map_err(files::impossible)?;
        let explanation = explain(compiled, &loaded.diagnostics, &answer);
        print(&match format {
            Format::Human => show::human(&explanation, Palette::stdout(format)),
            Format::Plain => show::plain(&explanation),
            Format::Json => json_line(&explanation.json()),
        })?;
        Ok(exit(&answer))
    }
}

fn exit(answer: &Answer<'_>) -> Exit {
    match (answer.assumed.is_empty(), answer.is_allowed()) {
        (false, _) => Exit::Undetermined,
        (true, true) => Exit::Success,
        (true, false) => Exit::Denied,
    }
}
