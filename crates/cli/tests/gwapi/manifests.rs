//! The Kubernetes objects of a test.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::yaml;

/// The class that the Gateways of the manifests name.
const CLASS: &str = "countersign";
const CONTROLLER: &str = "countersign.dev/gateway";

/// One object: its text, which is what gets loaded, and what stands in it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The file to write it to.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) value: Value,
}

impl Document {
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        let namespace = self.value["metadata"]["namespace"].as_str();
        namespace.unwrap_or("default")
    }

    pub(crate) fn spec(&self) -> &Value {
        &self.value["spec"]
    }

    /// Adds a field to `spec`, which must be written as a block.
    pub(crate) fn add_to_spec(&mut self, field: &str) -> Result<(), String> {
        let (before, after) = self
            .text
            .split_once("\nspec:\n")
            .filter(|(_, after)| !after.contains("\nspec:\n"))
            .ok_or_else(|| format!("{} {} has no plain `spec:`", self.kind(), self.name()))?;
        let indent = after.len() - after.trim_start_matches(' ').len();
        self.text = format!("{before}\nspec:\n{:indent$}{field}\n{after}", "");
        Ok(())
    }
}

/// Reads manifests, with placeholders filled in.
pub(crate) fn read(folder: &Path, files: &[String]) -> Result<Vec<Document>, String> {
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(folder.join(file));
        let text = text.map_err(|error| format!("{file}: {error}"))?;
        let text = text
            .replace("{GATEWAY_CLASS_NAME}", CLASS)
            .replace("{GATEWAY_CONTROLLER_NAME}", CONTROLLER);
        if let Some(left) = placeholder(&text) {
            return Err(format!("{file}: nothing is known about {left}"));
        }
        let documents = yaml::documents(&text).map_err(|error| format!("{file}: {error}"))?;
        all.extend(documents.into_iter().map(|(text, value)| Document {
            file: file.rsplit('/').next().unwrap_or(file).to_owned(),
            text,
            value,
        }));
    }
    Ok(all)
}

/// `{LIKE_THIS}`, or `PLACEHOLDER_…`, which stands for an address of the cluster.
fn placeholder(text: &str) -> Option<&str> {
    let braced = text.match_indices('{').find_map(|(at, _)| {
        let (inner, _) = text[at + 1..].split_once('}')?;
        let shouted = !inner.is_empty()
            && inner
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        shouted.then_some(inner)
    });
    braced.or_else(|| {
        let at = text.find("PLACEHOLDER_")?;
        text[at..]
            .split(|it: char| !it.is_ascii_uppercase() && it != '_')
            .next()
    })
}
