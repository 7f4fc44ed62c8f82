//! Why a text is no JSON that is acceptable.

/// How many lists and objects may be nested in one another. Envoy stops at about a hundred too.
pub const MAX_JSON_DEPTH: usize = 100;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    pub(super) problem: JsonProblem,
    pub(super) message: String,
}

impl JsonError {
    /// What kind of problem it is.
    pub const fn problem(&self) -> JsonProblem {
        self.problem
    }
}

/// The kinds of [`JsonError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonProblem {
    /// Not JSON, or more than one value.
    Syntax,
    /// One object has two members of one name: readers would disagree on which one counts.
    DuplicateMember,
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
}
