//! Whatever the text: nothing panics, places lie inside it, and an explanation says what the test says.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use crate::fixture::{Attributes, attributes, environment};
use crate::program::Program;

const CLAIMS: &str = r#"{
    "sub": "alice", "aud": ["api", "web"], "level": 3, "big": 18446744073709551615, "ratio": 0.5,
    "admin": true, "nothing": null, "scope": "read write", "groups": ["dev", "ops", "admin"],
    "realm": {"roles": ["r1"], "x-y": {"z": 1}}, "numbers": [1, 2.5, -3, 0]
}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text(source in ".{0,60}") {
        judge(&source)?;
    }

    #[test]
    fn any_soup_of_tokens(tokens in vec(select(TOKENS), 1..20), space in select(&["", " "])) {
        judge(&tokens.join(space))?;
    }

    #[test]
    fn any_expression(source in expression()) {
        judge(&source)?;
    }

    #[test]
    fn any_condition(source in condition()) {
        let compiled = judge(&source)?;
        prop_assert!(compiled, "{source}");
    }
}

/// Compiles and evaluates; whether it could be compiled.
fn judge(source: &str) -> Result<bool, TestCaseError> {
    let attributes = attributes(CLAIMS);
    match Program::any(source, &environment()) {
        Ok(program) => {
            let value = program.evaluate(&attributes);
            prop_assert!(value.is_err() || value.is_ok_and(|value| value.brief().len() < 1_000));
            explains(source, &program, &attributes)?;
            Ok(true)
        }
        Err(mistakes) => {
            prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                prop_assert!(source.is_char_boundary(mistake.offset), "{mistake:?}");
                prop_assert!(!mistake.message.is_empty() && !mistake.message.contains('\n'));
            }
            Ok(false)
        }
    }
}

/// The explanation has the result of the test, and so has its decisive part on its own.
fn explains(source: &str, program: &Program, attributes: &Attributes) -> Result<(), TestCaseError> {
    let result = program.test(attributes);
    let explanation = program.explain(attributes);
    prop_assert_eq!(&explanation.result, &result);
    prop_assert!(source.contains(explanation.decisive));
    let part = Program::any(explanation.decisive, &environment());
    prop_assert!(
        part.is_ok(),
        "`{}` of `{}`: {:?}",
        explanation.decisive,
        source,
        part
    );
    let of_part = part.map(|part| part.test(attributes).map_err(|failure| failure.problem));
    prop_assert_eq!(of_part, Ok(result.map_err(|failure| failure.problem)));
    for read in explanation.reads {
        prop_assert!(explanation.decisive.contains(read.path), "{read:?}");
    }
    Ok(())
}

const TOKENS: &[&str] = &[
    "has",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "?",
    ":",
    "!",
    "-",
    "+",
    "*",
    "&&",
    "||",
    "==",
    "in",
    "jwt",
    "jwt.sub",
    "'s'",
    "1",
    "1u",
    "2.0",
    "b'x'",
    "null",
    "true",
    "map",
    "exists",
    ".exists(",
    "x,",
    "has(",
    ".a",
    "`b`",
    "r'",
    "\"",
    "\\",
    "{a:",
    "if",
    "google.protobuf.Foo{",
    "0x",
    "1e",
    "99999999999999999999",
    "'\\",
    "@",
    "|",
    "&",
    "=",
    "é",
    ".?",
    "[?",
    "\n",
    "//c\n",
    "//",
    "request",
    ".size()",
    "size(",
    ".matches(",
    ".split(",
];

const VALUES: &[&str] = &[
    "jwt",
    "jwt.sub",
    "jwt['sub']",
    "jwt.level",
    "jwt.big",
    "jwt.ratio",
    "jwt.admin",
    "jwt.nothing",
    "jwt.groups",
    "jwt.realm",
    "jwt.realm['x-y'].z",
    "jwt.nosuch",
    "jwt.numbers",
    "absent",
    "request",
    "request.path",
    "request.headers",
    "request.headers['x-env']",
    "request.body",
    "1",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "7u",
    "1.5",
    "-0.0",
    "1e308",
    "'a'",
    "'é🐱'",
    "''",
    "b'\\xff'",
    "true",
    "false",
    "null",
    "[]",
    "['a', 'b']",
    "{}",
    "{'a': 1}",
    "int",
    "timestamp('2024-02-29T12:00:00.5Z')",
    "duration('-1h30m')",
];

/// A condition that compiles.
fn condition() -> impl Strategy<Value = String> {
    let atom =
        (value(), select(COMPARISONS), value()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}"));
    atom.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (vec(inner.clone(), 2..4), select(&[" && ", " || "])).prop_map(|(terms, sign)| terms
                .iter()
                .map(|term| format!("({term})"))
                .collect::<Vec<_>>()
                .join(sign)),
            inner.clone().prop_map(|a| format!("!({a})")),
            (
                value(),
                select(&["all", "exists", "exists_one"]),
                inner.clone()
            )
                .prop_map(|(range, name, body)| format!("{range}.{name}(x, x == 'a' || ({body}))")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "in"];

fn value() -> impl Strategy<Value = String> {
    select(VALUES).prop_map(ToOwned::to_owned)
}

/// An expression of any type, well formed or nearly so.
fn expression() -> impl Strategy<Value = String> {
    value().prop_recursive(5, 32, 4, |inner| {
        let one = inner.clone();
        let pair = (inner.clone(), inner.clone());
        let triple = (inner.clone(), inner.clone(), inner);
        prop_oneof![
            (
                pair.clone(),
                select(&["+", "-", "*", "/", "%", "==", "<", "in", "&&", "||"])
            )
                .prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
            (one.clone(), select(&["-", "!"])).prop_map(|(a, sign)| format!("{sign}({a})")),
            pair.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            pair.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            pair.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            triple
                .clone()
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (one.clone(), select(GLOBALS)).prop_map(|(a, name)| format!("{name}({a})")),
            (one.clone(), select(NO_ARGUMENT)).prop_map(|(a, name)| format!("({a}).{name}()")),
            (pair.clone(), select(ONE_ARGUMENT))
                .prop_map(|((a, b), name)| format!("({a}).{name}({b})")),
            (triple, select(TWO_ARGUMENTS))
                .prop_map(|((a, b, c), name)| format!("({a}).{name}({b}, {c})")),
            (
                pair,
                select(&["all", "exists", "exists_one", "filter", "map"])
            )
                .prop_map(|((a, b), name)| format!("({a}).{name}(x, [x, {b}] != [])")),
            one.prop_map(|a| format!("has(({a}).a)")),
        ]
    })
}

const GLOBALS: &[&str] = &[
    "size",
    "type",
    "dyn",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "timestamp",
    "duration",
    "strings.quote",
];
const NO_ARGUMENT: &[&str] = &[
    "size",
    "lowerAscii",
    "upperAscii",
    "trim",
    "reverse",
    "join",
    "getHours",
    "getFullYear",
    "getMilliseconds",
];
const ONE_ARGUMENT: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "split",
    "substring",
    "format",
    "getDayOfYear",
];
const TWO_ARGUMENTS: &[&str] = &["indexOf", "lastIndexOf", "replace", "split", "substring"];
