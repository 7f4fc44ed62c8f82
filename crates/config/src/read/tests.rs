use std::fmt::Debug;
use std::time::Duration;

use super::*;
use crate::diagnostic::{Diagnostics, ObjectRef};
use crate::source::{Files, Text};
use crate::yaml::{self, Node, Unset};

fn node(text: &str) -> (Files, Node) {
    let files = Files::new([Text {
        name: "f".into(),
        content: text.into(),
    }]);
    let mut diags = Diagnostics::new();
    let file = files.ids().next().unwrap();
    let mut documents = yaml::parse(&files, file, &mut diags);
    let mut node = documents.remove(0).node;
    let env = |name: &str| (name == "SECRET").then(|| "hunter2 hunter2".into());
    yaml::expand(&mut node, &files, &env, Unset::Defer, &mut diags);
    assert!(diags.is_empty(), "{text}");
    (files, node)
}

/// Each diagnostic as `code: message | help`.
fn told(diags: &Diagnostics) -> Vec<String> {
    diags
        .iter()
        .map(|diagnostic| {
            let help = diagnostic.help.as_deref().unwrap_or("NO HELP");
            assert!(diagnostic.span.is_some(), "{}", diagnostic.message);
            format!("{}: {} | {help}", diagnostic.code, diagnostic.message)
        })
        .collect()
}

/// What a reader makes of each text: a value, or what it tells.
fn check<T: Debug>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
    cases: &[(&str, Result<&str, &str>)],
) {
    for (text, expected) in cases {
        let (_, node) = node(&format!("[{text}]"));
        let yaml::Value::Sequence(items) = &node.value else {
            panic!("{text}");
        };
        let mut diags = Diagnostics::new();
        let value = read(&items[0], &mut diags).map(|value| format!("{value:?}"));
        let told = told(&diags).join("\n");
        match expected {
            Ok(expected) => assert_eq!((value.as_deref(), &*told), (Some(*expected), ""), "{text}"),
            Err(expected) => assert_eq!((value, &*told), (None, *expected), "{text}"),
        }
    }
}

#[test]
fn strings() {
    check(
        string,
        &[
            ("abc", Ok("\"abc\"")),
            ("'5'", Ok("\"5\"")),
            ("yes", Ok("\"yes\"")),
            (
                "5",
                Err("wrong-type: expected a string, found an integer | put it in quotes"),
            ),
            (
                "1.10",
                Err("wrong-type: expected a string, found a number | put it in quotes"),
            ),
            (
                "true",
                Err("wrong-type: expected a string, found a boolean | put it in quotes"),
            ),
            (
                "~",
                Err(
                    "wrong-type: expected a string, found null | write a text, or `\"\"` for an empty one",
                ),
            ),
            (
                "''",
                Err("out-of-range: this string must not be empty | write a text"),
            ),
            (
                "[a]",
                Err(
                    "wrong-type: expected a string, found a list | change the value, or check the indentation",
                ),
            ),
            (
                "{a: b}",
                Err(
                    "wrong-type: expected a string, found a mapping | change the value, or check the indentation",
                ),
            ),
        ],
    );
    check(
        any_string,
        &[("''", Ok("\"\"")), ("\"a\\nb\"", Ok("\"a\\nb\""))],
    );
    check(
        string_of(2..=3),
        &[
            ("é€", Ok("\"é€\"")),
            (
                "a",
                Err("out-of-range: this string has 1 character | write from 2 to 3 characters"),
            ),
            (
                "abcd",
                Err("out-of-range: this string has 4 characters | write from 2 to 3 characters"),
            ),
        ],
    );
}

#[test]
fn booleans() {
    check(
        boolean,
        &[
            ("true", Ok("true")),
            ("False", Ok("false")),
            (
                "yes",
                Err(
                    "wrong-type: expected a boolean, found a string | write `true`, without quotes",
                ),
            ),
            (
                "'false'",
                Err(
                    "wrong-type: expected a boolean, found a string | write `false`, without quotes",
                ),
            ),
            (
                "1",
                Err("wrong-type: expected a boolean, found an integer | write `true` or `false`"),
            ),
        ],
    );
}

