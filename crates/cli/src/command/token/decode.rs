//! `countersign token decode`: header, claims and times of a token, never a word on whether it is genuine.

use clap::Args;
use countersign_runtime::clock::now;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::{Format, FormatArg, Palette, json_line, print, visible};
use crate::time;
use crate::token::{Decoded, Oddity, TokenArg, oddities};

/// Show what stands in a token, without verifying it
#[derive(Args)]
pub(crate) struct Decode {
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    format: FormatArg,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Tell times as of this moment: seconds since 1970, or such as 2026-11-25T15:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<u64>,
}

impl Decode {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let format = if self.json {
            Format::Json
        } else {
            self.format.format
        };
        let token = Decoded::read(&self.token.read()?)?;
        let shown = Shown::new(&token, self.at.unwrap_or_else(|| now().0));
        print(&match format {
            Format::Human => shown.human(Palette::stdout(format)),
            Format::Plain => shown.plain(),
            Format::Json => json_line(&shown.json()),
        })?;
        Ok(Exit::Success)
    }
}

/// What is shown of a token.
struct Shown<'a> {
    token: &'a Decoded,
    moments: Vec<Moment>,
    oddities: Vec<Oddity>,
}

/// A claim that is a moment, in words.
struct Moment {
    claim: &'static str,
    seconds: u64,
    words: String,
}

impl<'a> Shown<'a> {
    fn new(token: &'a Decoded, now: u64) -> Self {
        let oddities = oddities(token, now);
        let moments = ["iat", "nbf", "exp"].into_iter().filter_map(|claim| {
            // `exp: 0` means that there is none.
            let seconds = token
                .moment(claim)
                .filter(|seconds| claim != "exp" || *seconds != 0)?;
            let verb = match claim {
                "iat" => "issued",
                "nbf" if seconds > now => "becomes valid",
                "nbf" => "became valid",
                _ if now > seconds => "expired",
                _ => "expires",
            };
            let (distance, calendar) = (time::distance(seconds, now), time::calendar(seconds));
            let words = format!("{verb} {distance} ({calendar})");
            Some(Moment {
                claim,
                seconds,
                words,
            })
        });
        Self {
            token,
            moments: moments.collect(),
            oddities,
        }
    }

    fn human(&self, palette: Palette) -> String {
        let block = |title: &str, value: &Value| {
            format!(
                "{}\n  {}\n\n",
                palette.strong(title),
                palette.json(value, 2)
            )
        };
        let mut out = block("header", &self.token.header);
        if let Some(claims) = &self.token.claims {
            out += &block("claims", claims);
        }
        let lines = self
            .moments
            .iter()
            .map(|moment| match moment.words.starts_with("expired") {
                true => palette.bad(&moment.words) + "\n",
                false => format!("{}\n", moment.words),
            });
        out.extend(lines);
        out.extend(self.warnings(palette));
        out += &format!("{}: {}\n", palette.strong("not verified"), NOT_VERIFIED);
        out
    }

    fn plain(&self) -> String {
        let members = |part: &str, value: &Value| -> String {
            let members = value.as_object().into_iter().flatten();
            members
                .map(|(name, value)| visible(&format!("{part} {name} {value}")) + "\n")
                .collect()
        };
        let mut out = members("header", &self.token.header);
        out += &self
            .token
            .claims
            .as_ref()
            .map_or_else(String::new, |claims| members("claim", claims));
        out.extend(
            self.moments
                .iter()
                .map(|moment| format!("time {} {}\n", moment.claim, moment.words)),
        );
        out.extend(self.warnings(Palette::PLAIN));
        out + "not verified\n"
    }

    fn warnings(&self, palette: Palette) -> impl Iterator<Item = String> {
        self.oddities.iter().map(move |oddity| {
            let title = palette.warning(&format!("warning[{}]", oddity.code));
            format!("{title}: {}\n", oddity.message)
        })
    }

    fn json(&self) -> Value {
        let times = self.moments.iter().map(|moment| {
            let value = json!({ "seconds": moment.seconds, "words": moment.words });
            (moment.claim.to_owned(), value)
        });
        let warnings = self
            .oddities
            .iter()
            .map(|oddity| json!({ "code": oddity.code, "message": oddity.message }));
        json!({
            "verified": false,
            "header": self.token.header,
            "claims": self.token.claims,
            "times": times.collect::<serde_json::Map<_, _>>(),
            "warnings": warnings.collect::<Vec<_>>(),
        })
    }
}

const NOT_VERIFIED: &str =
    "anybody can write such a token; `countersign token verify` checks who signed it";
