use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostics, Style};
use crate::source::{Files, Span, Text};

fn load(text: &str) -> (Files, Vec<Document>, Diagnostics) {
    let files = Files::new([Text {
        name: "f".into(),
        content: text.into(),
    }]);
    let mut diags = Diagnostics::new();
    let file = files.ids().next().unwrap();
    let documents = parse(&files, file, &mut diags);
    (files, documents, diags)
}

/// The documents in flow style: strings quoted, all else as it is typed.
fn shown(documents: &[Document]) -> String {
    let shown: Vec<_> = documents
        .iter()
        .map(|document| show(&document.node))
        .collect();
    shown.join(" --- ")
}

fn show(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => match scalar.typed() {
            Typed::String => format!("{:?}", scalar.text),
            Typed::Null => "null".into(),
            Typed::Bool(value) => value.to_string(),
            Typed::Int(value) => value.to_string(),
            Typed::Float(value) => format!("{value:?}f"),
        },
        Value::Sequence(items) => {
            let items: Vec<_> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let show = |(key, value): &(Key, Node)| format!("{}: {}", key.text, show(value));
            let entries: Vec<_> = entries.iter().map(show).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Broken(_) => "BROKEN".into(),
    }
}

fn spans(node: &Node, out: &mut Vec<Span>) {
    out.push(node.span);
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| spans(item, out)),
        Value::Mapping(entries) => entries.iter().for_each(|(key, node)| {
            out.push(key.span);
            spans(node, out);
        }),
        Value::Scalar(_) | Value::Broken(_) => {}
    }
}

