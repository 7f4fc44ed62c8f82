//! Runs the binary and reads what it prints.

use std::process::{Command, Output};

use serde_json::Value;

/// How one run of the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The report on standard output; `Null` when there is none.
    pub(crate) report: Value,
    /// Standard error.
    pub(crate) told: String,
}

/// Runs `countersign-load` with these words.
pub(crate) fn load<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-load"))
        .args(words)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the binary runs");
    let report = match stdout.as_slice() {
        [] => Value::Null,
        line => serde_json::from_slice(line).expect("one JSON document"),
    };
    Ended {
        code: status.code(),
        report,
        told: String::from_utf8(stderr).expect("text"),
    }
}

/// Runs `countersign-load run` with these words, apart by spaces.
pub(crate) fn run(words: &str) -> Ended {
    let words: Vec<_> = std::iter::once("run").chain(words.split(' ')).collect();
    load(&words)
}

impl Ended {
    /// The report of a run that went well.
    pub(crate) fn good(self) -> Value {
        assert_eq!((self.code, self.told.as_str()), (Some(0), ""));
        self.report
    }

    /// What is told of a run that ended with this code, without a result.
    pub(crate) fn bad(self, code: i32) -> String {
        assert_eq!((self.code, &self.report), (Some(code), &Value::Null));
        self.told
    }
}
