//! The client's address: the peer's, or what trusted proxies say it is.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Who may speak for a client's address (Istio `gatewayTopology`, decision P11).
/// The default trusts nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    /// `numTrustedProxies`: how many proxies of ours stand before the gateway.
    pub hops: u32,
    /// Where they connect from. Empty: anywhere, as in Istio. IPv4 networks
    /// also cover IPv4-mapped IPv6 peers.
    pub addresses: Box<[IpNet]>,
}

impl TrustedProxies {
    /// Whether `X-Forwarded-*` from this peer is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.hops > 0
            && (self.addresses.is_empty() || self.addresses.iter().any(|net| net.contains(&peer)))
    }

    /// The client's address: with N hops the N-th entry of `X-Forwarded-For`
    /// from the right, all its lines taken as one list. The peer's where it is
    /// not trusted, or where that entry is missing or no address.
    /// IPv4-mapped addresses are told as IPv4, lest a rule on one form misses
    /// the other.
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let told = if self.trusts(peer) {
            self.told(headers)
        } else {
            None
        };
        told.unwrap_or(peer).to_canonical()
    }

    fn told(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let skip = usize::try_from(self.hops).ok()?.checked_sub(1)?;
        // An unreadable line is one bad entry: it takes its place in the count. An empty one is none,
        // as where Envoy joins the lines.
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let entry = lines
            .filter(|line| !line.is_empty())
            .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
            .nth(skip)?;
        entry.trim_matches([' ', '\t']).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(hops: u32, nets: &[&str], lines: &[&str], peer: &str) -> String {
        let addresses = nets.iter().map(|it| it.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let proxies = TrustedProxies { hops, addresses };
        proxies.client(&headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn the_entry_counted_from_the_right() {
        let peer = "192.0.2.1";
        for (hops, lines, want) in [
            (0, &["10.1.2.3"][..], peer),
            (1, &[], peer),
            (1, &["10.1.2.3"], "10.1.2.3"),
            (1, &["10.1.2.3, 10.9.9.9"], "10.9.9.9"),
            (1, &["10.1.2.3,10.9.9.9"], "10.9.9.9"),
            (2, &["10.1.2.3, 10.9.9.9"], "10.1.2.3"),
            (3, &["10.1.2.3, 10.9.9.9"], peer),
            (1, &["10.1.2.3", "10.9.9.9"], "10.9.9.9"),
            (2, &["10.1.2.3", "10.9.9.9"], "10.1.2.3"),
            (3, &["1.1.1.1, 10.1.2.3", "10.9.9.9"], "1.1.1.1"),
            (1, &["10.1.2.3", ""], "10.1.2.3"),
            (2, &["10.1.2.3", "", "10.9.9.9"], "10.1.2.3"),
            (1, &["zz"], peer),
            (1, &["10.1.2.3, "], peer),
            (2, &["10.1.2.3, zz"], "10.1.2.3"),
            (1, &["10.1.2.3:80"], peer),
            (1, &["2001:db8::1"], "2001:db8::1"),
            (1, &["[2001:db8::1]"], peer),
            (1, &["::ffff:10.1.2.3"], "10.1.2.3"),
            (1, &["\u{e9}"], peer),
            (2, &["10.1.2.3, \u{e9}"], peer),
            (u32::MAX, &["10.1.2.3"], peer),
        ] {
            assert_eq!(client(hops, &[], lines, peer), want, "{hops} {lines:?}");
        }
    }

    #[test]
    fn only_listed_proxies_are_believed() {
        let nets = ["192.0.2.0/24", "2001:db8::/32"];
        for (peer, want) in [
            ("192.0.2.7", "10.1.2.3"),
            ("::ffff:192.0.2.7", "10.1.2.3"),
            ("2001:db8::9", "10.1.2.3"),
            ("192.0.3.7", "192.0.3.7"),
            ("::ffff:192.0.3.7", "192.0.3.7"),
        ] {
            assert_eq!(client(1, &nets, &["10.1.2.3"], peer), want, "{peer}");
        }
        assert_eq!(client(0, &nets, &["10.1.2.3"], "192.0.2.7"), "192.0.2.7");
    }
}
