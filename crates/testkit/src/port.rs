//! Free ports for listeners that a configuration must name before anybody binds them.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port of 127.0.0.1 that nobody listens on, and that no other call returns in this process.
///
/// Below the range from which Linux takes ports for outgoing connections, so that nobody gets it by accident
/// between here and the bind.
///
/// # Panics
/// When every port is taken.
#[must_use]
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run side by side start at different places.
    let start = process::id() % 1_000 * 61;
    for _ in 0..COUNT {
        let place = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(place).expect("below COUNT");
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_is_handed_out_twice_or_while_bound() {
        let taken = free();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        let ports: HashSet<u16> = (0..200).map(|_| free()).collect();
        assert_eq!(ports.len(), 200);
        assert!(!ports.contains(&taken) && ports.iter().all(|port| *port >= FIRST));
    }
}
