//! The one place that asks the system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::UnixTime;

/// Now, in whole seconds. A clock before 1970 reads as 1970, which every token with an `exp` outlives and no token with
/// an `nbf` has reached.
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}
