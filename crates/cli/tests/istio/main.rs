//! Decisions recorded from a real Envoy, put to the library, to `countersign test` and to the running gateway.
//!
//! Every case that needs no external authorizer must agree at each door in status, body, challenge, path and upstream
//! headers, or stand by its id in `docs/differences.md` with the decision that it follows.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "whatever goes wrong here must fail the test"
)]

mod certificates;
mod differences;
mod group;
mod keys;
mod library;
mod running;
mod suite;
mod tally;

use countersign_config::diagnostic::Style;

use tally::Tally;

/// What is told of a group that Istio's admission refuses.
const REFUSED: &str = "missing-field";

#[test]
fn through_the_library() {
    let groups = group::all();
    if groups.is_empty() {
        return;
    }
    let mut tally = Tally::new("library");
    for group in &groups {
        let loaded = library::loaded(group);
        if group.is_invalid() {
            let codes: Vec<&str> = loaded.diagnostics.iter().map(|it| it.code).collect();
            assert_eq!(codes, [REFUSED], "{}", group.name);
        }
        let told = || loaded.diagnostics.render(&loaded.files, Style::Plain);
        match &loaded.compiled {
            Some(compiled) => tally.group(group, |case| library::ask(compiled, case)),
            None => tally.refused(group, &told()),
        }
    }
    tally.finish();
}

#[test]
fn through_countersign_test() {
    let groups = group::all();
    if groups.is_empty() {
        return;
    }
    let mut tally = Tally::new("countersign test");
    let told = suite::run(&groups);
    for group in &groups {
        if told.is_broken(group) {
            tally.refused(group, &told.stderr);
        } else {
            tally.group(group, |case| told.ask(case));
        }
    }
    tally.finish();
}

#[test]
fn through_the_running_gateway() {
    let groups = group::all();
    if groups.is_empty() {
        return;
    }
    let mut tally = Tally::new("running gateway");
    let world = running::World::new();
    for group in &groups {
        match world.start(group) {
            Ok(scene) => tally.group(group, |case| scene.ask(case)),
            Err(ended) => {
                assert_eq!(ended.code, Some(3), "{}", ended.stderr);
                tally.refused(group, &ended.stderr);
            }
        }
    }
    tally.finish();
}
