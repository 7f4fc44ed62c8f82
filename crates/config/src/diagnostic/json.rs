//! Diagnostics as JSON, one object per line.

use serde_json::{Map, Value, json};

use super::Diagnostic;
use crate::source::{Files, Span};

/// One diagnostic. Members that have nothing to say are left out.
pub(super) fn line(diagnostic: &Diagnostic, files: &Files) -> String {
    let mut object = Map::new();
    object.insert("severity".into(), diagnostic.severity.name().into());
    object.insert("code".into(), diagnostic.code.into());
    object.insert("message".into(), diagnostic.message.as_str().into());
    if let Some(span) = diagnostic.span {
        object.extend(place(files, span));
    }
    let words = [("label", &diagnostic.label), ("help", &diagnostic.help)];
    for (name, text) in words
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    {
        object.insert(name.into(), text.into());
    }
    if let Some(subject) = &diagnostic.subject {
        let reference = json!({
            "group": &*subject.group, "kind": &*subject.kind, "namespace": &*subject.namespace, "name": &*subject.name,
        });
        object.insert("object".into(), reference);
    }
    if !diagnostic.related.is_empty() {
        let related = diagnostic.related.iter().map(|(span, message)| {
            let mut object = place(files, *span);
            object.insert("message".into(), message.as_str().into());
            Value::Object(object)
        });
        object.insert("related".into(), related.collect());
    }
    Value::Object(object).to_string()
}

fn place(files: &Files, span: Span) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("file".into(), (&*files.name(span.file)).into());
    object.insert("line".into(), span.start.line.into());
    object.insert("column".into(), span.start.column.into());
    object.insert("endLine".into(), span.end.line.into());
    object.insert("endColumn".into(), span.end.column.into());
    object
}
