//! Which of agentgateway's policies hold where.
//!
//! Of `jwtAuthentication` the nearest level decides alone, and on one level the oldest policy: Gateway, listener, route,
//! rule. Rules of `authorization` are gathered from all levels: a `Deny` anywhere denies, every `Require` must hold, and
//! of all `Allow` rules one suffices.

use super::spec::{Policy, policy};
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object};
use crate::policy::builder::Builder;
use crate::policy::effect::Jwt;
use crate::policy::levels::{Levels, Winners, age};
use crate::policy::rules::RuleId;
use crate::policy::targets::places;
use crate::policy::{GatewayKey, RouteKey, Scene};

/// What each place got.
#[derive(Debug, Default)]
pub(in crate::policy) struct Attached {
    jwt: Levels<Jwt>,
    authorization: Levels<Vec<RuleId>>,
}

impl Attached {
    pub(in crate::policy) fn on_listener(
        &self,
        gateway: &GatewayKey,
        listener: &str,
    ) -> (Option<&Jwt>, Vec<RuleId>) {
        let near_first: Vec<_> = self.authorization.on_listener(gateway, listener).collect();
        (
            self.jwt.on_listener(gateway, listener).next(),
            far_first(near_first),
        )
    }

    pub(in crate::policy) fn on_rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
    ) -> (Option<&Jwt>, Vec<RuleId>) {
        let near_first = self.authorization.on_rule(gateway, listener, route, rule);
        (
            self.jwt.on_rule(gateway, listener, route, rule).next(),
            far_first(near_first.collect()),
        )
    }
}

/// One policy may hold at several levels; its rule is there once.
fn far_first(near_first: Vec<&Vec<RuleId>>) -> Vec<RuleId> {
    let mut rules: Vec<RuleId> = Vec::new();
    for id in near_first.into_iter().rev().flatten() {
        if !rules.contains(id) {
            rules.push(*id);
        }
    }
    rules
}

/// Reads the policies and attaches them.
pub(in crate::policy) fn attach(
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Attached {
    let kinds = [Kind::AgentgatewayPolicy, Kind::EnterpriseAgentgatewayPolicy];
    let objects = kinds.into_iter().flat_map(|it| scene.objects.of(it));
    let mut policies: Vec<Policy<'_>> = objects.filter_map(|it| policy(it, diags)).collect();
    policies.sort_by_key(|it| age(it.object));
    let mut jwt = Winners::new("traffic.jwtAuthentication");
    let mut authorization: Levels<Vec<RuleId>> = Levels::default();
    for policy in &policies {
        let object: &Object = policy.object;
        let tokens = policy.jwt.as_ref();
        let tokens = tokens.map(|it| it.compile(object, scene, builder, diags));
        let rule = policy.authorization.as_ref();
        let rule = rule.map(|it| builder.rules.add(it.rule(object, diags), object, it.span));
        for place in places(object, &policy.targets, scene, diags) {
            if let Some(value) = &tokens {
                jwt.take(&place, object, value, diags);
            }
            if let Some(id) = rule {
                authorization.at(place).push(id);
            }
        }
    }
    Attached {
        jwt: jwt.levels(),
        authorization,
    }
}
