//! The benchmark's other end: mints tokens, makes load from one thread, and times one bare signature check.
//!
//! Results are JSON on standard output; all else goes to standard error, with an exit code of its own.

mod alarm;
mod answer;
mod claims;
mod expect;
mod fault;
mod http1;
mod http2;
mod idle;
mod link;
mod mint;
mod options;
mod output;
mod pace;
mod plan;
mod report;
mod requests;
mod run;
mod session;
mod sign;
mod signature;
mod target;
mod tokens;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::fault::Fault;

/// Tokens, load and signature timings for the benchmark.
#[derive(Parser)]
#[command(name = "countersign-load", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write keys and tokens into a folder, unless good ones are there
    Mint(mint::Options),
    /// Send requests, check every answer, and print what was measured
    Run(Box<options::Options>),
    /// Print the CPU time of one bare signature check
    Signature(signature::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Mint(options) => mint::run(&options),
        Command::Run(options) => run::run(*options),
        Command::Signature(options) => signature::run(&options),
    };
    done.map_or_else(|fault| end(&fault), |()| ExitCode::SUCCESS)
}

fn end(fault: &Fault) -> ExitCode {
    output::tell(&format!("error: {fault}"));
    fault.exit()
}
