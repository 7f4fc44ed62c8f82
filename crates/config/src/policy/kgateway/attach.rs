//! Which TrafficPolicy wins where.
//!
//! Levels from far to near: Gateway, listener, route, rule, and policies that
//! a rule's own filters name. Of each field the nearest level that says
//! anything about it decides alone (decision P3); on one level the oldest
//! policy does. Fields do not know of each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::jwt::Extensions;
use super::traffic::{Traffic, traffic};
use crate::diagnostic::Diagnostics;
use crate::object::Kind;
use crate::policy::builder::Builder;
use crate::policy::effect::Jwt;
use crate::policy::levels::{Levels, Winners, age};
use crate::policy::rules::RuleId;
use crate::policy::targets::places;
use crate::policy::{GatewayKey, RouteKey, Scene};

/// The winner of each place.
#[derive(Debug, Default)]
pub(in crate::policy) struct Attached {
    jwt: Levels<Jwt>,
    rbac: Levels<RuleId>,
    /// TrafficPolicies by namespace and name, for filters that name them.
    named: BTreeMap<(Arc<str>, Arc<str>), Named>,
}

/// What a policy says wherever it holds.
#[derive(Debug)]
struct Named {
    jwt: Option<Jwt>,
    rbac: Option<RuleId>,
}

impl Attached {
    pub(in crate::policy) fn on_listener(
        &self,
        gateway: &GatewayKey,
        listener: &str,
    ) -> (Option<&Jwt>, Option<RuleId>) {
        (
            self.jwt.on_listener(gateway, listener).next(),
            self.rbac.on_listener(gateway, listener).next().copied(),
        )
    }

    pub(in crate::policy) fn on_rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
        extension_refs: &[Arc<str>],
    ) -> (Option<&Jwt>, Option<RuleId>) {
        let named = extension_refs
            .iter()
            .filter_map(|name| self.named.get(&(route.namespace.clone(), name.clone())));
        let jwt = named.clone().find_map(|it| it.jwt.as_ref());
        let rbac = named.clone().find_map(|it| it.rbac);
        let far_jwt = || self.jwt.on_rule(gateway, listener, route, rule).next();
        let far_rbac = || self.rbac.on_rule(gateway, listener, route, rule).next();
        (jwt.or_else(far_jwt), rbac.or_else(|| far_rbac().copied()))
    }
}

/// Reads extensions and policies and attaches them.
pub(in crate::policy) fn attach(
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Attached {
    let extensions = Extensions::compile(scene, builder, diags);
    let policies: Vec<Traffic<'_>> = scene
        .objects
        .of(Kind::TrafficPolicy)
        .filter_map(|it| traffic(it, diags))
        .collect();
    let mut policies: Vec<&Traffic<'_>> = policies.iter().collect();
    // The oldest first: who comes later to a place that is taken is overridden.
    policies.sort_by_key(|it| age(it.object));
    let (mut jwt, mut rbac) = (Winners::new("jwtAuth"), Winners::new("rbac"));
    let mut named = BTreeMap::new();
    for policy in policies {
        let object = policy.object;
        let says = Named {
            jwt: policy
                .jwt
                .as_ref()
                .map(|it| extensions.jwt(object, it, diags)),
            rbac: policy
                .rbac
                .as_ref()
                .map(|it| builder.rules.add(it.rule(object, diags), object, it.span)),
        };
        for place in places(object, &policy.targets, scene, diags) {
            if let Some(value) = &says.jwt {
                jwt.take(&place, object, value, diags);
            }
            if let Some(value) = &says.rbac {
                rbac.take(&place, object, value, diags);
            }
        }
        named.insert((object.namespace.clone(), object.name.clone()), says);
    }
    Attached {
        jwt: jwt.levels(),
        rbac: rbac.levels(),
        named,
    }
}
