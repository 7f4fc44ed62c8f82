//! Any text as a CEL condition: it is refused with places that exist, or it ends within its budget, and the explanation
//! and its decisive part say what the test says.

#![no_main]

use std::sync::LazyLock;

use countersign_expression::{Environment, Members, Program, Shape, Value};
use countersign_jose as jose;
use libfuzzer_sys::fuzz_target;

struct Attributes(jose::Document);

impl Members for Attributes {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "jwt" => Some(Value::from(self.0.root())),
            "request" => Some(Value::members(&Request)),
            _ => None,
        }
    }
}

struct Request;

impl Members for Request {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "method" => Some(Value::from("GET")),
            "path" => Some(Value::from("/api/orders")),
            _ => None,
        }
    }

    fn names(&self) -> Option<Vec<&str>> {
        Some(vec!["method", "path"])
    }
}

static ATTRIBUTES: LazyLock<Attributes> = LazyLock::new(|| {
    let claims = br#"{"sub": "alice", "level": 3, "ratio": 0.5, "big": 18446744073709551615, "admin": true,
        "nothing": null, "scope": "read write", "groups": ["dev", "ops", "admin"], "realm": {"x-y": {"z": 1}}}"#;
    Attributes(jose::Document::parse(claims).expect("claims"))
});
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    const REQUEST: Shape = Shape::Fields(&[
        ("method", Shape::Scalar),
        ("path", Shape::Scalar),
        ("body", Shape::Scalar),
    ]);
    Environment::default()
        .variable("jwt", Shape::Open)
        .variable("request", REQUEST)
        .variable("absent", Shape::Open)
});

fuzz_target!(|source: &str| {
    let program = match Program::any(source, &ENVIRONMENT) {
        Ok(program) => program,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(source.is_char_boundary(mistake.offset), "{mistake:?}");
            }
            return;
        }
    };
    if let Ok(value) = program.evaluate(&*ATTRIBUTES) {
        let _ = value.brief();
    }
    let result = program.test(&*ATTRIBUTES);
    let explanation = program.explain(&*ATTRIBUTES);
    assert_eq!(explanation.result, result);
    let part = Program::any(explanation.decisive, &ENVIRONMENT).expect("a part of what compiles");
    let of_part = part.test(&*ATTRIBUTES).map_err(|failure| failure.problem);
    assert_eq!(of_part, result.map_err(|failure| failure.problem));
});
