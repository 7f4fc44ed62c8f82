//! What the tests of this module share.

use std::time::Duration;

use countersign_config::compiled::{AddressGuard, KeyLocation, RemoteKeys};
use countersign_core::backend::Ca;

/// A source with the settings that Istio has.
pub(crate) fn source(url: &str) -> RemoteKeys {
    RemoteKeys {
        location: KeyLocation::Jwks(url.into()),
        connect: None,
        ca: Ca::System,
        refresh: Duration::from_secs(20 * 60),
        timeout: Duration::from_secs(5),
        retries: 0,
        backoff: Duration::from_secs(1),
        backoff_max: Duration::from_secs(10),
        after_failure: Duration::from_secs(60),
        wait_first: true,
        guard: AddressGuard::default(),
    }
}
