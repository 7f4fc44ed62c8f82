//! Texts made to overflow the stack, to run for ever or to fill the memory: each is refused, or ends
//! quickly, on a thread with a stack of 2 MiB.

#![expect(
    clippy::expect_used,
    reason = "a text that does not compile must fail the test, with its mistakes"
)]

use std::thread;
use std::time::{Duration, Instant};

use countersign_expression::{
    Environment, MAX_SOURCE_CHARS, Members, Mistake, Problem, Program, Shape, Timestamp, Value,
};

/// Generous: unoptimised, on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// What stands before, in, and after something nested.
const FORMS: [(&str, &str, &str); 28] = [
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{1: ", "1", "}"),
    ("size(", "1", ")"),
    ("x[", "0", "]"),
    ("1 + (", "1", ")"),
    ("true ? 1 : (", "1", ")"),
    ("[1].map(y, ", "1", ")"),
    ("x.exists(y, ", "y", ")"),
    ("has(x.a) && (", "true", ")"),
    ("!(", "true", ")"),
    ("-(", "1", ")"),
    ("true ? 1 : ", "1", ""),
    ("true ? ", "1", " : 2"),
    ("", "1", " + 1"),
    ("", "1", " - 1"),
    ("", "1", " * 1"),
    ("", "1", " == 1"),
    ("", "1", " < 1"),
    ("", "1", " in x"),
    ("", "x", ".a"),
    ("", "x", ".size()"),
    ("", "x", "[0]"),
    ("", "x", "['a']"),
    ("1 + ", "1", ""),
    ("1 - -", "1", ""),
    ("!", "true", ""),
    ("-", "x", ""),
];

#[test]
fn whatever_is_nested_too_deep_is_refused_before_anything_recursive_sees_it() {
    for (before, middle, after) in FORMS {
        for depth in [20, 60, 94, 97, 150, 1_000, 16_000] {
            let source = [before.repeat(depth), middle.into(), after.repeat(depth)].concat();
            let compiled = on_small_stack(&source);
            let fits = source.chars().count() <= MAX_SOURCE_CHARS;
            if depth > 96
                && !matches!(compiled, Err(ref mistakes) if told(mistakes, "nested") || !fits)
            {
                panic!("`{before}…{after}` {depth} deep: {compiled:?}");
            }
        }
    }
}

#[test]
fn whatever_is_nested_as_deep_as_allowed_fits_on_a_small_stack() {
    let mut deepest = Vec::new();
    for (at, (before, _, after)) in FORMS.iter().enumerate() {
        for (inner_before, middle, inner_after) in FORMS.iter().skip(at + 1).step_by(3) {
            let nested = |depth: usize| {
                let [before, after] = [[*before, *inner_before], [*inner_after, *after]];
                let [before, after] = [before, after].map(|part| part.concat().repeat(depth));
                [before.as_str(), middle, after.as_str()].concat()
            };
            let compiles = |depth: &usize| on_small_stack(&nested(*depth)).is_ok();
            deepest.extend((1..=48).rev().step_by(5).find(compiles));
        }
    }
    // Some pairs are no CEL, and where both count twice it is half as deep.
    assert!(deepest.len() > 100, "{deepest:?}");
    assert!(
        deepest.iter().sum::<usize>() / deepest.len() > 25,
        "{deepest:?}"
    );
}

#[test]
fn long_chains_of_logic_are_flat() {
    for operator in [" && ", " || "] {
        let source = vec!["x.a"; MAX_SOURCE_CHARS / 7].join(operator);
        on_small_stack(&source).expect("flat");
    }
}

#[test]
fn text_that_is_no_cel_is_refused_soon_and_once() {
    let mut sources: Vec<String> = [
        "((((((((",
        "))))",
        "(1 + ) (",
        "a b ",
        "1 2 ",
        "'",
        "\"\"\"",
        "`",
        "? : ",
        "[, ",
        "{: ",
        ".",
        "has(",
        "'\\q(((",
        "r'\\' ((",
        "x.map(1, ",
        "f(a b) ",
        "\u{0}",
        "\u{feff}",
        "//",
        "a ? b ",
        "1 + ) + (",
        "🐱",
        "b'\\u0041' ",
        "0x",
        "1e",
        ".?a",
        "[?0]",
        "{?1: 2}",
    ]
    .into_iter()
    .flat_map(|part| {
        [
            part.to_owned(),
            part.repeat(500),
            format!("true && {}", part.repeat(50)),
        ]
    })
    .collect();
    sources.push(String::new());
    sources.push("1".repeat(MAX_SOURCE_CHARS + 1));
    for source in sources {
        let mistakes = on_small_stack(&source).expect_err(&source);
        assert!(
            mistakes
                .iter()
                .all(|mistake| mistake.offset <= source.len()),
            "{mistakes:?}"
        );
        assert!(!mistakes.is_empty());
    }
}

