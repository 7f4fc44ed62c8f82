//! `countersign token`: what stands in a token, and who accepts it.

mod candidates;
mod decode;
mod verify;

use clap::{Args, Subcommand};

use crate::exit::{Exit, Failure};

/// Look into a token, or find out who accepts it and why
#[derive(Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Decode(decode::Decode),
    Verify(verify::Verify),
}

impl Token {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Decode(decode) => decode.run(),
            Verb::Verify(verify) => verify.run(),
        }
    }
}
