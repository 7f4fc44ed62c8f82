//! Any text as a configuration: it loads or says why not, and never shows what came from the environment.

#![no_main]

use countersign_config::{diagnostic::Style, load, source::Text};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "s3cr3t-of-the-environment";

fuzz_target!(|content: &str| {
    if content.contains("s3cr3t") {
        return;
    }
    let text = Text {
        name: "input.yaml".to_owned(),
        content: content.to_owned(),
    };
    let loaded = load(vec![text], &|_| Some(SECRET.to_owned()));
    assert_eq!(loaded.compiled.is_some(), !loaded.diagnostics.has_errors());
    for style in [Style::Plain, Style::Fancy, Style::Json] {
        let shown = loaded.diagnostics.render(&loaded.files, style);
        assert!(!shown.contains(SECRET), "{shown}");
    }
});
