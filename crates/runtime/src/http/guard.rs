//! Addresses that are never connected to (decision T15).
//!
//! Looked at after the name was resolved, and the connection is made to the very address that was looked at, so that no
//! name can change its mind in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_config::compiled::AddressGuard;

/// What is wrong with an address, if something is.
pub(super) fn refused(address: IpAddr, guard: AddressGuard) -> Option<&'static str> {
    let v4 = match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(v6) => embedded(v6),
    };
    let what = match (v4, address) {
        (Some(v4), _) => kind_v4(v4),
        (None, IpAddr::V6(v6)) => kind_v6(v6),
        (None, IpAddr::V4(_)) => Kind::Public,
    };
    match what {
        Kind::Metadata => Some("a cloud metadata address"),
        Kind::LinkLocal => Some("a link-local address"),
        Kind::Private if guard.refuse_private => Some("a private or loopback address"),
        Kind::Private | Kind::Public => None,
    }
}

enum Kind {
    Metadata,
    LinkLocal,
    Private,
    Public,
}

fn kind_v4(v4: Ipv4Addr) -> Kind {
    let [a, b, ..] = v4.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    if METADATA_V4.contains(&v4) {
        Kind::Metadata
    } else if v4.is_link_local() {
        Kind::LinkLocal
    } else if v4.is_private() || v4.is_loopback() || v4.is_unspecified() || a == 0 || shared {
        Kind::Private
    } else {
        Kind::Public
    }
}

fn kind_v6(v6: Ipv6Addr) -> Kind {
    // fec0::/10 are the site-local addresses that fc00::/7 has replaced; some stacks still route them.
    let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    if METADATA_V6.contains(&v6) {
        Kind::Metadata
    } else if v6.is_unicast_link_local() {
        Kind::LinkLocal
    } else if v6.is_unique_local() || v6.is_loopback() || v6.is_unspecified() || site_local {
        Kind::Private
    } else {
        Kind::Public
    }
}

/// The IPv4 address that a packet to this IPv6 address may end at: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(v4(high, low))
        }
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// Amazon, Google and Azure; Alibaba; Oracle; Azure's host agent.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Amazon and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(refuse_private: bool, address: &str) -> Option<&'static str> {
        refused(address.parse().unwrap(), AddressGuard { refuse_private })
    }

    #[test]
    fn metadata_and_link_local_are_never_reached() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::ffff:100.100.100.200",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::",
        ] {
            assert!(refuses(false, address).is_some(), "{address}");
            assert!(refuses(true, address).is_some(), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_reached_unless_closed() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "::1",
            "::",
            "fc00::1",
            "fdff::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:0a00:0001::1",
        ] {
            assert_eq!(refuses(false, address), None, "{address}");
            assert_eq!(
                refuses(true, address),
                Some("a private or loopback address"),
                "{address}"
            );
        }
    }

    #[test]
    fn public_addresses_are_always_reached() {
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "100.63.0.1",
            "169.253.1.1",
            "2001:4860::1",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(refuses(true, address), None, "{address}");
        }
    }
}
