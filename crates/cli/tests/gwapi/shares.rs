//! How many of many requests each backend, or mirror, must get.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::case::Step;
use crate::manifests::Document;

/// Requests sent where a share is to be told: at 30 percent one standard deviation is then 1.2 percent.
pub(crate) const ENOUGH: usize = 1500;

/// How far off a share may be, in parts of one: four standard deviations.
const TOLERANCE: f64 = 0.05;

/// Parts of one, by workload.
#[derive(Debug, PartialEq)]
pub(crate) struct Shares(BTreeMap<String, f64>);

impl Shares {
    /// What a step demands: its `distribution`, or the weights of the only rule there is.
    pub(crate) fn of(step: &Step, own: &[&Document]) -> Result<Option<Self>, String> {
        if let Some(stated) = &step.expect.distribution {
            return stated_shares(stated).map(Some);
        }
        let open = step.backend().is_none() && step.expect.redirect.is_none();
        Ok(only_rule(own)
            .filter(|_| open && step.statuses() == [200])
            .and_then(weights))
    }

    /// Holds counts against the shares.
    pub(crate) fn check(&self, counts: &BTreeMap<String, usize>) -> Result<(), String> {
        let total: usize = counts.values().sum();
        let strangers = counts.keys().filter(|it| !self.0.contains_key(*it));
        let mut wrong: Vec<String> = strangers.map(|it| format!("{it} got some")).collect();
        for (workload, share) in &self.0 {
            let count = counts.get(workload).copied().unwrap_or_default();
            wrong.extend(check(workload, *share, count, total).err());
        }
        match wrong.as_slice() {
            [] => Ok(()),
            _ => Err(wrong.join(", ")),
        }
    }
}

/// Holds one count against its share.
pub(crate) fn check(what: &str, share: f64, count: usize, total: usize) -> Result<(), String> {
    let parts = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let got = parts(count) / parts(total);
    // Nothing at all is not a matter of chance.
    if (got - share).abs() > TOLERANCE || (share == 0.0 && count > 0) {
        return Err(format!("{what} got {count} of {total}, not {share}"));
    }
    Ok(())
}

/// Numbers by workload, in whatever unit.
fn stated_shares(stated: &Value) -> Result<Shares, String> {
    let unreadable = || format!("distribution {stated}");
    let numbers = stated.as_object().ok_or_else(unreadable)?;
    let numbers = numbers
        .iter()
        .map(|(workload, number)| Some((workload.clone(), number.as_f64()?)));
    let numbers: Option<BTreeMap<String, f64>> = numbers.collect();
    normalised(numbers.ok_or_else(unreadable)?).ok_or_else(unreadable)
}

fn normalised(numbers: BTreeMap<String, f64>) -> Option<Shares> {
    let sum: f64 = numbers.values().sum();
    let valid = sum > 0.0 && numbers.values().all(|it| *it >= 0.0);
    valid.then(|| {
        let parts = numbers.into_iter().map(|(name, it)| (name, it / sum));
        Shares(parts.collect())
    })
}

/// The rule that every request of a test must take, where its manifests have one route with one rule.
fn only_rule<'d>(own: &[&'d Document]) -> Option<&'d Value> {
    let mut routes = own
        .iter()
        .filter(|it| matches!(it.kind(), "HTTPRoute" | "GRPCRoute"));
    let (route, None) = (routes.next()?, routes.next()) else {
        return None;
    };
    match route.spec()["rules"].as_array()?.as_slice() {
        [rule] => Some(rule),
        _ => None,
    }
}

fn weights(rule: &Value) -> Option<Shares> {
    let backends = rule["backendRefs"].as_array()?;
    let weights = backends.iter().map(|it| {
        let weight = it.get("weight").map_or(Some(1.0), Value::as_f64);
        Some((it["name"].as_str()?.to_owned(), weight?))
    });
    let weights: BTreeMap<String, f64> = weights.collect::<Option<_>>()?;
    normalised(weights).filter(|_| backends.len() > 1)
}
