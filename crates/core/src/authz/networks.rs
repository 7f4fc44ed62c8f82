//! Lists of networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks as ranges that neither touch nor overlap, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct NetworkSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl NetworkSet {
    pub(super) fn new(networks: &[IpNet]) -> NetworkSet {
        let v4 = networks.iter().filter_map(|it| match it {
            IpNet::V4(net) => Some((net.network().to_bits(), net.broadcast().to_bits())),
            IpNet::V6(_) => None,
        });
        let v6 = networks.iter().filter_map(|it| match it {
            IpNet::V6(net) => Some((net.network().to_bits(), net.broadcast().to_bits())),
            IpNet::V4(_) => None,
        });
        NetworkSet {
            v4: merge(v4.collect()),
            v6: merge(v6.collect()),
        }
    }

    /// Whether an address is in one of them. Host bits are ignored, and IPv4
    /// is no part of `::/0`.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(it) => covers(&self.v4, &it.to_bits()),
            IpAddr::V6(it) => covers(&self.v6, &it.to_bits()),
        }
    }
}

fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let overlap = next.0 <= before.1;
        if overlap {
            before.1 = before.1.max(next.1);
        }
        overlap
    });
    ranges.into()
}

fn covers<T: Ord>(ranges: &[(T, T)], address: &T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= *address);
    let before = after.checked_sub(1).and_then(|it| ranges.get(it));
    before.is_some_and(|range| *address <= range.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &[&str], address: &str) -> bool {
        let networks: Vec<IpNet> = networks.iter().map(|it| it.parse().unwrap()).collect();
        NetworkSet::new(&networks).contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_in_networks() {
        let some = &[
            "10.0.0.0/8",
            "10.1.0.0/16",
            "192.168.0.7/24",
            "1.2.3.4/32",
            "fd00::/8",
        ];
        for address in [
            "10.0.0.0",
            "10.255.255.255",
            "192.168.0.255",
            "1.2.3.4",
            "fd00::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(contains(some, address), "{address}");
        }
        for address in [
            "11.0.0.0",
            "9.255.255.255",
            "192.168.1.0",
            "1.2.3.5",
            "fe00::",
            "::1",
        ] {
            assert!(!contains(some, address), "{address}");
        }
        assert!(!contains(&["::/0"], "10.0.0.1") && contains(&["::/0"], "::1"));
        assert!(contains(&["0.0.0.0/0"], "255.255.255.255") && !contains(&[], "10.0.0.1"));
    }
}
