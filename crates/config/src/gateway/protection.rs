//! What Gateways demand, for comparison across reloads (decision P5a): what their AuthorizationPolicies say, and the
//! settings that decide what policies compare.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_core::listener::Mode;
use countersign_core::path::Normalization;
use ipnet::IpNet;

use super::{Gateway, Gateways};
use crate::compiled::Protection;
use crate::policy::{GatewayKey, Mesh, Policies};

impl Gateways {
    /// One entry for each Gateway. `guarded` are those of which some route demands something.
    pub(crate) fn protection(
        &self,
        policies: &Policies,
        guarded: &HashSet<GatewayKey>,
    ) -> Box<[Protection]> {
        let entry = |gateway: &Gateway| {
            let key = &gateway.key;
            let mut demands = policies.authorization_demands(key).to_vec();
            // Where nobody is asked for anything, no setting can ask for less.
            if !demands.is_empty() || guarded.contains(key) {
                demands.extend(gateway.settings_in_words(&policies.mesh));
            }
            Protection {
                route: format!("Gateway {}/{}", key.namespace, key.name).into(),
                demands: demands.into(),
            }
        };
        self.list.iter().map(entry).collect()
    }
}

impl Gateway {
    /// How paths are made normal, whose word for the client's address counts, and how long streams last. Nobody can tell
    /// which of two ways asks for more of some policy, so each is a word of its own.
    fn settings_in_words(&self, mesh: &Mesh) -> Vec<Arc<str>> {
        let mut words = Vec::new();
        if self.listeners.iter().any(|it| it.spec.mode == Mode::Http) {
            words.push(format!("paths:{}", mode(self.normalization(mesh))));
        }
        let proxies = self.proxies(mesh);
        words.push(match (proxies.hops, &*proxies.addresses) {
            (0, _) => "client-address:peer".to_owned(),
            (hops, []) => format!("client-address:hops={hops} from anybody"),
            (hops, some) => format!("client-address:hops={hops} from {}", listed(some)),
        });
        let set = &self.parameters;
        words.push(match set.proxy_protocol.as_deref() {
            None | Some([]) => "proxy-protocol:nobody".to_owned(),
            Some(some) => format!("proxy-protocol:{}", listed(some)),
        });
        let ends = match set.streams_outlive_token {
            Some(true) => "streams-end:by-themselves",
            _ => "streams-end:with-token",
        };
        words.push(ends.to_owned());
        words.into_iter().map(Into::into).collect()
    }
}

fn listed(networks: &[IpNet]) -> String {
    let mut networks = networks.to_vec();
    networks.sort_unstable();
    networks.dedup();
    let texts = networks.iter().map(ToString::to_string);
    texts.collect::<Vec<_>>().join("|")
}

/// As MeshConfig writes it.
fn mode(normalization: Normalization) -> &'static str {
    match normalization {
        Normalization::None => "NONE",
        Normalization::Base => "BASE",
        Normalization::MergeSlashes => "MERGE_SLASHES",
        Normalization::DecodeAndMergeSlashes => "DECODE_AND_MERGE_SLASHES",
    }
}
