//! What holds for every command: help, version, usage errors, completions.

use crate::binary::{Folder, golden};

#[test]
fn help_lists_commands_and_exit_codes() {
    let ended = Folder::new().run(&["--help"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("help.txt", &ended.stdout);
    let short = Folder::new().run(&["-h"]);
    assert!(short.stdout.contains("Exit codes:"));
}

#[test]
fn nothing_asked_is_a_usage_error_that_shows_the_help() {
    let ended = Folder::new().run(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(
        ended.stderr.contains("Usage: countersign <COMMAND>"),
        "{}",
        ended.stderr
    );
}

#[test]
fn version_names_the_build() {
    let version = env!("CARGO_PKG_VERSION");
    let short = Folder::new().run(&["-V"]);
    assert_eq!(
        (short.code, short.stdout),
        (Some(0), format!("countersign {version}\n"))
    );
    let long = Folder::new().run(&["--version"]);
    let names: Vec<_> = long
        .stdout
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .collect();
    assert!(
        names.iter().all(|(_, value)| !value.trim().is_empty()),
        "{names:?}"
    );
    assert_eq!(
        names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["commit", "target", "profile", "rustc"]
    );
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = Folder::new().run(&["completions", shell]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        assert!(
            ended.stdout.contains("countersign") && ended.stdout.contains("decode"),
            "{shell}"
        );
    }
    let unknown = Folder::new().run(&["completions", "csh"]);
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    // The script is longer than a pipe holds: whoever writes it meets the closed end.
    let folder = Folder::new();
    let mut command = folder.command(&["completions", "zsh"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
