//! `signature`: what one bare signature check costs, as the gateway makes it: the key parsed before,
//! the token taken apart before.

use std::time::Duration;

use clap::Args;
use countersign_jose::{Jws, KeySet, Symmetric};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::claims::Series;
use crate::fault::Fault;
use crate::mint::kid;
use crate::output::print;
use crate::sign::{Algorithm, Signer};

/// Options of `signature`.
#[derive(Args)]
pub(crate) struct Options {
    /// Whose signatures are checked
    #[arg(long, value_enum)]
    algorithm: Algorithm,
    /// CPU time to spend
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

#[derive(Serialize)]
struct Report {
    algorithm: &'static str,
    cpu_us: f64,
}

/// Prints the CPU time of one check, in µs.
///
/// # Errors
/// When no key can be made, or the check fails.
pub(crate) fn run(options: &Options) -> Result<(), Fault> {
    let algorithm = options.algorithm;
    let checks = Checks::new(algorithm)?;
    let slice = Duration::from_secs(options.seconds) / SLICES;
    let mut costs = Vec::new();
    for _ in 0..SLICES {
        costs.push(checks.cost(slice)?);
    }
    print(&Report {
        algorithm: algorithm.name(),
        cpu_us: (median(&mut costs) * 1000.0).round() / 1000.0,
    })
}

/// A token and the key that signed it.
struct Checks {
    token: String,
    keys: KeySet,
}

impl Checks {
    fn new(algorithm: Algorithm) -> Result<Self, Fault> {
        let kid = kid(algorithm);
        let signer = Signer::generate(algorithm, &kid)?;
        let series = Series {
            name: "signature",
            issued: 1_700_000_000,
            expires: 1_700_003_600,
        };
        let jwks = signer.jwks(&kid)?.to_string();
        Ok(Self {
            token: signer.token(&series.payload(0))?,
            keys: KeySet::from_jwks(jwks.as_bytes(), Symmetric::Refuse)
                .map_err(|error| Fault::failure(error.to_string()))?,
        })
    }

    /// Microseconds of this thread for one check, measured for about `slice`.
    fn cost(&self, slice: Duration) -> Result<f64, Fault> {
        let refused = |error| Fault::failure(format!("a good token is refused: {error}"));
        let jws = Jws::parse(&self.token).map_err(refused)?;
        let start = cpu_time();
        let mut count = 0_u32;
        loop {
            for _ in 0..BETWEEN_LOOKS {
                std::hint::black_box(&jws)
                    .verify(&self.keys)
                    .map_err(refused)?;
            }
            count += BETWEEN_LOOKS;
            let spent = cpu_time().saturating_sub(start);
            if spent >= slice {
                return Ok(spent.as_secs_f64() * 1e6 / f64::from(count));
            }
        }
    }
}

/// Time that this thread was on a CPU.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn median(costs: &mut [f64]) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied().unwrap_or_default()
}

/// The median of these is printed, so that a moment's disturbance does not count.
const SLICES: u32 = 20;
const BETWEEN_LOOKS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_takes_microseconds_of_cpu() {
        for algorithm in Algorithm::ALL {
            let checks = Checks::new(algorithm).expect("a key");
            let cost = checks.cost(Duration::from_millis(5)).expect("good");
            assert!((1.0..5_000.0).contains(&cost), "{algorithm}: {cost} µs");
        }
    }

    #[test]
    fn a_check_that_fails_is_no_measurement() {
        let mut checks = Checks::new(Algorithm::EdDsa).expect("a key");
        checks.keys = Checks::new(Algorithm::EdDsa).expect("a key").keys;
        assert!(checks.cost(Duration::from_millis(1)).is_err());
    }

    #[test]
    fn the_median_ignores_an_outlier() {
        assert!((median(&mut [9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
