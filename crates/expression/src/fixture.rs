//! What tests evaluate against: claims, a request with headers, and nothing else.

use countersign_jose as jose;

use crate::environment::{Environment, Shape};
use crate::value::{Members, Value};

pub(crate) struct Attributes {
    claims: jose::Document,
    request: Request,
}

struct Request {
    method: &'static str,
    path: &'static str,
    headers: Headers,
}

/// Names without regard to case, as a caller may have them.
struct Headers(Vec<(&'static str, &'static str)>);

pub(crate) fn attributes(claims: &str) -> Attributes {
    Attributes {
        claims: jose::Document::parse(claims.as_bytes()).unwrap(),
        request: Request {
            method: "GET",
            path: "/api/orders",
            headers: Headers(vec![("accept", "text/html"), ("x-env", "dev")]),
        },
    }
}

pub(crate) fn environment() -> Environment {
    const REQUEST: Shape = Shape::Fields(&[
        ("method", Shape::Scalar),
        ("path", Shape::Scalar),
        ("body", Shape::Scalar),
        ("headers", Shape::Open),
    ]);
    Environment::default()
        .variable("jwt", Shape::Open)
        .variable("request", REQUEST)
        .variable("absent", Shape::Open)
}

impl Members for Attributes {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "jwt" => Some(Value::from(self.claims.root())),
            "request" => Some(Value::members(&self.request)),
            _ => None,
        }
    }
}

impl Members for Request {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "method" => Some(Value::from(self.method)),
            "path" => Some(Value::from(self.path)),
            "headers" => Some(Value::members(&self.headers)),
            _ => None,
        }
    }
}

impl Members for Headers {
    fn member(&self, name: &str) -> Option<Value<'_>> {
        let mut headers = self.0.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| Value::from(*value))
    }

    fn names(&self) -> Option<Vec<&str>> {
        Some(self.0.iter().map(|(name, _)| *name).collect())
    }
}
