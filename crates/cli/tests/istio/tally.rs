//! How many cases agree, by part of the suite.

use std::collections::BTreeMap;

use countersign_testkit::corpus::Istio;

use crate::differences::{Differences, Disagreement};
use crate::group::Group;

/// What came of the cases at one door.
pub(crate) struct Tally {
    door: &'static str,
    known: Differences,
    /// Agree, differ as listed, fail.
    counts: BTreeMap<String, [usize; 3]>,
    differ: Vec<String>,
    failed: Vec<String>,
}

impl Tally {
    pub(crate) fn new(door: &'static str) -> Self {
        Self {
            door,
            known: Differences::read(),
            counts: BTreeMap::new(),
            differ: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Counts a group that runs.
    pub(crate) fn group(&mut self, group: &Group, ask: impl Fn(&Istio) -> Option<Disagreement>) {
        assert!(!group.is_invalid(), "{} must not load", group.name);
        for case in &group.cases {
            self.count(case, ask(case));
        }
    }

    /// Counts a group that does not load: right where Istio's admission refuses it as well.
    pub(crate) fn refused(&mut self, group: &Group, told: &str) {
        for case in &group.cases {
            let disagreement = (!group.is_invalid()).then(|| Disagreement {
                why: format!("does not load: {told}"),
                status: None,
                admitted: false,
            });
            self.count(case, disagreement);
        }
    }

    /// Counts a case; `None` where it came out as recorded.
    fn count(&mut self, case: &Istio, disagreement: Option<Disagreement>) {
        let part: Vec<&str> = case.group.split('/').take(2).collect();
        let counts = self.counts.entry(part.join("/")).or_default();
        let Some(disagreement) = disagreement else {
            counts[0] += 1;
            return;
        };
        match self.known.explain(case, &disagreement) {
            Ok(()) => {
                counts[1] += 1;
                self.differ.push(case.id.clone());
            }
            Err(unexplained) => {
                counts[2] += 1;
                let why = disagreement.why;
                self.failed
                    .push(format!("{}: {why} ({unexplained})", case.id));
            }
        }
    }

    /// Prints the counts.
    ///
    /// # Panics
    /// When a case failed, or one is listed as different that is not.
    pub(crate) fn finish(self) {
        let mut text = format!(
            "{}: agree, differ as docs/differences.md says, fail\n",
            self.door
        );
        let mut total = [0; 3];
        for (part, counts) in &self.counts {
            let [agree, differ, fail] = counts;
            text += &format!("  {part:32} {agree:5} {differ:4} {fail:4}\n");
            for (sum, count) in total.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        let [agree, differ, fail] = total;
        println!("{text}  {:32} {agree:5} {differ:4} {fail:4}", "total");
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
        let unused = self.known.unused(&self.differ);
        assert!(
            unused.is_empty(),
            "listed as different, but they agree: {unused:?}"
        );
    }
}
