use super::*;

#[test]
fn reads_and_writes_compact_json_in_order() {
    let cases = [
        ("null", "null"),
        (" [ true , false ] \n", "[true,false]"),
        (
            r#"{"b":1,"a":{"z":[],"y":{}}}"#,
            r#"{"b":1,"a":{"z":[],"y":{}}}"#,
        ),
        (r#""é\u00e9\n\"\u0000""#, r#""éé\n\"\u0000""#),
        (r#""\ud83d\ude00""#, r#""😀""#),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("1.50", "1.5"),
        ("1e3", "1000.0"),
        ("-0", "-0.0"),
    ];
    for (text, compact) in cases {
        assert_eq!(
            Document::parse(text.as_bytes()).unwrap().root().to_json(),
            compact,
            "{text}"
        );
    }
}

#[test]
fn numbers_display_as_json_writes_them() {
    for text in ["0", "-1", "18446744073709551615", "1.5", "-7.25", "1000.0"] {
        let document = Document::parse(text.as_bytes()).unwrap();
        let Value::Number(number) = document.root() else {
            panic!("{text}")
        };
        assert_eq!(number.to_string(), text);
        assert_eq!(Value::Number(number).to_json(), text);
    }
}

#[test]
fn refuses_what_is_not_one_strict_value() {
    let bad: [&[u8]; 21] = [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"{}x",
        b"{'a':1}",
        b"{\"a\":1,}",
        b"[1,]",
        b"{a:1}",
        b"// c\n{}",
        b"NaN",
        b"Infinity",
        b"01",
        b"+1",
        b"1e400",
        b"-1e400",
        b"\xef\xbb\xbf{}",
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\\ud800\"",
        b"\"\n\"",
    ];
    for text in bad {
        let error = Document::parse(text).unwrap_err();
        assert_eq!(error.problem(), JsonProblem::Syntax, "{text:?}: {error}");
    }
}

#[test]
fn refuses_duplicate_members_at_any_depth_and_in_any_spelling() {
    let many: String = (0..1000).map(|n| format!("\"k{n}\":0,")).collect();
    let bad = [
        r#"{"a":1,"a":1}"#.to_owned(),
        r#"{"a":1,"b":2,"\u0061":1}"#.to_owned(),
        r#"{"x":[0,{"y":{"a":1,"a":2}}]}"#.to_owned(),
        r#"{"":1,"":1}"#.to_owned(),
        format!("{{{many}\"k500\":1}}"),
    ];
    for text in bad {
        let error = Document::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.problem(), JsonProblem::DuplicateMember, "{error}");
    }
    let good = [
        r#"{"a":{"a":1},"A":1}"#.to_owned(),
        format!("{{{many}\"k\":1}}"),
    ];
    for text in good {
        assert!(Document::parse(text.as_bytes()).is_ok());
    }
}

#[test]
fn names_in_messages_are_short_and_on_one_line() {
    let text = format!(r#"{{"\n{0}":1,"\n{0}":2}}"#, "x".repeat(5000));
    let message = Document::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(message.len() < 120 && !message.contains('\n'), "{message}");
}

#[test]
fn depth_is_bounded_exactly() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(Document::parse(&nested(MAX_JSON_DEPTH)).is_ok());
    for depth in [MAX_JSON_DEPTH + 1, 100_000] {
        assert_eq!(
            Document::parse(&nested(depth)).unwrap_err().problem(),
            JsonProblem::TooDeep
        );
    }
    let objects = format!(
        "{}1{}",
        r#"{"a":"#.repeat(MAX_JSON_DEPTH + 1),
        "}".repeat(MAX_JSON_DEPTH + 1)
    );
    assert_eq!(
        Document::parse(objects.as_bytes()).unwrap_err().problem(),
        JsonProblem::TooDeep
    );
}

#[test]
fn paths_walk_objects_only() {
    let document = Document::parse(br#"{"a":{"b":{"c":1}},"l":[{"b":1}],"a.b":2}"#).unwrap();
    let value = document.root();
    assert_eq!(
        value.path(&["a", "b", "c"]).map(Value::to_json).as_deref(),
        Some("1")
    );
    assert_eq!(
        value.path(&["a.b"]).map(Value::to_json).as_deref(),
        Some("2")
    );
    assert_eq!(value.path::<&str>(&[]), Some(value));
    for path in [
        &["a", "x"][..],
        &["l", "b"],
        &["l", "0"],
        &["a", "b", "c", "d"],
        &["A"],
    ] {
        assert_eq!(value.path(path), None, "{path:?}");
    }
}

#[test]
fn integers_are_exact_and_seconds_are_truncated() {
    let number = |text: &str| {
        let document = Document::parse(text.as_bytes()).unwrap();
        match document.root() {
            Value::Number(number) => number,
            other => panic!("{text}: {other:?}"),
        }
    };
    let cases = [
        ("0", Some(0), Some(0), Some(0)),
        ("18446744073709551615", Some(u64::MAX), None, Some(u64::MAX)),
        (
            "9223372036854775807",
            Some(i64::MAX as u64),
            Some(i64::MAX),
            Some(i64::MAX as u64),
        ),
        ("-1", None, Some(-1), None),
        ("-9223372036854775808", None, Some(i64::MIN), None),
        ("0.5", None, None, Some(0)),
        ("-0.0", None, None, Some(0)),
        ("-0.5", None, None, None),
        ("1.9e9", None, None, Some(1_900_000_000)),
        ("1600000000.99", None, None, Some(1_600_000_000)),
        ("18446744073709551616", None, None, None),
        ("1e308", None, None, None),
    ];
    for (text, unsigned, signed, seconds) in cases {
        let number = number(text);
        assert_eq!(
            (number.as_u64(), number.as_i64(), number.seconds()),
            (unsigned, signed, seconds),
            "{text}"
        );
    }
    assert_eq!(Number::from(-3_i64).as_f64(), -3.0);
    assert_eq!(Number::from(3_i64), Number::from(3_u64));
}

#[test]
fn texts_that_are_escaped_are_kept_beside_the_json() {
    let json = br#"{"\u0061\n":["\t","x","",{"b\"":"\u00e9"}],"a":"\\"}"#;
    let document = Document::parse(json).unwrap();
    let root = document.root();
    let list = root.get("a\n").and_then(Value::as_list).unwrap();
    assert_eq!(list.len(), 4);
    assert!(list.iter().take(3).eq(["\t", "x", ""].map(Value::String)));
    assert_eq!(
        list.get(3).and_then(|it| it.get("b\"")),
        Some(Value::String("é"))
    );
    assert_eq!(root.get("a"), Some(Value::String("\\")));
    let names = root.as_object().unwrap().names();
    assert!(names.eq(["a\n", "a"]));
    let again = Document::parse(root.to_json().as_bytes()).unwrap();
    assert_eq!(again, document);
}

#[test]
fn elements_are_found_by_their_place() {
    for json in ["[]", "[1,2,3]", "[[],[1,[2]],3,{\"a\":[4]},5]"] {
        let document = Document::parse(json.as_bytes()).unwrap();
        let list = document.root().as_list().unwrap();
        assert_eq!(list.iter().count(), list.len());
        for (index, element) in list.iter().enumerate() {
            assert_eq!(list.get(index), Some(element), "{json}[{index}]");
        }
        assert_eq!(list.get(list.len()), None);
        assert_eq!(list.get(usize::MAX), None);
    }
}

#[test]
fn equality_and_debug_are_of_the_content() {
    let parse = |json: &str| Document::parse(json.as_bytes()).unwrap();
    let spaced = parse(" { \"a\" : [ 1 , \"\\u0062\" ] } ");
    assert_eq!(spaced, parse(r#"{"a":[1,"b"]}"#));
    assert_eq!(format!("{spaced:?}").matches('"').count(), 4);
    for other in [
        r#"{"a":[1.0,"b"]}"#,
        r#"{"a":[1,"b",2]}"#,
        r#"{"a":{}}"#,
        r#"{"b":[1,"b"]}"#,
    ] {
        assert_ne!(spaced, parse(other), "{other}");
    }
    assert_ne!(parse(r#"{"a":1,"b":2}"#), parse(r#"{"b":2,"a":1}"#));
}

#[test]
fn of_bytes_that_are_no_text_the_first_problem_is_told() {
    let cases: [(&[u8], JsonProblem, &str); 5] = [
        (
            b"{\"a\":\"\xff\"}",
            JsonProblem::Syntax,
            "no UTF-8 from byte 6 on",
        ),
        (b"{}\xff", JsonProblem::Syntax, "no UTF-8 from byte 2 on"),
        (b"{x:\"\xff\"}", JsonProblem::Syntax, "key must be a string"),
        (
            b"[{\"a\":1,\"a\":1},\"\xff\"]",
            JsonProblem::DuplicateMember,
            "`a` is there twice",
        ),
        (
            b"{\"a\":1,\"a\":\"\xff\"}",
            JsonProblem::Syntax,
            "no UTF-8 from byte 12 on",
        ),
    ];
    for (json, problem, says) in cases {
        let error = Document::parse(json).unwrap_err();
        assert_eq!(error.problem(), problem, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
