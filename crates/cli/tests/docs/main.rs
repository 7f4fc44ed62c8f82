//! The documents: every command in them runs and prints what they say, every example in them is loaded, and the lists
//! of codes, metrics and fields name what the sources have, no more and no less.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test, with its reason"
)]

mod lists;
mod page;
mod shell;
mod wildcard;

use page::Page;

#[test]
fn readme() {
    assert_eq!(Page::read("README.md").run(), 6);
}

#[test]
fn configuration() {
    assert_eq!(Page::read("docs/configuration.md").run(), 10);
}

#[test]
fn operations() {
    let page = Page::read("docs/operations.md");
    assert_eq!(page.with_files_of("README.md").run(), 14);
}

#[test]
fn testing_policies() {
    let page = Page::read("docs/testing-policies.md");
    assert_eq!(page.with_files_of("README.md").run(), 6);
}

#[test]
fn diagnostics() {
    let page = Page::read("docs/diagnostics.md");
    assert_eq!(page.with_files_of("README.md").run(), 4);
}

#[test]
fn pages_without_commands() {
    for page in [
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/benchmarks.md",
        "docs/differences.md",
        "docs/reasons.md",
    ] {
        assert_eq!(Page::read(page).run(), 0, "{page} has commands now");
    }
}
