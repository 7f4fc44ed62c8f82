//! What came of the cases, by section.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub(crate) struct Table(BTreeMap<(bool, String), Row>);

#[derive(Default)]
struct Row {
    cases: usize,
    refused: Option<&'static str>,
}

impl Table {
    /// Counts a case; `refused` is why its section is.
    pub(crate) fn count(&mut self, section: &str, core: bool, refused: Option<&'static str>) {
        let row = self.0.entry((!core, section.to_owned())).or_default();
        row.cases += 1;
        row.refused = refused;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| Section of cel-spec | | Cases | Here |")?;
        writeln!(f, "|---|---|---|---|")?;
        for ((extension, section), row) in &self.0 {
            let profile = if *extension { "extension" } else { "core" };
            let here = match row.refused {
                None => "all agree".to_owned(),
                Some(reason) => format!("refused: {reason}"),
            };
            writeln!(f, "| {section} | {profile} | {} | {here} |", row.cases)?;
        }
        Ok(())
    }
}
