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
    decided: BTreeMap<&'static str, usize>,
    different: Vec<(String, Found)>,
}

impl Report {
    pub(crate) fn count(&mut self, status: u16, verdict: Verdict, found: impl FnOnce() -> Found) {
        *self.statuses.entry(status).or_default() += 1;
        match verdict {
            Verdict::Alike => self.alike += 1,
            Verdict::Decided(codes) => {
                for code in codes {
                    *self.decided.entry(code).or_default() += 1;
                }
            }
            Verdict::Different(why) => self.different.push((why, found())),
        }
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

/// How many differences are made small.
const SMALL: usize = 4;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.statuses.values().sum();
        writeln!(f, "{all} decisions, {} alike", self.alike)?;
        for (status, count) in &self.statuses {
            writeln!(f, "  Envoy said {status}: {count}")?;
        }
        for (code, count) in &self.decided {
            let read = DECISIONS.iter().map(|it| (it.code, it.what));
            for (_, what) in read
                .chain(REFUSALS.iter().copied())
                .filter(|it| it.0 == *code)
            {
                writeln!(f, "  {code}: {count} ({what})")?;
            }
        }
        write!(f, "  unexplained: {}", self.different.len())
    }
}
