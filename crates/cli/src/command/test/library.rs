//! A case put to the library: the very calls that serve requests, without a socket.

use countersign_config::compiled::Compiled;
use countersign_core::UnixTime;
use countersign_explain::cases::{Case, Got, compare};
use countersign_explain::{Answer, Ask, Impossible, ask, explain};

use super::Suite;
use super::report::{Outcome, Verdict};
use crate::exit::{Exit, Failure};

/// Runs a case.
pub(super) fn run(suite: &Suite, case: &Case) -> Result<Outcome, Failure> {
    let question = suite.read.ask(case)?;
    let answer = match answer(suite, &question, suite.time)? {
        Ok(answer) => answer,
        Err(impossible) => return Ok(no_answer(case, &impossible)),
    };
    let compiled = compiled(suite)?;
    let explanation = explain(compiled, &suite.loaded.diagnostics, &answer);
    let because = format!("{}, because {}", explanation.headline, explanation.cause);
    if !answer.assumed.is_empty() {
        let issuers = explanation.assumed.join("`, `");
        let why =
            format!("undetermined: the keys of `{issuers}` are not known; give them under `keys`");
        return Ok(Outcome::new(case, Verdict::Failed).because(&why));
    }
    let (differences, unknown) = compare(&case.expect, &Got::of(&answer));
    if !unknown.is_empty() {
        let why = format!(
            "a connection that is passed on unread has no {}",
            unknown.join(", ")
        );
        return Ok(Outcome::new(case, Verdict::Failed).because(&why));
    }
    let verdict = if differences.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    Ok(Outcome {
        differences,
        ..Outcome::new(case, verdict).because(&because)
    })
}

/// What the library says at a moment.
pub(super) fn answer<'s>(
    suite: &'s Suite,
    question: &Ask,
    time: UnixTime,
) -> Result<Result<Answer<'s>, Impossible>, Failure> {
    Ok(ask(compiled(suite)?, question, &suite.ring, time))
}

pub(super) fn compiled(suite: &Suite) -> Result<&Compiled, Failure> {
    // A suite is made with a configuration that has no errors.
    let missing = || Failure::new(Exit::Invalid, "the configuration is not usable");
    suite.loaded.compiled.as_ref().ok_or_else(missing)
}

fn no_answer(case: &Case, impossible: &Impossible) -> Outcome {
    let help = impossible
        .help
        .as_ref()
        .map_or_else(String::new, |help| format!("; {help}"));
    Outcome::new(case, Verdict::Failed).because(&format!("{}{help}", impossible.message))
}
