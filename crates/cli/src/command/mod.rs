//! The commands, one file each: its options, what it does, and how it ended.

mod check;
mod completions;
mod demo;
mod explain;
mod run;
mod test;
mod token;

use clap::{Parser, Subcommand};

use crate::exit::{Exit, Failure};

/// Identity gateway: validates tokens at the edge from the YAML you already have, and explains every decision
#[derive(Parser)]
#[command(name = "countersign", version, long_version = LONG_VERSION, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Run),
    Check(check::Check),
    Explain(Box<explain::Explain>),
    Test(test::Test),
    Token(token::Token),
    Demo(demo::Demo),
    Completions(completions::Completions),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Run(run) => run.run(),
            Self::Demo(demo) => demo.run(),
            Self::Check(check) => check.run(),
            Self::Explain(explain) => explain.run(),
            Self::Test(test) => test.run(),
            Self::Token(token) => token.run(),
            Self::Completions(completions) => completions.run(),
        }
    }
}

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:  ",
    env!("COUNTERSIGN_COMMIT"),
    "\ntarget:  ",
    env!("COUNTERSIGN_TARGET"),
    "\nprofile: ",
    env!("COUNTERSIGN_PROFILE"),
    "\nrustc:   ",
    env!("COUNTERSIGN_RUSTC"),
);
