//! An explanation for reading: the sentence, the tree, what client and backend get, hints.

use std::sync::Arc;

use countersign_core::origin::Origin;
use countersign_explain::{Explanation, Mark, Upstream};

use crate::output::{Palette, visible};

/// For a terminal.
pub(super) fn human(it: &Explanation<'_, '_>, palette: Palette) -> String {
    let mut out = sentence(it, palette) + "\n\n";
    out += &tree(it, palette);
    out += &answer(it, palette);
    let passed = it.answer.passed_to.as_ref();
    if let Some(backends) = passed.filter(|it| !it.is_empty()) {
        let title = palette.strong("the connection goes to");
        out += &format!("{title} {}\n\n", shares(backends));
    }
    if let Some(upstream) = &it.answer.upstream {
        out += &backend(it, upstream, palette);
    }
    out.extend(remarks(it, palette));
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// One line for each thing, for `grep`.
pub(super) fn plain(it: &Explanation<'_, '_>) -> String {
    let mut out = sentence(it, Palette::PLAIN) + "\n";
    for step in &it.steps {
        let mark = if step.decisive { "decisive" } else { "step" };
        out += &format!(
            "{mark} {}{}\n",
            visible(&step.text),
            place(step.at.as_deref())
        );
    }
    out.extend(remarks(it, Palette::PLAIN));
    out
}

fn sentence(it: &Explanation<'_, '_>, palette: Palette) -> String {
    let headline = match it.answer.is_allowed() {
        true => palette.good(&it.headline),
        false => palette.bad(&it.headline),
    };
    let cause = visible(&it.cause);
    if it.assumed.is_empty() {
        return format!("{headline}, because {cause}");
    }
    let issuers: Vec<_> = it
        .assumed
        .iter()
        .map(|it| format!("`{}`", visible(it)))
        .collect();
    format!(
        "{}: the keys of {} are not known, so no signature was checked; if it is good: {headline}, because {cause}",
        palette.warning("undetermined"),
        issuers.join(" and ")
    )
}

fn tree(it: &Explanation<'_, '_>, palette: Palette) -> String {
    let lines = it.steps.iter().map(|step| {
        let text = visible(&step.text);
        let text = match step.mark {
            Mark::Plain => text,
            Mark::Yes => palette.good(&text),
            Mark::No => palette.bad(&text),
        };
        let mark = if step.decisive {
            palette.strong(">")
        } else {
            " ".to_owned()
        };
        let place = palette.faint(&place(step.at.as_deref()));
        format!("{mark} {}{text}{place}\n", "  ".repeat(step.depth))
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        lines + "\n"
    }
}

fn place(at: Option<&Origin>) -> String {
    at.map_or_else(String::new, |it| {
        format!(" ({}:{})", visible(&it.file), it.line)
    })
}

/// What the client gets.
fn answer(it: &Explanation<'_, '_>, palette: Palette) -> String {
    let document = it.json();
    let Some(reply) = document.get("answer").filter(|it| !it.is_null()) else {
        return String::new();
    };
    let text = |name: &str| reply.get(name).map_or_else(String::new, plain_text);
    let mut out = format!("{} {}", palette.strong("the client gets"), text("status"));
    let body = text("body");
    if !body.is_empty() {
        out += &format!(" `{}`", visible(&body));
    }
    out.push('\n');
    let headers = reply.get("headers").and_then(|it| it.as_array());
    for pair in headers.into_iter().flatten() {
        out += &header_line(pair);
    }
    out + "\n"
}

/// Each backend with its share, where there are several.
fn shares(backends: &[(Option<Arc<str>>, u32)]) -> String {
    let total: u64 = backends.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let several = backends.len() > 1;
    let names = backends.iter().map(|(name, weight)| {
        let name = name.as_deref().map_or("no backend", |it| it);
        let share = if several {
            format!(" ({weight} of {total})")
        } else {
            String::new()
        };
        visible(name) + &share
    });
    names.collect::<Vec<_>>().join(", or ")
}

/// What the backend gets.
fn backend(it: &Explanation<'_, '_>, upstream: &Upstream, palette: Palette) -> String {
    let names = shares(&upstream.backends);
    let document = it.json();
    let made = document.get("upstream");
    let text = |name: &str| {
        made.and_then(|it| it.get(name))
            .map_or_else(String::new, plain_text)
    };
    let mut out = format!("{} {names} {}\n", palette.strong("the backend"), "gets");
    out += &format!("  {} {}\n", text("method"), visible(&text("target")));
    let headers = made
        .and_then(|it| it.get("headers"))
        .and_then(|it| it.as_array());
    for pair in headers.into_iter().flatten() {
        out += &header_line(pair);
    }
    for (name, why) in &upstream.removed {
        let line = format!("  without the client's {}: {}", visible(name), why.why());
        out += &(palette.faint(&line) + "\n");
    }
    out + "\n"
}

fn header_line(pair: &serde_json::Value) -> String {
    let part = |index: usize| pair.get(index).map_or_else(String::new, plain_text);
    format!("  {}: {}\n", visible(&part(0)), visible(&part(1)))
}

fn plain_text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn remarks(it: &Explanation<'_, '_>, palette: Palette) -> Vec<String> {
    let mut out = Vec::new();
    if it.answer.stand_in {
        let title = palette.warning("note");
        out.push(format!(
            "{title}: claims taken as verified, no signature checked\n"
        ));
    }
    if it.answer.principals_taken {
        let title = palette.warning("note");
        out.push(format!(
            "{title}: names of the client's certificate taken as verified, no certificate seen\n"
        ));
    }
    let hints = it.hints.iter().map(|hint| {
        let title = palette.warning(&format!("hint[{}]", hint.code));
        format!(
            "{title}: {}{}\n",
            visible(&hint.text),
            place(hint.at.as_deref())
        )
    });
    out.extend(hints);
    out
}
