//! Where a compiled thing came from, so that every refusal, metric and trace
//! can name it.

use std::fmt;
use std::sync::Arc;

/// The object, and the place inside it, that a rule was compiled from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Kubernetes kind, such as `RequestAuthentication`.
    pub kind: &'static str,
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// The place inside the object, such as `jwtRules[1]`; empty for the whole.
    pub part: Arc<str>,
    /// Name of the text that it was read from, usually a file path.
    pub file: Arc<str>,
    /// Line in that text, from 1.
    pub line: u32,
}

impl Origin {
    /// The same object, pointing at one of its parts on its own line.
    pub fn part(&self, part: impl Into<Arc<str>>, line: u32) -> Origin {
        Origin {
            part: part.into(),
            line,
            ..self.clone()
        }
    }
}

/// `RequestAuthentication foo/jwt jwtRules[1] (policy.yaml:12)`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)?;
        if !self.part.is_empty() {
            write!(f, " {}", self.part)?;
        }
        write!(f, " ({}:{})", self.file, self.line)
    }
}
