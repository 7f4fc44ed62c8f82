//! What `--version` says of the build: target, profile, compiler and, in release builds, the commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=COUNTERSIGN_COMMIT");
    let profile = std::env::var("PROFILE").unwrap_or_default();
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=COUNTERSIGN_PROFILE={profile}");
    println!("cargo::rustc-env=COUNTERSIGN_TARGET={target}");
    println!("cargo::rustc-env=COUNTERSIGN_COMMIT={}", commit(&profile));
    println!("cargo::rustc-env=COUNTERSIGN_RUSTC={}", compiler());
}

/// Development builds do not name it: each commit would make them build and link anew.
fn commit(profile: &str) -> String {
    if let Ok(given) = std::env::var("COUNTERSIGN_COMMIT") {
        return given;
    }
    if profile != "release" {
        return "development build".to_owned();
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

/// `rustc 1.95.0 (...)` without the program's own name.
fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = said(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    version.trim_start_matches("rustc ").to_owned()
}

fn git(args: &[&str]) -> Option<String> {
    said("git", args)
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    (done.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
