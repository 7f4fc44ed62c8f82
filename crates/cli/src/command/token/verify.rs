//! `countersign token verify`: who accepts a token, and for everybody who does not, what speaks against it.

use std::path::PathBuf;

use clap::Args;
use countersign_jose::{Token, TokenError, UnixTime};
use countersign_runtime::clock::now;
use serde_json::{Value, json};

use super::candidates::Candidate;
use crate::exit::{Exit, Failure};
use crate::output::{Format, FormatArg, Palette, json_line, print, visible};
use crate::time;
use crate::token::{TokenArg, Trial};

/// Say for every provider of a configuration whether it accepts a token, and if not, why
///
/// Ends with 0 if one accepts it, else with 4.
#[derive(Args)]
#[group(id = "against", required = true, multiple = false, args = ["config", "jwks"])]
pub(crate) struct Verify {
    #[command(flatten)]
    token: TokenArg,
    /// Hold it against the providers of this configuration: a file, a folder or, if the token comes from elsewhere, `-`.
    /// May be repeated
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Only the providers of this policy: NAMESPACE/NAME, or NAMESPACE/NAME/PROVIDER for one alone
    #[arg(long, value_name = "NAME", requires = "config")]
    provider: Option<String>,
    /// Fetch nothing: providers whose keys are elsewhere are said to have none
    #[arg(long, requires = "config")]
    offline: bool,
    /// Verify with the keys of this file alone: a JWK set, one JWK or a PEM public key. Issuer and audience are not
    /// checked
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArg,
    /// Judge times as of this moment: seconds since 1970, or such as 2026-11-25T15:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<u64>,
}

impl Verify {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let now = self.at.map_or_else(now, UnixTime);
        let candidates = match &self.jwks {
            Some(file) => vec![Candidate::keys_alone(file)?],
            None => Candidate::configured(self.config, self.provider.as_deref(), self.offline)?,
        };
        let text = self.token.read()?;
        let token = Token::parse(&text).map_err(|error| refused(&error))?;
        let results: Vec<Tried> = candidates
            .iter()
            .map(|it| Tried {
                candidate: it,
                trial: Trial::new(&token, &it.expect, &it.keys, now),
            })
            .collect();
        let report = Report {
            results,
            subject: token.unverified().subject(),
        };
        print(&match self.format.format {
            Format::Human => report.human(Palette::stdout(self.format.format)),
            Format::Plain => report.plain(),
            Format::Json => json_line(&report.json()),
        })?;
        Ok(if report.accepted() > 0 {
            Exit::Success
        } else {
            Exit::Denied
        })
    }
}

fn refused(error: &TokenError) -> Failure {
    let message = format!("no provider accepts this token: {error} ({})", error.code());
    Failure::new(Exit::Denied, message).help("`countersign token decode` shows what stands in it")
}

struct Tried<'a> {
    candidate: &'a Candidate,
    trial: Trial,
}

struct Report<'a> {
    results: Vec<Tried<'a>>,
    subject: Option<&'a str>,
}

impl Report<'_> {
    fn accepted(&self) -> usize {
        self.results
            .iter()
            .filter(|it| it.trial.verdict.is_ok())
            .count()
    }

    fn human(&self, palette: Palette) -> String {
        let mut out = String::new();
        for Tried { candidate, trial } in &self.results {
            out += &match &trial.verdict {
                Ok(()) => format!(
                    "{}  {}\n",
                    palette.good("accepted"),
                    visible(&candidate.name)
                ),
                Err(error) => format!(
                    "{}   {}\n  {error} {}\n",
                    palette.bad("refused"),
                    visible(&candidate.name),
                    palette.faint(&format!("({})", error.code()))
                ),
            };
            for check in &trial.checks {
                let mark = match check.passes {
                    Some(true) => palette.good("ok"),
                    Some(false) => palette.bad("NO"),
                    None => palette.faint("--"),
                };
                out += &format!("  {mark}  {:<9}  {}\n", check.name, visible(&check.detail));
            }
            out.push('\n');
        }
        out + &self.summary() + "\n"
    }

    fn summary(&self) -> String {
        let (accepted, all) = (self.accepted(), self.results.len());
        let providers = if all == 1 {
            "1 provider".to_owned()
        } else {
            format!("{all} providers")
        };
        match (accepted, self.subject) {
            (0, _) => format!("accepted by none of {providers}"),
            (_, Some(subject)) => format!(
                "accepted by {accepted} of {providers}, as `{}`",
                visible(subject)
            ),
            (_, None) => format!("accepted by {accepted} of {providers}; it names no subject"),
        }
    }

    fn plain(&self) -> String {
        let line = |it: &Tried<'_>| match &it.trial.verdict {
            Ok(()) => format!("accepted {}\n", visible(&it.candidate.name)),
            Err(error) => format!(
                "refused {}: {error} ({})\n",
                visible(&it.candidate.name),
                error.code()
            ),
        };
        self.results.iter().map(line).collect()
    }

    fn json(&self) -> Value {
        let provider = |it: &Tried<'_>| {
            let checks = it.trial.checks.iter().map(|check| {
                json!({ "check": check.name, "passes": check.passes, "detail": check.detail })
            });
            let error = it.trial.verdict.err();
            json!({
                "provider": it.candidate.name,
                "accepted": error.is_none(),
                "code": error.map(|error| error.code()),
                "message": error.map(|error| error.to_string()),
                "checks": checks.collect::<Vec<_>>(),
            })
        };
        json!({
            "accepted": self.accepted() > 0,
            "subject": self.subject.filter(|_| self.accepted() > 0),
            "providers": self.results.iter().map(provider).collect::<Vec<_>>(),
        })
    }
}
