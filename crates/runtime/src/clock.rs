//! The one place that asks the system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::UnixTime;

/// Now, in whole seconds. A clock that says it is before 1970 is broken; then it is 2106, when tokens have expired.
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(since.map_or(u64::from(u32::MAX), |since| since.as_secs()))
}