#[test]
fn integers() {
    check(
        int_in(0..=100u8),
        &[
            ("0", Ok("0")),
            ("0x10", Ok("16")),
            ("100", Ok("100")),
            (
                "101",
                Err("out-of-range: `101` is out of range | write an integer from 0 to 100"),
            ),
            (
                "-1",
                Err("out-of-range: `-1` is out of range | write an integer from 0 to 100"),
            ),
            (
                "99999999999999999999",
                Err(
                    "out-of-range: `99999999999999999999` is out of range | write an integer from 0 to 100",
                ),
            ),
            (
                "010",
                Err(
                    "invalid-value: `010` is ambiguous | leave out the leading zero, or write `0o` for octal",
                ),
            ),
            (
                "'5'",
                Err(
                    "wrong-type: expected an integer, found a string | write an integer from 0 to 100",
                ),
            ),
            (
                "5.0",
                Err(
                    "wrong-type: expected an integer, found a number | write an integer from 0 to 100",
                ),
            ),
        ],
    );
    check(
        int_in(i64::MIN..=i64::MAX),
        &[("-9223372036854775808", Ok("-9223372036854775808"))],
    );
    check(
        port,
        &[
            ("443", Ok("443")),
            ("65535", Ok("65535")),
            (
                "0",
                Err("out-of-range: `0` is out of range | write an integer from 1 to 65535"),
            ),
            (
                "65536",
                Err("out-of-range: `65536` is out of range | write an integer from 1 to 65535"),
            ),
        ],
    );
}

#[test]
fn words() {
    check(
        choice(&[("Strict", 1), ("AllowMissing", 2)]),
        &[
            ("Strict", Ok("1")),
            (
                "strict",
                Err(
                    "invalid-value: `strict` is not a value of this field | did you mean `Strict`?",
                ),
            ),
            (
                "Off",
                Err(
                    "invalid-value: `Off` is not a value of this field | write `Strict` or `AllowMissing`",
                ),
            ),
            (
                "[Strict]",
                Err(
                    "wrong-type: expected a string, found a list | change the value, or check the indentation",
                ),
            ),
        ],
    );
}

#[test]
fn names() {
    let long = "a".repeat(64);
    let refused = format!(
        "invalid-value: `{long}` is not a DNS label | use up to 63 of `a` to `z`, `0` to `9` and `-`, with a letter or digit at both ends"
    );
    check(
        dns_label,
        &[
            ("a-1", Ok("\"a-1\"")),
            ("'1'", Ok("\"1\"")),
            (&long, Err(&refused)),
        ],
    );
    for bad in ["A", "a.b", "-a", "a-", "a_b", "é", "'a b'"] {
        let (_, node) = node(bad);
        assert_eq!(dns_label(&node, &mut Diagnostics::new()), None, "{bad}");
    }
    for (text, subdomain, host, precise) in [
        ("a.b-c.d", true, true, true),
        ("localhost", true, true, true),
        ("'*.example.com'", false, true, false),
        ("'*'", false, false, false),
        ("'a.*.com'", false, false, false),
        ("'*.*.com'", false, false, false),
        ("10.0.0.1", true, false, false),
        ("'*.10.0.0.1'", false, false, false),
        ("'::1'", false, false, false),
        ("a..b", false, false, false),
        (".a", false, false, false),
        ("a.", false, false, false),
        ("Example.com", false, false, false),
        ("'a:80'", false, false, false),
    ] {
        let (_, node) = node(text);
        let mut diags = Diagnostics::new();
        assert_eq!(
            dns_subdomain(&node, &mut diags).is_some(),
            subdomain,
            "{text}"
        );
        assert_eq!(hostname(&node, &mut diags).is_some(), host, "{text}");
        assert_eq!(
            precise_hostname(&node, &mut diags).is_some(),
            precise,
            "{text}"
        );
    }
    check(
        header_name,
        &[
            ("X-User", Ok("\"x-user\"")),
            ("a_b~!", Ok("\"a_b~!\"")),
            (
                "'a b'",
                Err(
                    "invalid-value: `a b` is not a header name | use letters, digits and `-`; no colon and no spaces",
                ),
            ),
            (
                "':path'",
                Err(
                    "invalid-value: `:path` is not a header name | use letters, digits and `-`; no colon and no spaces",
                ),
            ),
        ],
    );
}

