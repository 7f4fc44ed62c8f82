//! The collector of diagnostics.

use std::collections::BTreeMap;

use super::withheld::{Masks, Withheld};
use super::{Diagnostic, ObjectRef, Severity};
use crate::source::Span;

/// Everything found in one load. Nothing stops at the first error: whoever reads pushes and goes on.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    subject: Option<ObjectRef>,
    /// How many of each severity there were, kept or not.
    counts: BTreeMap<Severity, usize>,
    withheld: Withheld,
}

/// How many of each severity are kept: more than anybody reads, few enough to print whatever the input.
const KEPT: usize = 1000;

impl Diagnostics {
    /// An empty collector.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one; if it names no object, it is about the one being read. Of each severity the first thousand are kept.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        if let Some(span) = diagnostic.span.filter(|_| diagnostic.private) {
            self.withhold(span);
        }
        let count = self.counts.entry(diagnostic.severity).or_default();
        *count += 1;
        if *count > KEPT {
            return;
        }
        if diagnostic.subject.is_none() {
            diagnostic.subject.clone_from(&self.subject);
        }
        self.list.push(diagnostic);
    }

    /// Says that the text of a place is or may be a secret. No diagnostic shows it, whatever it is about, and whether it is
    /// found before or after.
    pub fn withhold(&mut self, span: Span) {
        self.withheld.add(span);
    }

    /// The places that are not shown.
    pub(super) fn masks(&self) -> Masks {
        self.withheld.masks()
    }

    /// How many were pushed so far, kept or not.
    pub(crate) fn pushed(&self) -> usize {
        self.counts.values().sum()
    }

    /// For each severity of which not all were kept, a diagnostic that says so.
    pub(super) fn more(&self) -> Vec<Diagnostic> {
        let crowded = self.counts.iter().filter(|(_, count)| **count > KEPT);
        crowded
            .map(|(severity, count)| {
                let more = count - KEPT;
                let message = format!("{more} more of these are not shown");
                Diagnostic::new(*severity, "too-many", message)
            })
            .collect()
    }

    /// Says which object is being read from here on, and returns which one was before.
    pub fn enter(&mut self, subject: Option<ObjectRef>) -> Option<ObjectRef> {
        std::mem::replace(&mut self.subject, subject)
    }

    /// All, in the order in which they were found (or sorted, after [`Self::sort`]).
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    /// Whether the configuration must not be used.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Orders by place, those without one last, and drops repetitions (an anchor's content is read once for every alias).
    pub fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| {
            (
                diagnostic.span.is_none(),
                diagnostic.span,
                diagnostic.severity,
            )
        });
        self.list.dedup();
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.list
            .iter()
            .filter(move |diagnostic| diagnostic.severity == severity)
    }
}
