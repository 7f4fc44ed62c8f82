//! What gateways, routes and policies refer to: Services, Backends, Secrets, ConfigMaps, namespaces, and the grants and
//! BackendTLSPolicies that say how. Enter by [`Refs::read`], then ask.

mod authority;
mod backend;
mod data;
mod grants;
pub(crate) mod pem;
mod protocol;
mod reference;
mod resolve;
mod selector;
mod service;
mod slice;
mod tls;

use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Objects};

pub(crate) use reference::{BackendRef, DataRefSpec, Referrer, described};
pub(crate) use resolve::{Backends, Dangling, Speaks, near};
pub(crate) use selector::{LabelSelector, Namespaces};

use backend::StaticBackends;
use data::Data;
use grants::Grants;
use service::Services;
use tls::TlsPolicies;

/// Everything that can be referred to, by name.
#[derive(Debug)]
pub(crate) struct Refs<'a> {
    pub(crate) grants: Grants,
    pub(crate) namespaces: Namespaces,
    pub(crate) secrets: Data<'a>,
    config_maps: Data<'a>,
    services: Services,
    backends: StaticBackends,
    tls: TlsPolicies,
}

impl<'a> Refs<'a> {
    /// Reads all objects of these kinds. What nothing refers to is checked too.
    pub(crate) fn read(objects: &'a Objects, diags: &mut Diagnostics) -> Refs<'a> {
        let secrets = Data::read(Kind::Secret, objects, diags);
        let config_maps = Data::read(Kind::ConfigMap, objects, diags);
        let services = Services::read(objects, diags);
        let backends = StaticBackends::read(objects, diags);
        let exists = |target: &tls::Target| match (target.kind, &target.port) {
            (Kind::Service, None) => services.has(&target.namespace, &target.name),
            (Kind::Service, Some(port)) => services.has_port(&target.namespace, &target.name, port),
            (kind @ (Kind::Backend | Kind::AgentgatewayBackend), None) => backends
                .find(kind, &target.namespace, &target.name)
                .is_some(),
            _ => false,
        };
        let tls = TlsPolicies::read(objects, &secrets, &config_maps, exists, diags);
        Refs {
            grants: Grants::read(objects, diags),
            namespaces: Namespaces::read(objects, diags),
            secrets,
            config_maps,
            services,
            backends,
            tls,
        }
    }
}
