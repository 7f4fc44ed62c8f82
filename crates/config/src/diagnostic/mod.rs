//! What is wrong with a configuration, and where: [`Diagnostic`], the collector [`Diagnostics`], and how they are shown.
//!
//! Messages follow one rule set: lower case, no final period, input in backticks, and a help line that says what to write
//! instead. Input goes into a message through [`quoted`] only, which bounds it and makes control characters visible.

mod collect;
mod excerpt;
mod json;
mod render;
#[cfg(test)]
mod tests;
mod visible;
mod withheld;

pub use collect::Diagnostics;
pub use render::Style;
pub use visible::quoted;
pub(crate) use visible::{has_user_information, looks_secret};

use std::fmt;
use std::sync::Arc;

use crate::source::Span;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Stops a start, and keeps a reload from taking effect.
    Error,
    /// Worth a look; stops nothing.
    Warning,
    /// For the record.
    Note,
}

/// One thing to tell the author of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable and in kebab-case: what documentation and scripts refer to.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// A few words under the place itself.
    pub label: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that have to do with it, each with a few words.
    pub related: Vec<(Span, String)>,
    /// The object it is about.
    pub subject: Option<ObjectRef>,
    /// Whether the text of the place must not be shown.
    pub private: bool,
}

/// The name of a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// API group; empty for the core group.
    pub group: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace; empty for an object that lies in none.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Diagnostic {
    /// An error: the configuration is not taken.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// A note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message.into())
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Puts words under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push((span, message.into()));
        self
    }

    /// Names the object it is about.
    #[must_use]
    pub fn about(mut self, subject: ObjectRef) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Keeps the text of the place out of every excerpt ([`Diagnostics::withhold`]), because it is or may be a secret.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self {
            severity,
            code,
            message,
            span: None,
            label: None,
            help: None,
            related: Vec::new(),
            subject: None,
            private: false,
        }
    }
}

impl Severity {
    /// The word shown for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// `HTTPRoute default/shop`, or `GatewayClass countersign` where there is no namespace.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}