#[test]
fn durations() {
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    for (text, gateway, as_go) in [
        ("1h30m", Some(s(5400)), Some(s(5400))),
        ("500ms", Some(ms(500)), Some(ms(500))),
        ("1h1m1s1ms", Some(ms(3_661_001)), Some(ms(3_661_001))),
        ("1s1s1s1s1s", None, Some(s(5))),
        ("0s", Some(s(0)), Some(s(0))),
        ("'0'", None, Some(s(0))),
        ("99999h", Some(s(359_996_400)), Some(s(359_996_400))),
        ("100000h", None, Some(s(360_000_000))),
        ("1.5s", None, Some(ms(1500))),
        (".5h", None, Some(s(1800))),
        ("1.s", None, Some(s(1))),
        ("100us", None, Some(Duration::from_micros(100))),
        ("2µs3ns", None, Some(Duration::from_nanos(2003))),
        ("99999999999h", None, None),
        ("-1s", None, None),
        ("'10'", None, None),
        ("s", None, None),
        (".s", None, None),
        ("1d", None, None),
        ("1h 2m", None, None),
        ("1S", None, None),
    ] {
        let (_, node) = node(text);
        let mut diags = Diagnostics::new();
        assert_eq!(duration(&node, &mut diags), gateway, "{text}");
        assert_eq!(go_duration(&node, &mut diags), as_go, "{text}");
    }
    check(
        duration_in(s(1)..=s(60)),
        &[
            ("1m", Ok("60s")),
            (
                "500ms",
                Err("out-of-range: `500ms` is out of range | write a duration from `1s` to `60s`"),
            ),
            (
                "soon",
                Err(
                    "invalid-value: `soon` is not a duration | write up to four numbers of up to five digits with `h`, `m`, `s` or `ms`, such as `1h30m` or `500ms`",
                ),
            ),
        ],
    );
    check(
        go_duration_in(s(1)..=Duration::MAX),
        &[(
            "10us",
            Err("out-of-range: `10us` is out of range | write at least `1s`"),
        )],
    );
}

