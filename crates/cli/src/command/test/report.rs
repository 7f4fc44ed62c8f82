//! What came of all cases: for people, for `grep`, for programs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_explain::cases::{Case, Difference};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::load::count;
use crate::output::{Palette, redact, visible};

/// All files.
#[derive(Default)]
pub(super) struct Report {
    files: Vec<(PathBuf, Result<Vec<Outcome>, Failure>)>,
}

/// What came of one case.
pub(super) struct Outcome {
    pub(super) name: Arc<str>,
    pub(super) line: u32,
    pub(super) verdict: Verdict,
    pub(super) differences: Vec<Difference>,
    /// Why it came out so, or why it was not run.
    pub(super) because: String,
    /// What was expected and nobody could tell.
    pub(super) not_compared: Vec<&'static str>,
}

/// Whether a case came out as expected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// It could not be put to this gateway.
    Skipped,
}

impl Outcome {
    pub(super) fn new(case: &Case, verdict: Verdict) -> Self {
        Self {
            name: Arc::clone(&case.name),
            line: case.at.start.line,
            verdict,
            differences: Vec::new(),
            because: String::new(),
            not_compared: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn because(mut self, because: &str) -> Self {
        // A challenge repeats the target of the request, which may hold a token.
        self.because = redact(because);
        self
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.differences.iter().map(|it| {
            let (expected, got) = (shown(&it.expected), shown(&it.got));
            format!("{}: expected {expected}, got {got}", visible(&it.field))
        })
    }
}

fn shown(text: &str) -> String {
    match text {
        "" => "nothing".to_owned(),
        text => format!("`{}`", redact(&visible(text))),
    }
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, file: &Path, outcomes: Vec<Outcome>) {
        self.files.push((file.to_owned(), Ok(outcomes)));
    }

    /// A file that could not be run, which has been told.
    pub(super) fn broken(&mut self, file: &Path, failure: &Failure) {
        self.files.push((file.to_owned(), Err(failure.clone())));
    }

    /// Whether there was nothing to run.
    pub(super) fn is_empty(&self) -> bool {
        self.files
            .iter()
            .all(|(_, it)| it.as_ref().is_ok_and(Vec::is_empty))
    }

    /// A file that cannot be run is worse than a case that fails.
    pub(super) fn exit(&self) -> Exit {
        let broken = self.files.iter().find_map(|(_, it)| it.as_ref().err());
        match broken {
            Some(failure) => failure.exit,
            None if self.count(Verdict::Failed) > 0 => Exit::Failed,
            None => Exit::Success,
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = (&Path, &Outcome)> {
        self.files.iter().flat_map(|(file, outcomes)| {
            let outcomes = outcomes.as_deref().unwrap_or_default();
            outcomes.iter().map(move |it| (file.as_path(), it))
        })
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.outcomes()
            .filter(|(_, it)| it.verdict == verdict)
            .count()
    }

    pub(super) fn human(&self, palette: Palette) -> String {
        let mut out = String::new();
        for (file, outcome) in self.outcomes() {
            let place = format!("{}:{}", file.display(), outcome.line);
            let name = visible(&outcome.name);
            match outcome.verdict {
                Verdict::Passed => {}
                Verdict::Skipped => {
                    let title = palette.warning("skipped");
                    out += &format!("{title} {name} ({place}): {}\n", visible(&outcome.because));
                }
                Verdict::Failed => {
                    let title = palette.bad("FAILED");
                    out += &format!("{title} {name} ({place})\n");
                    out.extend(outcome.lines().map(|line| format!("  {line}\n")));
                    out += &format!("  {}\n", visible(&outcome.because));
                    let command = again(file, &outcome.name);
                    out += &palette.faint(&format!("  see: {command}\n"));
                }
            }
            if !outcome.not_compared.is_empty() && outcome.verdict == Verdict::Passed {
                let fields = outcome.not_compared.join(", ");
                let title = palette.faint("note");
                out += &format!("{title} {name} ({place}): not compared: {fields}\n");
            }
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let summary = self.summary();
        let painted = match self.exit() {
            Exit::Success => palette.good(&summary),
            _ => palette.bad(&summary),
        };
        out + &painted + "\n"
    }

    /// `3 passed, 1 failed, 0 skipped in 2 files`
    fn summary(&self) -> String {
        let [passed, failed, skipped] =
            [Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(|it| self.count(it));
        let broken = self.files.iter().filter(|(_, it)| it.is_err()).count();
        let broken = match broken {
            0 => String::new(),
            number => format!(", {} not run", count(number, "file")),
        };
        let files = count(self.files.len(), "file");
        format!("{passed} passed, {failed} failed, {skipped} skipped in {files}{broken}")
    }

    pub(super) fn plain(&self) -> String {
        let mut out = String::new();
        for (file, outcome) in self.outcomes() {
            let place = format!("{}:{}", file.display(), outcome.line);
            let verdict = outcome.verdict.name();
            let name = visible(&outcome.name);
            let lines: Vec<_> = outcome.lines().collect();
            let why = match outcome.verdict {
                Verdict::Passed => String::new(),
                Verdict::Skipped => format!(": {}", visible(&outcome.because)),
                Verdict::Failed if lines.is_empty() => format!(": {}", visible(&outcome.because)),
                Verdict::Failed => format!(": {}", lines.join("; ")),
            };
            out += &format!("{place}: {verdict}: {name}{why}\n");
        }
        out + &self.summary() + "\n"
    }

    pub(super) fn json(&self) -> Value {
        let files = self.files.iter().map(|(file, outcomes)| {
            let cases = outcomes.as_deref().unwrap_or_default().iter();
            json!({
                "file": file.display().to_string(),
                "error": outcomes.as_ref().err().map(|it| redact(it.to_string().trim_end())),
                "cases": cases.map(case).collect::<Vec<_>>(),
            })
        });
        json!({
            "files": files.collect::<Vec<_>>(),
            "summary": {
                "passed": self.count(Verdict::Passed),
                "failed": self.count(Verdict::Failed),
                "skipped": self.count(Verdict::Skipped),
                "broken": self.files.iter().filter(|(_, it)| it.is_err()).count(),
            },
        })
    }
}

fn case(outcome: &Outcome) -> Value {
    let differences = outcome.differences.iter().map(|it| {
        json!({
            "field": it.field,
            "expected": redact(&it.expected),
            "got": redact(&it.got),
        })
    });
    json!({
        "name": &*outcome.name,
        "line": outcome.line,
        "result": outcome.verdict.name(),
        "differences": differences.collect::<Vec<_>>(),
        "because": outcome.because,
        "notCompared": outcome.not_compared,
    })
}

/// How to see more of a case.
fn again(file: &Path, name: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let file = file.display().to_string();
    let plain = file
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    let file = if plain { file } else { quoted(&file) };
    visible(&format!(
        "countersign explain --request {file} --case {}",
        quoted(name)
    ))
}
