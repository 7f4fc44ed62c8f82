//! What a run has counted, and what it found.

use std::collections::BTreeMap;
use std::fmt;

use crate::ask::Ask;
use crate::decisions::DECISIONS;
use crate::judge::{REFUSALS, Verdict};
use crate::policies::Group;
use crate::scene::World;
use crate::shrink;

type Found = (&'static [&'static str], Group, Ask);

/// The counts of a run.
#[derive(Default)]
pub(crate) struct Report {
    statuses: BTreeMap<u16, usize>,
    alike: usize,
    /// By decision, how often it made a difference, and how often it let through what Envoy refused.
    decided: BTreeMap<&'static str, (usize, usize)>,
    different: Vec<(String, Found)>,
}

impl Report {
    pub(crate) fn count(&mut self, status: u16, verdict: Verdict, found: impl FnOnce() -> Found) {
        *self.statuses.entry(status).or_default() += 1;
        match verdict {
            Verdict::Alike => self.alike += 1,
            Verdict::Decided(codes, admitted) => {
                for code in codes {
                    let (differs, admits) = self.decided.entry(code).or_default();
                    *differs += 1;
                    *admits += usize::from(admitted);
                }
            }
            Verdict::Different(why) => self.different.push((why, found())),
        }
    }

    pub(crate) fn differences(&self) -> usize {
        self.different.len()
    }

    /// Every unexplained difference in a line, and the first of them made small.
    pub(crate) fn tell(&self, world: &World) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        let mut kinds: Vec<&str> = Vec::new();
        for (why, (trust_domains, group, ask)) in &self.different {
            let request = format!("{why}\n  {} {} Host {}", ask.method, ask.target(), ask.host);
            // One of each kind is made small: that takes a while.
            if kinds.len() < SMALL && !kinds.contains(&why.as_str()) {
                kinds.push(why);
                let small = shrink::smallest(world, trust_domains, group.clone(), ask.clone());
                told.insert(kinds.len() - 1, format!("{why}\n{small}"));
            } else {
                told.push(request);
            }
        }
        told
    }

    /// A run in which nearly all was refused, or let through, would tell nothing.
    pub(crate) fn is_telling(&self) {
        let all: usize = self.statuses.values().sum();
        for (status, percent) in [(200, 15), (403, 15), (401, 4)] {
            let count = self.statuses.get(&status).copied().unwrap_or_default();
            assert!(
                count * 100 >= all * percent,
                "{status}: {count} of {all} only"
            );
        }
    }
}

/// Codes and what they say.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    let read = DECISIONS.iter().map(|it| (it.code, it.what));
    read.chain(REFUSALS.iter().copied())
}

/// How many differences are made small.
const SMALL: usize = 4;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.statuses.values().sum();
        writeln!(f, "{all} decisions, {} alike", self.alike)?;
        for (status, count) in &self.statuses {
            writeln!(f, "  Envoy said {status}: {count}")?;
        }
        writeln!(f, "  differs  admits  by decision")?;
        for (code, (differs, admits)) in &self.decided {
            let what = known().find(|it| it.0 == *code).map_or("", |it| it.1);
            writeln!(f, "  {differs:7} {admits:7}  {code}: {what}")?;
        }
        write!(f, "  unexplained: {}", self.different.len())
    }
}

#[test]
fn every_decision_stands_in_the_public_list() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/differences.md");
    let page = std::fs::read_to_string(path).expect("docs/differences.md");
    for (code, what) in known() {
        let stands = match code.strip_prefix("HTTP ") {
            Some(_) => page.contains("\n## HTTP\n"),
            None => page.contains(&format!("\n| {code} | ")),
        };
        assert!(stands, "{code}: {what}");
    }
}