#[test]
fn lists_and_maps_go_on_after_an_error() {
    let (_, node) = node("[80, x, 443, ~]");
    let mut diags = Diagnostics::new();
    assert_eq!(list(port)(&node, &mut diags), Some(vec![80, 443]));
    assert_eq!(
        told(&diags),
        [
            "wrong-type: expected an integer, found a string | write an integer from 1 to 65535",
            "wrong-type: expected an integer, found null | write an integer from 1 to 65535",
        ]
    );
    check(
        |node, diags| list_in(1..=2, port)(node, diags).filter(|_| diags.is_empty()),
        &[
            ("[1, 2]", Ok("[1, 2]")),
            (
                "[]",
                Err("out-of-range: this list has 0 items | write from 1 to 2 items"),
            ),
            (
                "[1, 2, 3]",
                Err("out-of-range: this list has 3 items | write from 1 to 2 items"),
            ),
            (
                "1",
                Err(
                    "wrong-type: expected a list, found an integer | change the value, or check the indentation",
                ),
            ),
        ],
    );
    check(
        |node, diags| {
            let entries = map(port)(node, diags)?;
            Some(
                entries
                    .into_iter()
                    .map(|(key, port)| format!("{}={port}", key.text))
                    .collect::<Vec<_>>(),
            )
        },
        &[
            ("{a: 1, b: 2}", Ok(r#"["a=1", "b=2"]"#)),
            (
                "[]",
                Err(
                    "wrong-type: expected a mapping, found a list | change the value, or check the indentation",
                ),
            ),
        ],
    );
}

#[test]
fn a_message_shows_what_was_written_not_what_a_variable_holds() {
    check(
        hostname,
        &[(
            "'${SECRET}'",
            Err(
                "invalid-value: `${SECRET}` is not a hostname | write a DNS name in lower case such as `shop.example.com`, or `*.example.com` for all below it; no port, no IP address",
            ),
        )],
    );
    check(
        choice(&[("hunter2", ())]),
        &[(
            "'${SECRET}'",
            Err("invalid-value: `${SECRET}` is not a value of this field | write `hunter2`"),
        )],
    );
    check(
        string,
        &[(
            "'${NONE}'",
            Err(
                "unset-variable: variable `NONE` is not set | set it, give a default as in `${NONE:-value}`, or write `$${NONE}` for the text itself",
            ),
        )],
    );
}

#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    weight: Option<u8>,
    ports: Vec<u16>,
    source: Option<&'static str>,
}

fn sample(node: &Node, diags: &mut Diagnostics) -> Option<Sample> {
    let mut fields = Fields::of(node, "Sample", diags)?;
    let name = fields.required("name", string);
    let weight = fields.optional("weight", int_in(0..=9));
    let ports = fields.list("ports", port);
    let source = fields.at_most_one(&["inline", "remote"]);
    fields.ignored("status");
    fields.unsupported("persistence", "remove it");
    Some(Sample {
        name: name?.to_string(),
        weight,
        ports,
        source,
    })
}

#[test]
fn fields_are_read() {
    check(
        sample,
        &[
            (
                "{name: a, weight: 2, ports: [1], remote: {}, status: {x: y}}",
                Ok(r#"Sample { name: "a", weight: Some(2), ports: [1], source: Some("remote") }"#),
            ),
            (
                "{name: a, weight: ~, ports: null, inline: ~, persistence: ~}",
                Ok(r#"Sample { name: "a", weight: None, ports: [], source: None }"#),
            ),
            (
                "{weight: 1}",
                Err("missing-field: `Sample` needs a field `name` | add `name:`"),
            ),
            (
                "{name: ~}",
                Err("missing-field: `Sample` needs a field `name` | add `name:`"),
            ),
            (
                "{}",
                Err("missing-field: `Sample` needs a field `name` | add `name:`"),
            ),
            (
                "a",
                Err(
                    "wrong-type: `Sample` must be a mapping, found a string | change the value, or check the indentation",
                ),
            ),
        ],
    );
}

#[test]
fn every_wrong_field_is_reported_at_once() {
    let (files, node) =
        node("weight: 10\nnmae: a\nports: x\npersistence: 1\ninline: a\nremote: b\nzzz: 1\n");
    let mut diags = Diagnostics::new();
    assert_eq!(sample(&node, &mut diags), None);
    diags.sort();
    assert_eq!(
        told(&diags),
        [
            "missing-field: `Sample` needs a field `name` | add `name:`",
            "out-of-range: `10` is out of range | write an integer from 0 to 9",
            "unknown-field: unknown field `nmae` in `Sample` | did you mean `name`?",
            "wrong-type: expected a list, found a string | change the value, or check the indentation",
            "unsupported-field: field `persistence` of `Sample` is not supported | remove it",
            "one-of: `Sample` takes one of `inline` or `remote`, and here are `inline` and `remote` | keep exactly one of them",
            "unknown-field: unknown field `zzz` in `Sample` | the fields of `Sample` are `name`, `weight`, `ports`, `inline`, `remote`, `status` and `persistence`",
        ]
    );
    let places: Vec<_> = diags
        .iter()
        .map(|diagnostic| files.slice(diagnostic.span.unwrap()))
        .collect();
    assert_eq!(
        places,
        ["weight", "10", "nmae", "x", "persistence", "remote", "zzz"]
    );
}

#[test]
fn groups() {
    let read = |node: &Node, diags: &mut Diagnostics| {
        Fields::of(node, "Key", diags)?.exactly_one(&["inline", "remote", "file"])
    };
    check(
        read,
        &[
            ("{remote: 1}", Ok("\"remote\"")),
            ("{remote: 1, file: ~}", Ok("\"remote\"")),
            (
                "{}",
                Err(
                    "missing-field: `Key` needs one of `inline`, `remote` or `file` | add exactly one of them",
                ),
            ),
            (
                "{file: 1, inline: 2, remote: 3}",
                Err(
                    "one-of: `Key` takes one of `inline`, `remote` or `file`, and here are `inline`, `remote` and `file` | keep exactly one of them",
                ),
            ),
        ],
    );
}

#[test]
fn what_is_told_inside_an_object_is_about_it() {
    let (_, node) = node("a: 1");
    let subject = ObjectRef {
        group: "".into(),
        kind: "Secret".into(),
        namespace: "n".into(),
        name: "x".into(),
    };
    let mut diags = Diagnostics::new();
    Fields::of_object(&node, "Secret", subject.clone(), &mut diags).finish();
    Fields::of(&node, "Other", &mut diags).unwrap().finish();
    let subjects: Vec<_> = diags
        .iter()
        .map(|diagnostic| diagnostic.subject.clone())
        .collect();
    assert_eq!(subjects, [Some(subject), None]);
}

#[test]
fn values_keep_their_place() {
    let (files, node) = node("- a\n- bc\n");
    let mut diags = Diagnostics::new();
    let items = list(spanned(string))(&node, &mut diags).unwrap();
    let places: Vec<_> = items
        .iter()
        .map(|item| (item.span.start.line, files.slice(item.span), item.len()))
        .collect();
    assert_eq!(places, [(1, "a", 1), (2, "bc", 2)]);
}
