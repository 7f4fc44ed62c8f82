//! The countersign binary: reads the command line, runs the command, and ends with the exit code of how it went.

mod command;
mod demo;
mod exit;
mod files;
mod gateway;
mod load;
mod logging;
mod output;
mod suites;
mod time;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::command::Cli;
use crate::exit::Exit;
use crate::output::{Palette, print, redact, report};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = Cli::command().after_help(Exit::table()).try_get_matches();
    let exit = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command.run().unwrap_or_else(|failure| {
            report(&redact(&failure.to_string()));
            failure.exit
        }),
        Err(answer) => without_command(&answer),
    };
    exit.into()
}

/// Prints the help or version that was asked for, or what is wrong with the command line.
fn without_command(answer: &clap::Error) -> Exit {
    let text = answer.render();
    if !answer.use_stderr() {
        return print(&text.to_string()).map_or_else(|failure| failure.exit, |()| Exit::Success);
    }
    let text = if Palette::stderr().is_coloured() {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    report(&redact(&text));
    Exit::Usage
}
