//! Documents as people read them.

use serde_json::Value;

/// Block style; texts that YAML could take for something else stand in quotes.
pub(crate) fn documents(documents: &[Value]) -> String {
    let texts = documents.iter().map(|it| {
        let mut text = String::new();
        block(it, 0, &mut text);
        text
    });
    texts.collect::<Vec<_>>().join("---\n")
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("{pad}{}:", scalar(&key.clone().into())));
                inside(value, indent, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let mut item = String::new();
                block(value, indent + 2, &mut item);
                out.push_str(&format!("{pad}- {}", item.trim_start()));
            }
        }
        other => out.push_str(&format!("{pad}{}\n", scalar(other))),
    }
}

fn inside(value: &Value, indent: usize, out: &mut String) {
    let nests = value.as_object().is_some_and(|it| !it.is_empty())
        || value.as_array().is_some_and(|it| !it.is_empty());
    if nests {
        out.push('\n');
        // Lists stand at their key's own indentation.
        let step = if value.is_array() { 0 } else { 2 };
        block(value, indent + step, out);
    } else {
        out.push_str(&format!(" {}\n", scalar(value)));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if plain(text) => text.clone(),
        // JSON is YAML.
        other => other.to_string(),
    }
}

fn plain(text: &str) -> bool {
    let word = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '/')
        && text.chars().all(word)
        && !matches!(
            text,
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
}
