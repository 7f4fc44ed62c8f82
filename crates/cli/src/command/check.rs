//! `countersign check`: everything there is to tell about a configuration, and what it protects.

use clap::Args;
use countersign_config::Loaded;
use countersign_config::compiled::Protection;
use countersign_config::diagnostic::{Diagnostic, Style};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::load::{self, PathsArg, count, tally};
use crate::output::{Format, FormatArg, Palette, json_line, print, visible};

/// Tell everything that is wrong with a configuration, and what it protects
///
/// Ends with 0 if it can be served, with 3 if it has errors. Warnings stop nothing.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    paths: PathsArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Check {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let loaded = load::read(&self.paths.sources())?;
        let format = self.format.format;
        print(&match format {
            Format::Human => human(&loaded, Palette::stdout(format)),
            Format::Plain => plain(&loaded),
            Format::Json => json_line(&document(&loaded)),
        })?;
        Ok(if loaded.compiled.is_some() {
            Exit::Success
        } else {
            Exit::Invalid
        })
    }
}

fn human(loaded: &Loaded, palette: Palette) -> String {
    let mut out = loaded.diagnostics.render(&loaded.files, palette.style());
    if let Some(compiled) = &loaded.compiled {
        out += &protection(&compiled.protection, palette);
    }
    let summary = summary(loaded);
    let painted = match (&loaded.compiled, loaded.diagnostics.warnings().next()) {
        (None, _) => palette.bad(&summary),
        (Some(_), Some(_)) => palette.warning(&summary),
        (Some(_), None) => palette.good(&summary),
    };
    out + &painted + "\n"
}

/// One line for each route: what a request must bring to pass.
fn protection(routes: &[Protection], palette: Palette) -> String {
    if routes.is_empty() {
        return String::new();
    }
    let width = routes
        .iter()
        .map(|it| it.route.chars().count())
        .max()
        .unwrap_or_default();
    let lines = routes.iter().map(|it| {
        let demands = in_words(&it.demands);
        let demands = if it.demands.is_empty() {
            palette.warning(&demands)
        } else {
            demands
        };
        format!("  {:<width$}  {demands}\n", visible(&it.route))
    });
    let title = palette.strong("What a request must bring, by listener and route");
    format!("{title}\n{}\n", lines.collect::<String>())
}

/// Demands such as `valid-tokens:namespace/policy` and `token-present`.
fn in_words(demands: &[std::sync::Arc<str>]) -> String {
    let has = |wanted: &str| {
        demands
            .iter()
            .any(|it| it.split(':').next() == Some(wanted))
    };
    let sense = match (has("token-present"), has("valid-tokens")) {
        _ if demands.is_empty() => return "nothing: open to everybody".to_owned(),
        (true, _) => "a valid token",
        (false, true) => "no token, or a valid one",
        (false, false) => "",
    };
    let listed = demands
        .iter()
        .map(|it| visible(it))
        .collect::<Vec<_>>()
        .join(", ");
    format!("{sense} ({listed})").trim_start().to_owned()
}

fn summary(loaded: &Loaded) -> String {
    let (files, objects) = totals(loaded);
    let tally = tally(&loaded.diagnostics);
    format!(
        "{tally} in {}, {}",
        count(files, "file"),
        count(objects, "object")
    )
}

fn totals(loaded: &Loaded) -> (usize, usize) {
    (loaded.files.ids().count(), loaded.objects)
}

/// `file:line:column: error[code]: message`, as editors and `grep` have it from compilers.
fn plain(loaded: &Loaded) -> String {
    let line = |it: &Diagnostic| {
        let place = it.span.map_or_else(String::new, |span| {
            format!(
                "{}:{}:{}: ",
                loaded.files.name(span.file),
                span.start.line,
                span.start.column
            )
        });
        let help = it
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!(" (help: {help})"));
        visible(&format!(
            "{place}{}[{}]: {}{help}",
            it.severity.name(),
            it.code,
            it.message
        )) + "\n"
    };
    loaded.diagnostics.iter().map(line).collect::<String>() + &summary(loaded) + "\n"
}

fn document(loaded: &Loaded) -> Value {
    let lines = loaded.diagnostics.render(&loaded.files, Style::Json);
    let diagnostics = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let protection = loaded.compiled.as_ref().map(|compiled| {
        let route = |it: &Protection| json!({ "route": &*it.route, "demands": demands(it) });
        compiled.protection.iter().map(route).collect::<Vec<_>>()
    });
    let (files, objects) = totals(loaded);
    json!({
        "diagnostics": diagnostics.collect::<Vec<_>>(),
        "protection": protection,
        "summary": {
            "errors": loaded.diagnostics.errors().count(),
            "warnings": loaded.diagnostics.warnings().count(),
            "files": files,
            "objects": objects,
        },
    })
}

fn demands(route: &Protection) -> Vec<&str> {
    route.demands.iter().map(|it| &**it).collect()
}
