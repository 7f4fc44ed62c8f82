//! Manifests read into values, to know what is in them; the gateway gets their text.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The documents of a file, each with its text. A document is set off by a line that starts with `---`.
pub(crate) fn documents(text: &str) -> Result<Vec<(String, Value)>, String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.starts_with("---") {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let mut found = Vec::new();
    for part in parts {
        if let Some(value) = parse(&part)? {
            found.push((part, value));
        }
    }
    Ok(found)
}

/// One document; `None` where there is nothing but comments.
fn parse(text: &str) -> Result<Option<Value>, String> {
    let events: Result<Vec<Event<'_>>, _> = Parser::new_from_str(text)
        .map(|event| event.map(|(event, _)| event))
        .collect();
    let mut events = events.map_err(|error| error.to_string())?.into_iter();
    let starts = |event: &Event<'_>| matches!(event, Event::DocumentStart(_));
    if !events.any(|event| starts(&event)) {
        return Ok(None);
    }
    let first = events.next().ok_or("the document breaks off")?;
    let value = value(first, &mut events)?;
    Ok(Some(value).filter(|value| !value.is_null()))
}

fn value<'t>(
    event: Event<'t>,
    rest: &mut impl Iterator<Item = Event<'t>>,
) -> Result<Value, String> {
    match event {
        Event::Scalar(text, style, ..) => Ok(scalar(&text, style)),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match rest.next().ok_or("the list breaks off")? {
                    Event::SequenceEnd => return Ok(Value::Array(list)),
                    event => list.push(value(event, rest)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match rest.next().ok_or("the map breaks off")? {
                    Event::MappingEnd => return Ok(Value::Object(map)),
                    Event::Scalar(key, ..) => {
                        let event = rest.next().ok_or("the map breaks off")?;
                        map.insert(key.into_owned(), value(event, rest)?);
                    }
                    other => return Err(format!("a key that is no text: {other:?}")),
                }
            }
        }
        other => Err(format!("{other:?} is not read here")),
    }
}

/// Plain scalars that Kubernetes takes for something else than text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse::<i64>()
            .map_or_else(|_| Value::from(text), Value::from),
    }
}