#[test]
fn texts_become_trees() {
    for (text, expected) in [
        ("", ""),
        ("# only a comment\n", ""),
        ("---\n---\n# nothing\n---\nnull\n", ""),
        (
            "a: 1\r\nb: x\r\nc:\r\n  - é: |\r\n      foo\r\n      bar\r\n",
            r#"{a: 1, b: "x", c: [{é: "foo\nbar\n"}]}"#,
        ),
        ("\u{feff}a: 1\n", "{a: 1}"),
        ("- - a\n  - b\n-\n- ''\n", r#"[["a", "b"], null, ""]"#),
        (
            "a: >-\n  folded\n  text\n\nb: plain\n  multi # c\n",
            r#"{a: "folded text", b: "plain multi"}"#,
        ),
        ("a: \tb", r#"{a: "b"}"#),
        (
            r#"{"a": [1, true, null, "x\u0041\n"], "b": {}}"#,
            r#"{a: [1, true, null, "xA\n"], b: {}}"#,
        ),
        (
            "a: 1\n---\nb: 2\n...\n---\nc: 3",
            "{a: 1} --- {b: 2} --- {c: 3}",
        ),
        ("%YAML 1.2\n---\na: 1", "{a: 1}"),
        ("a: &x {b: [1]}\nc: *x\n", "{a: {b: [1]}, c: {b: [1]}}"),
        (
            "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
            "{a: {b: 1, c: 2}, d: {c: 3, b: 1}}",
        ),
        (
            "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}\n",
            "{a: {b: 1}, c: {b: 2, d: 3}, e: {b: 1, d: 3}}",
        ),
        (
            "a: !!str 5\nb: ! 5\nc: !!int \"5\"\nd: !!map {e: !!seq []}",
            r#"{a: "5", b: "5", c: 5, d: {e: []}}"#,
        ),
        ("\"on\": yes\nno: y", r#"{on: "yes", no: "y"}"#),
    ] {
        let (files, documents, diags) = load(text);
        assert_eq!(diags.render(&files, Style::Plain), "", "{text:?}");
        assert_eq!(shown(&documents), expected, "{text:?}");
    }
}

#[test]
fn plain_scalars_are_typed_by_the_core_schema() {
    for (text, expected) in [
        ("", Typed::Null),
        ("~", Typed::Null),
        ("NULL", Typed::Null),
        ("nULL", Typed::String),
        ("true", Typed::Bool(true)),
        ("False", Typed::Bool(false)),
        ("yes", Typed::String),
        ("0", Typed::Int(0)),
        ("-12", Typed::Int(-12)),
        ("+12", Typed::Int(12)),
        ("0x1F", Typed::Int(31)),
        ("0o17", Typed::Int(15)),
        ("0o18", Typed::String),
        ("-0x1", Typed::String),
        ("0x", Typed::String),
        ("1_000", Typed::String),
        (
            "99999999999999999999999999999999999999999",
            Typed::Float(f64::INFINITY),
        ),
        ("1.5", Typed::Float(1.5)),
        ("1.", Typed::Float(1.0)),
        (".5", Typed::Float(0.5)),
        ("-1e3", Typed::Float(-1000.0)),
        ("1e", Typed::String),
        (".", Typed::String),
        ("-.inf", Typed::Float(f64::NEG_INFINITY)),
        ("inf", Typed::String),
        ("nan", Typed::String),
        ("-", Typed::String),
        ("1.2.3", Typed::String),
        ("12:30", Typed::String),
        ("2024-01-01", Typed::String),
    ] {
        let scalar = |plain| Scalar {
            text: text.into(),
            plain,
            written: None,
        };
        assert_eq!(scalar(true).typed(), expected, "{text}");
        assert_eq!(scalar(false).typed(), Typed::String, "{text}");
    }
    assert!(
        matches!(load(".nan").1[0].node.value, Value::Scalar(ref scalar)
        if matches!(scalar.typed(), Typed::Float(value) if value.is_nan()))
    );
}

#[test]
fn every_value_and_key_knows_its_place() {
    let text = "# c\na: &x plain\n  text   # c\nb:\n- \"é q\" \n- |\n  block\n  text\n\n-\nc: {d: *x, e: [1]}\n\n# end\n";
    let (files, documents, _) = load(text);
    let mut found = Vec::new();
    spans(&documents[0].node, &mut found);
    let found: Vec<_> = found
        .into_iter()
        .map(|span| (span.start.line, span.start.column, files.slice(span)))
        .collect();
    let whole =
        "a: &x plain\n  text   # c\nb:\n- \"é q\" \n- |\n  block\n  text\n\n-\nc: {d: *x, e: [1]}";
    assert_eq!(
        found,
        [
            (2, 1, whole),
            (2, 1, "a"),
            (2, 4, "&x plain\n  text"),
            (4, 1, "b"),
            (5, 3, "\"é q\" \n- |\n  block\n  text\n\n-"),
            (5, 3, "\"é q\""),
            (7, 3, "block\n  text"),
            (10, 1, "-"),
            (11, 1, "c"),
            (11, 4, "{d: *x, e: [1]}"),
            (11, 5, "d"),
            (2, 4, "&x plain\n  text"),
            (11, 12, "e"),
            (11, 15, "[1]"),
            (11, 16, "1"),
        ]
    );
}

#[test]
fn a_broken_document_spoils_no_other() {
    let (files, documents, diags) = load("a: 1\n---\nb: 'x\n---\nc: [1\n---\nd: 4\n");
    assert_eq!(shown(&documents), "{a: 1} --- {d: 4}");
    let found: Vec<_> = diags
        .iter()
        .map(|d| (d.code, d.span.unwrap().start.line))
        .collect();
    assert_eq!(
        found,
        [("broken-yaml", 3), ("broken-yaml", 5)],
        "{}",
        diags.render(&files, Style::Plain)
    );
}

#[test]
fn documents_are_bounded() {
    let laughs = (0..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!(
            "{text}a{}: &a{} [*a{level}, *a{level}, *a{level}]\n",
            level + 1,
            level + 1
        )
    });
    let wide = format!("a: [{}]", "1,".repeat(1_000_001));
    for (text, code) in [
        (laughs.as_str(), "alias-expansion"),
        (wide.as_str(), "too-large"),
        (
            &format!("a: {}{}", "[".repeat(120), "]".repeat(120)),
            "too-deep",
        ),
        (&"- ".repeat(200), "too-deep"),
        (&"[".repeat(100_000), "too-deep"),
        (&format!("a: {}", "x".repeat(9 << 20)), "too-large"),
        (&"# x\n".repeat(9 << 20), "too-large"),
        ("a: &a [*a]", "alias-loop"),
        ("a: \u{0}b: c", "control-character"),
        ("a: \u{1b}[31m", "control-character"),
    ] {
        let (_, documents, diags) = load(text);
        let codes: Vec<_> = diags.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!((documents.len(), codes), (0, vec![code]));
    }
}

#[test]
fn keys_are_strings_and_unique() {
    for (text, expected, code) in [
        ("a: 1\nb: 2\na: 3\n", "{a: 1, b: 2}", "duplicate-key"),
        ("{\"a\": 1, 'a': 2}", "{a: 1}", "duplicate-key"),
        ("1: a\nb: 2", "{b: 2}", "key-not-string"),
        ("true: a", "{}", "key-not-string"),
        ("~: a", "{}", "key-not-string"),
        ("? [a]\n: b\nc: 1", "{c: 1}", "key-not-string"),
        ("a: &x k\n? *x\n: v", r#"{a: "k", k: "v"}"#, ""),
        ("<<: 5\na: 1", "{a: 1}", "bad-merge"),
        ("\"<<\": 5", "{<<: 5}", ""),
    ] {
        let (_, documents, diags) = load(text);
        let codes: Vec<_> = diags.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(shown(&documents), expected, "{text}");
        assert_eq!(codes.concat(), code, "{text}");
    }
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "8080",
        "NAME" => "shop",
        "QUOTE" => "a: \"b\"\n- c",
        "NESTED" => "${NAME}",
        "NIL" => "null",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.into())
}

fn expanded(text: &str, unset: Unset) -> (Files, Node, Diagnostics) {
    let (files, documents, mut diags) = load(text);
    let mut node = documents.into_iter().next().unwrap().node;
    expand(&mut node, &files, &environment, unset, &mut diags);
    (files, node, diags)
}

#[test]
fn variables_are_replaced_and_typed() {
    for (text, expected) in [
        ("a: ${PORT}", "{a: 8080}"),
        ("a: '${PORT}'", r#"{a: "8080"}"#),
        ("a: \"${PORT}\"", r#"{a: "8080"}"#),
        (
            "a: http://${NAME}.example:${PORT}/",
            r#"{a: "http://shop.example:8080/"}"#,
        ),
        ("a: ${QUOTE}", r#"{a: "a: \"b\"\n- c"}"#),
        ("a: ${NESTED}", r#"{a: "${NAME}"}"#),
        ("a: ${NONE:-5}", "{a: 5}"),
        ("a: ${EMPTY:-5}", "{a: 5}"),
        ("a: ${NAME:-5}", r#"{a: "shop"}"#),
        ("a: \"x${NONE:-}\"", r#"{a: "x"}"#),
        ("a: '${EMPTY}'", r#"{a: ""}"#),
        ("a: $${NAME}", r#"{a: "${NAME}"}"#),
        ("a: $$${NAME}", r#"{a: "$${NAME}"}"#),
        (
            "a: $NAME $1 $$ %REQ(:path)% $(x)",
            r#"{a: "$NAME $1 $$ %REQ(:path)% $(x)"}"#,
        ),
        ("${NAME}: 1 # ${NONE}", "{${NAME}: 1}"),
        ("a: |\n  ${NAME}\n  $${x}\n", r#"{a: "shop\n${x}\n"}"#),
        ("[{a: ['${PORT}']}]", r#"[{a: ["8080"]}]"#),
    ] {
        let (files, node, diags) = expanded(text, Unset::Report);
        assert_eq!(diags.render(&files, Style::Plain), "", "{text}");
        assert_eq!(show(&node), expected, "{text}");
    }
}

#[test]
fn variables_that_cannot_be_replaced_are_errors_with_their_place() {
    for (text, code, marked) in [
        ("a: x ${NONE} ${PORT}", "unset-variable", "${NONE}"),
        ("a: |\n  x\n  ${NONE}\n", "unset-variable", "${NONE}"),
        ("a: ${EMPTY}", "empty-variable", "${EMPTY}"),
        ("a: ${NIL}", "empty-variable", "${NIL}"),
        ("a: ${NONE:-}", "empty-variable", "${NONE:-}"),
        ("a: ${1}", "bad-variable", "${1}"),
        ("a: ${}", "bad-variable", "${}"),
        ("a: ${a.b}", "bad-variable", "${a.b}"),
        ("a: ${NONE:?x}", "bad-variable", "${NONE:?x}"),
        ("a: x${NAME", "bad-variable", "${NAME"),
    ] {
        let (files, node, diags) = expanded(text, Unset::Report);
        let found: Vec<_> = diags
            .iter()
            .map(|diagnostic| (diagnostic.code, files.slice(diagnostic.span.unwrap())))
            .collect();
        assert_eq!(found, [(code, marked)], "{text}");
        assert_eq!(show(&node), "{a: BROKEN}", "{text}");

        let (_, node, deferred) = expanded(text, Unset::Defer);
        assert!(deferred.is_empty());
        let Value::Broken(Some(error)) = &node.child("a").unwrap().value else {
            panic!("{text}: not deferred");
        };
        assert_eq!(error.as_ref(), diags.iter().next().unwrap());
    }
}

#[test]
fn the_written_text_is_kept_and_debug_shows_none() {
    let (_, node, _) = expanded("a: x-${NAME}", Unset::Report);
    let Some(Value::Scalar(scalar)) = node.child("a").map(|node| &node.value) else {
        panic!("no scalar");
    };
    assert_eq!((&*scalar.text, scalar.shown()), ("x-shop", "x-${NAME}"));
    assert!(!format!("{node:?}").contains("shop"));
}

/// Text that is YAML more often than chance would have it.
fn yaml_like() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[ -~\n\t\r]{0,6}",
        "\\PC{0,3}",
        prop::sample::select(vec![
            "\n",
            "\r\n",
            "\n  ",
            "\n- ",
            ": ",
            "a: ",
            "- ",
            "? ",
            "---\n",
            "...\n",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "\"",
            "'",
            "|\n",
            ">-\n  ",
            "&a ",
            "*a",
            "!!str ",
            "!x ",
            "<<: ",
            "# ",
            "%TAG ! x\n",
            "${A}",
            "${",
            "$${",
            "é",
            "\u{feff}",
            "kind: Secret",
            "inline: ",
            "jwks",
            "value",
            "set: ",
            "PRIVATE KEY-----",
            "null",
            "\\",
            "\t",
            "\u{0}",
            "~",
            "0x1",
            "`",
            "@",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics_and_every_span_lies_in_the_text(text in yaml_like()) {
        let (files, documents, mut diags) = load(&text);
        let mut found = Vec::new();
        for mut document in documents {
            expand(&mut document.node, &files, &|_| Some("x".into()), Unset::Report, &mut diags);
            spans(&document.node, &mut found);
        }
        found.extend(diags.iter().filter_map(|diagnostic| diagnostic.span));
        for span in found {
            prop_assert!(span.start <= span.end);
            for pos in [span.start, span.end] {
                let before = text.get(..pos.byte as usize);
                prop_assert!(before.is_some(), "{pos:?} is no position in {text:?}");
                let before = before.unwrap_or_default().replace("\r\n", "\n").replace('\r', "\n");
                prop_assert_eq!(pos.line as usize, before.matches('\n').count() + 1);
            }
        }
        for style in [Style::Plain, Style::Fancy, Style::Json] {
            diags.render(&files, style);
        }
    }
}
