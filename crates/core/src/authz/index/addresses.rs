//! Rules filed under networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use foldhash::HashMap;
use ipnet::IpNet;

/// By length of prefix, and under each by the bits of that many.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    v4: BTreeMap<u8, HashMap<u32, Vec<u32>>>,
    v6: BTreeMap<u8, HashMap<u128, Vec<u32>>>,
}

impl Addresses {
    pub(super) fn add(&mut self, network: IpNet, rule: u32) {
        let list = match network {
            IpNet::V4(net) => {
                let column = self.v4.entry(net.prefix_len()).or_default();
                column.entry(net.network().to_bits()).or_default()
            }
            IpNet::V6(net) => {
                let column = self.v6.entry(net.prefix_len()).or_default();
                column.entry(net.network().to_bits()).or_default()
            }
        };
        list.push(rule);
    }

    /// Gives the rules of every network that an address is in to `f`, until it says `true`.
    pub(super) fn any(&self, address: IpAddr, f: &mut impl FnMut(u32) -> bool) -> bool {
        let mut each = |list: Option<&Vec<u32>>| list.into_iter().flatten().any(|it| f(*it));
        match address {
            IpAddr::V4(address) => self.v4.iter().any(|(length, rules)| {
                let mask = u32::MAX.checked_shl(32 - u32::from(*length));
                each(rules.get(&(address.to_bits() & mask.unwrap_or(0))))
            }),
            IpAddr::V6(address) => self.v6.iter().any(|(length, rules)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(*length));
                each(rules.get(&(address.to_bits() & mask.unwrap_or(0))))
            }),
        }
    }
}
