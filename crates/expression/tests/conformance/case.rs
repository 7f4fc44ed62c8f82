//! One case: an expression, its variables, and what must come of it.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_expression::{
    Duration, Environment, Members, Program, Shape, Timestamp, Type, Value,
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) file: String,
    pub(crate) section: String,
    pub(crate) expr: String,
    pub(crate) profile: String,
    bindings: Variables,
    expect: Expect,
    #[serde(default)]
    type_env: Vec<String>,
    #[serde(default)]
    container: String,
    #[serde(default)]
    disable_check: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Value(Tagged),
    /// Any error will do.
    Error(Vec<String>),
    /// Any value will do.
    TypeOnly(bool),
}

/// A value of the suite.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tagged {
    Null(()),
    Bool(bool),
    Int(String),
    Uint(String),
    Double(String),
    String(String),
    Bytes(String),
    List(Vec<Tagged>),
    Map(Vec<(Tagged, Tagged)>),
    Timestamp(i64, u32),
    Duration(i64, i64),
    Type(String),
}

pub(crate) enum Outcome {
    Agrees,
    /// With all that was wrong.
    Refused(String),
    /// With what came out.
    Differs(String),
}

impl Case {
    pub(crate) fn run(&self) -> Outcome {
        let error = matches!(self.expect, Expect::Error(_));
        let program = match Program::any(&self.expr, &self.environment()) {
            Ok(program) => program,
            // Where any error is expected a refusal is one, but not the refusal of what we lack.
            Err(mistakes) if error && !mistakes.iter().any(|mistake| lacks(&mistake.message)) => {
                return Outcome::Agrees;
            }
            Err(mistakes) => return Outcome::Refused(format!("{mistakes:?}")),
        };
        let result = program.evaluate(&self.bindings);
        let agrees = match (&result, &self.expect) {
            (Ok(value), Expect::Value(expected)) => same(value, expected),
            (Ok(_), Expect::TypeOnly(any)) => *any,
            (Err(_), Expect::Error(_)) => true,
            _ => false,
        };
        if agrees {
            return Outcome::Agrees;
        }
        let shown = result.map(|value| format!("{} {}", value.kind().name(), value.brief()));
        let expected = match &self.expect {
            Expect::Value(value) => format!("{value:?}"),
            Expect::Error(texts) => format!("an error like {texts:?}"),
            Expect::TypeOnly(_) => "any value".to_owned(),
        };
        Outcome::Differs(format!("{shown:?}, expected {expected}"))
    }

    /// Everything that is bound or declared is a variable. Where the suite turns the check off, names
    /// are left to the evaluation.
    fn environment(&self) -> Environment {
        let declared = self.type_env.iter();
        let declared = declared.filter_map(|declaration| declaration.split('"').nth(1));
        let names = self.bindings.0.keys().map(String::as_str).chain(declared);
        let environment = names.fold(Environment::default(), |environment, name| {
            environment.variable(name, Shape::Open)
        });
        let environment = environment.container(&self.container);
        if self.disable_check {
            environment.unchecked()
        } else {
            environment
        }
    }
}

/// Whether a message says that we do not have what the case is about.
fn lacks(message: &str) -> bool {
    message.contains("not supported") || message.contains("unknown function")
}

#[derive(Deserialize)]
struct Variables(BTreeMap<String, Tagged>);

impl Members for Variables {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        self.0.get(name).map(value)
    }
}

fn value(tagged: &Tagged) -> Value<'_> {
    match tagged {
        Tagged::Null(()) => Value::Null,
        Tagged::Bool(truth) => Value::Bool(*truth),
        Tagged::Int(number) => Value::Int(number.parse().expect("an int")),
        Tagged::Uint(number) => Value::Uint(number.parse().expect("a uint")),
        Tagged::Double(number) => Value::Double(number.parse().expect("a double")),
        Tagged::String(text) => Value::from(text.as_str()),
        Tagged::Bytes(text) => Value::Bytes(BASE64_STANDARD.decode(text).expect("base64").into()),
        Tagged::List(elements) => Value::List(elements.iter().map(value).collect()),
        Tagged::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, of)| (value(key), value(of)));
            Value::map(pairs).expect("unique keys")
        }
        Tagged::Timestamp(seconds, nanos) => {
            Value::Timestamp(Timestamp::new(*seconds, *nanos).expect("a time"))
        }
        Tagged::Duration(seconds, nanos) => {
            Value::Duration(Duration::from_nanos(seconds * 1_000_000_000 + nanos))
        }
        Tagged::Type(name) => Value::Type(Type::named(name).expect("a type")),
    }
}

/// Whether a value is exactly what the suite expects, type included.
fn same(seen: &Value<'_>, expected: &Tagged) -> bool {
    match (seen, expected) {
        (Value::List(seen), Tagged::List(wanted)) => {
            seen.len() == wanted.len() && seen.iter().zip(wanted).all(|(a, b)| same(&a, b))
        }
        (Value::Map(seen), Tagged::Map(wanted)) => {
            seen.count() == Some(wanted.len())
                && wanted.iter().all(|(key, wanted)| {
                    let found = seen.lookup(&value(key));
                    found.is_some_and(|found| same(&found, wanted))
                })
        }
        _ => match (seen, &value(expected)) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Uint(a), Value::Uint(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::String(a), Value::String(b)) => **a == **b,
            (Value::Bytes(a), Value::Bytes(b)) => **a == **b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            _ => false,
        },
    }
}
