use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::diagnostic::Diagnostics;
use crate::source::{Files, Text};

/// All YAML files below a folder of the shared material; `None` where it is not at hand, which CI does not forgive.
fn shared(folder: &str) -> Option<Vec<Text>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if root.is_dir() {
        return Some(files_under(&root.join(folder)));
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the shared material is missing"
    );
    println!("skipped: the shared material is missing");
    None
}

fn files_under(folder: &Path) -> Vec<Text> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        if path.is_dir() {
            texts.extend(files_under(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let content = std::fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            texts.push(Text { name, content });
        }
    }
    texts
}

/// Every file by itself: the examples repeat names on purpose.
fn codes_of_each(texts: Vec<Text>) -> (usize, BTreeSet<&'static str>) {
    let mut codes = BTreeSet::new();
    let mut count = 0;
    for text in texts {
        let files = Files::new([text]);
        let mut diags = Diagnostics::new();
        let objects = Objects::collect(&files, &|_| Some("1234".into()), &mut diags);
        count += objects.iter().count();
        codes.extend(diags.iter().map(|diagnostic| diagnostic.code));
    }
    (count, codes)
}

#[test]
fn examples_become_objects() {
    let Some(texts) = shared("examples") else {
        return;
    };
    let texts = texts
        .into_iter()
        .filter(|text| !text.name.ends_with("helm-values.yaml"));
    let (count, codes) = codes_of_each(texts.collect());
    assert_eq!(count, 25);
    assert_eq!(codes, BTreeSet::from(["unsupported-kind"]));
}

#[test]
fn conformance_manifests_become_objects() {
    let Some(texts) = shared("conformance/gwapi/manifests") else {
        return;
    };
    let (count, codes) = codes_of_each(texts);
    assert!(count > 300, "{count}");
    assert_eq!(codes, BTreeSet::from(["foreign-kind", "unsupported-kind"]));
}
