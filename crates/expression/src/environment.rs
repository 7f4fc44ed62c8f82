//! Which variables an expression may name.

use std::collections::BTreeMap;

/// The variables of an expression. Functions are the same everywhere.
///
/// ```
/// use countersign_expression::{Environment, Program, Shape};
///
/// let environment = Environment::default()
///     .variable("jwt", Shape::Open)
///     .variable("request", Shape::Fields(&[("path", Shape::Scalar)]));
/// assert!(Program::compile("jwt.sub == 'alice'", &environment).is_ok());
/// assert!(Program::compile("request.nosuch == ''", &environment).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<Box<str>, Shape>,
    container: Box<str>,
    unchecked: bool,
}

/// What may be read from a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value without members.
    Scalar,
    /// Any value: members and indexes of any name, resolved when they are read.
    Open,
    /// Members of these names only.
    Fields(&'static [(&'static str, Shape)]),
}

impl Environment {
    /// Adds a variable. Its name may be qualified: `a.b`.
    #[must_use]
    pub fn variable(mut self, name: &str, shape: Shape) -> Self {
        self.variables.insert(name.into(), shape);
        self
    }

    /// Looks for names in this namespace first, then in those around it: in `a.b`, `x` may be
    /// `a.b.x`, `a.x` or `x`.
    #[must_use]
    pub fn container(mut self, namespace: &str) -> Self {
        self.container = namespace.into();
        self
    }

    /// Leaves unknown names to the evaluation, where they fail (CEL calls that parse-only). Without
    /// it they are refused when the program is compiled.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    pub(crate) const fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    /// The variable that the longest possible start of `segments` names, its shape, and how many
    /// segments that took. A first segment with a leading dot is not looked for in the container.
    pub(crate) fn resolve(&self, segments: &[&str]) -> Option<(&str, Shape, usize)> {
        let root = segments.first()?;
        let absolute = root.strip_prefix('.');
        let mut namespace = if absolute.is_some() {
            ""
        } else {
            &self.container
        };
        loop {
            for taken in (1..=segments.len()).rev() {
                let rest = segments.iter().skip(1).take(taken - 1).copied();
                let parts = [namespace, absolute.unwrap_or(root)].into_iter();
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).chain(rest).collect();
                if let Some((name, shape)) = self.variables.get_key_value(parts.join(".").as_str())
                {
                    return Some((name, *shape, taken));
                }
            }
            if namespace.is_empty() {
                return None;
            }
            namespace = namespace.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(|name| &**name)
    }
}
