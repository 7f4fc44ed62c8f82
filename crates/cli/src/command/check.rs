//! `countersign check`: everything there is to tell about a configuration, and what it protects.

use std::sync::Arc;

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

/// What `countersign_config::compiled::Protection` says, as a sentence: `a valid token of https://issuer.test for shop`.
fn in_words(demands: &[Arc<str>]) -> String {
    let stem = |word: &str| word.split(':').next().unwrap_or_default().to_owned();
    let policies = POLICIES
        .iter()
        .filter(|(name, _)| demands.iter().any(|it| stem(it) == *name));
    let policies: Vec<&str> = policies.map(|(_, said)| *said).collect();
    let tokens = demands
        .iter()
        .filter(|it| POLICIES.iter().all(|(name, _)| stem(it) != *name));
    let tokens: Vec<Arc<str>> = tokens.cloned().collect();
    match (tokens.as_slice(), policies.as_slice()) {
        ([], []) => "nothing: open to everybody".to_owned(),
        (tokens, []) => of_tokens(tokens),
        ([], policies) => format!("no token; {}", policies.join(", ")),
        (tokens, policies) => format!("{}; {}", of_tokens(tokens), policies.join(", ")),
    }
}

/// AuthorizationPolicies and client certificates in words.
const POLICIES: &[(&str, &str)] = &[
    ("allow-only", "an ALLOW policy must let it in"),
    ("deny", "DENY policies refuse some"),
    ("custom", "CUSTOM policies refuse some"),
    ("rbac", "expressions must let it in"),
    ("client-certificate", "a client certificate must verify"),
    (
        "client-identity",
        "client certificates that verify say who calls",
    ),
];

fn of_tokens(demands: &[Arc<str>]) -> String {
    let has = |name: &str| demands.iter().any(|it| it.split(':').next() == Some(name));
    let of = |name: &str| {
        let values = demands.iter().filter_map(|it| it.split_once(':'));
        let values = values.filter(|(it, _)| *it == name).map(|(_, value)| value);
        values.collect::<Vec<_>>()
    };
    if has("no-issuer") {
        return "a token, but there is no issuer: nothing passes".to_owned();
    }
    let sense = match (has("token-present"), has("valid-tokens")) {
        (true, _) => "a valid token",
        (false, true) => "no token, or a valid one",
        // agentgateway's mode `Permissive`.
        (false, false) => "anything, and who calls is said by a valid token",
    };
    let audiences = of("audience");
    let issuers = match of("issuer") {
        none if none.is_empty() => of_issuer("any issuer", &audiences),
        // A mesh's policies and the route's own want a token each, which may be the same.
        some => some
            .iter()
            .map(|one| {
                let each = one.split('|').map(|it| of_issuer(it, &audiences));
                each.collect::<Vec<_>>().join(", or ")
            })
            .collect::<Vec<_>>()
            .join(" and "),
    };
    let places = of("valid-tokens");
    let places = match places.as_slice() {
        [] => String::new(),
        some => format!(" in {}", some.join(" or ")),
    };
    visible(&format!("{sense}{places} {issuers}"))
}

fn of_issuer(issuer: &str, audiences: &[&str]) -> String {
    let wanted = audiences.iter().filter_map(|it| it.rsplit_once(" of "));
    let wanted: Vec<String> = wanted
        .filter(|(_, whose)| *whose == issuer)
        .map(|(audiences, _)| audiences.replace('|', " or "))
        .collect();
    if wanted.is_empty() {
        format!("of {issuer}")
    } else {
        format!("of {issuer} for {}", wanted.join(" and "))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_in_words() {
        for (demands, words) in [
            (&[][..], "nothing: open to everybody"),
            (&["allow-only"], "no token; an ALLOW policy must let it in"),
            (&["rbac:Allow p"], "no token; expressions must let it in"),
            (
                &["issuer:a", "keys:k of a"],
                "anything, and who calls is said by a valid token of a",
            ),
            (
                &["token-present", "issuer:a", "allow-only", "deny"],
                "a valid token of a; an ALLOW policy must let it in, DENY policies refuse some",
            ),
            (
                &["client-certificate", "client-identity:a/ca/1", "allow-only"],
                "no token; an ALLOW policy must let it in, a client certificate must verify, \
                 client certificates that verify say who calls",
            ),
            (
                &["token-present", "no-issuer"],
                "a token, but there is no issuer: nothing passes",
            ),
            (
                &["token-present", "valid-tokens", "issuer:a", "keys:k of a"],
                "a valid token of a",
            ),
            (
                &["valid-tokens", "issuer:a|b", "audience:x|y of a"],
                "no token, or a valid one of a for x or y, or of b",
            ),
            (
                &["token-present:a", "valid-tokens:cookie c", "issuer:a"],
                "a valid token in cookie c of a",
            ),
            (
                &["valid-tokens", "audience:x of any issuer"],
                "no token, or a valid one of any issuer for x",
            ),
            (
                &["valid-tokens", "issuer:a", "issuer:b"],
                "no token, or a valid one of a and of b",
            ),
        ] {
            let demands: Vec<Arc<str>> = demands.iter().map(|it| Arc::from(*it)).collect();
            assert_eq!(in_words(&demands), words);
        }
    }
}