#[test]
fn work_beyond_the_budget_is_an_error_that_nothing_absorbs() {
    let nested = "x.all(a, x.all(b, x.all(c, a == a)))";
    let sources = [
        nested.to_owned(),
        format!("({nested}) || true"),
        format!("true && ({nested})"),
        "x.exists(a, x.exists(b, x.exists(c, nosuch.a)))".to_owned(),
        "x.map(a, x.map(b, x.map(c, [a, b, c]))) == []".to_owned(),
        "x.map(a, x.filter(b, x.exists_one(c, c == b))) == []".to_owned(),
        "x.all(a, x.map(b, long + long + long + long) != [])".to_owned(),
        "x.all(a, x.all(b, long.replace('', long) == ''))".to_owned(),
        "x.all(a, x.all(b, long.split('').join(long) == ''))".to_owned(),
        "x.all(a, x.all(b, long.matches('^(a|b|ab)*$')))".to_owned(),
        "x.exists(a, x.exists(b, 'x'.matches(string(a) + '(x+x+)+y')))".to_owned(),
        "x.all(a, x.all(b, '%s'.format([x]) != ''))".to_owned(),
        "x.all(a, x.all(b, x + x != []))".to_owned(),
        "x.all(a, x.all(b, x == x))".to_owned(),
        "x.all(a, x.all(b, 999 in x || true))".to_owned(),
        "x.all(a, x.all(b, long.indexOf('nosuch') < 0))".to_owned(),
        "x.all(a, x.all(b, long.size() > 0))".to_owned(),
        "x.all(a, x.all(b, long == long))".to_owned(),
        "x.all(a, x.all(b, int('0' + zeros) == 0))".to_owned(),
        "x.all(a, x.all(b, int(zeros) == 0))".to_owned(),
        "x.all(a, x.all(b, double(zeros) == 0.0))".to_owned(),
        "x.all(a, x.all(b, x.all(c, now.getHours('Europe/Paris') >= 0)))".to_owned(),
        "x.all(a, x.all(b, x.all(c, timestamp('2024-02-29T12:00:00+01:00') < now)))".to_owned(),
        "x.all(a, x.all(b, x.all(c, duration('1h2m3s4ms5us6ns') > duration('0'))))".to_owned(),
    ];
    let variables = Hostile::new();
    for source in sources {
        let program = compile(&source).expect(&source);
        let start = Instant::now();
        let result = program.test(&variables);
        let took = start.elapsed();
        println!("{took:>10.1?} {source}");
        let problem = result.map_err(|failure| failure.problem);
        assert_eq!(problem, Err(Problem::Cost), "{source}");
        assert!(took < SOON, "{source}: {took:?}");
    }
}

#[test]
fn patterns_are_bounded_when_they_are_constant_and_when_they_are_not() {
    let large = [
        "(a{1000}){1000}",
        "\\\\pL{1000}",
        "(((a{100}){100}){100}){100}",
    ];
    for pattern in large {
        let refused = compile(&format!("'a'.matches('{pattern}')")).expect_err(pattern);
        assert!(told(&refused, "pattern"), "{refused:?}");
    }
    let variables = Hostile::new();
    for computed in [
        "'a'.matches(long)",
        "'a'.matches('(a{1000}){1000}' + '')",
        "'a'.matches('(' + '')",
    ] {
        let start = Instant::now();
        let failure = compile(computed).expect(computed).test(&variables);
        assert_eq!(
            failure.map_err(|failure| failure.problem),
            Err(Problem::Pattern)
        );
        assert!(start.elapsed() < SOON, "{computed}");
    }
}

fn compile(source: &str) -> Result<Program, Vec<Mistake>> {
    let environment = ["x", "long", "zeros", "now", "nosuch"]
        .into_iter()
        .fold(Environment::default(), |environment, name| {
            environment.variable(name, Shape::Open)
        });
    Program::any(source, &environment)
}

/// Compiles and evaluates where there is no room for a deep recursion.
fn on_small_stack(source: &str) -> Result<Program, Vec<Mistake>> {
    let source = source.to_owned();
    let start = Instant::now();
    let work = move || {
        let compiled = compile(&source);
        if let Ok(program) = &compiled {
            // Only whether it ends.
            let _ = program.test(&Hostile::new());
            let _ = program.explain(&Hostile::new());
        }
        compiled
    };
    let thread = thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .expect("a thread");
    let compiled = thread.join().expect("no panic");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    compiled
}

fn told(mistakes: &[Mistake], part: &str) -> bool {
    mistakes
        .iter()
        .any(|mistake| mistake.message.contains(part))
}

/// A list of 200 elements, texts of 64 KiB, and a time.
struct Hostile {
    long: String,
    zeros: String,
}

impl Hostile {
    fn new() -> Self {
        Self {
            long: "ab".repeat(1 << 15),
            zeros: "0".repeat(1 << 16),
        }
    }
}

impl Members for Hostile {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "x" => Some(Value::List((0..200).map(Value::Int).collect())),
            "long" => Some(Value::from(self.long.as_str())),
            "zeros" => Some(Value::from(self.zeros.as_str())),
            "now" => Timestamp::new(1_800_000_000, 0).map(Value::Timestamp),
            _ => None,
        }
    }
}
