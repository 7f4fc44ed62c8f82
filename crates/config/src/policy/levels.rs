//! What holds at each level: Gateway, listener, route, rule, from far to near.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::targets::Place;
use super::{GatewayKey, RouteKey};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;

/// Something by the place that it was attached to.
#[derive(Debug)]
pub(super) struct Levels<T> {
    places: BTreeMap<Place, T>,
}

impl<T> Default for Levels<T> {
    fn default() -> Self {
        Levels {
            places: BTreeMap::new(),
        }
    }
}

impl<T: Default> Levels<T> {
    /// What a place has, to be added to.
    pub(super) fn at(&mut self, place: Place) -> &mut T {
        self.places.entry(place).or_default()
    }
}

impl<T> Levels<T> {
    /// What holds on a listener, the nearest first.
    pub(super) fn on_listener(
        &self,
        gateway: &GatewayKey,
        listener: &str,
    ) -> impl Iterator<Item = &T> {
        let at = |section| self.places.get(&Place::Gateway(gateway.clone(), section));
        let both = [at(Some(Arc::from(listener))), at(None)];
        both.into_iter().flatten()
    }

    /// What holds for a rule on a listener, the nearest first.
    pub(super) fn on_rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
    ) -> impl Iterator<Item = &T> {
        let at = |rule| self.places.get(&Place::Route(route.clone(), rule));
        let own = [at(Some(rule)), at(None)].into_iter().flatten();
        own.chain(self.on_listener(gateway, listener))
    }
}

/// The places that one field was attached to, each by the policy that came first.
pub(super) struct Winners<'a, T> {
    field: &'static str,
    places: BTreeMap<Place, (&'a Object, T)>,
}

impl<'a, T: Clone> Winners<'a, T> {
    pub(super) fn new(field: &'static str) -> Self {
        Winners {
            field,
            places: BTreeMap::new(),
        }
    }

    /// Attaches a policy's field to a place, unless an older policy has it: then that is told.
    pub(super) fn take(
        &mut self,
        place: &Place,
        policy: &'a Object,
        value: &T,
        diags: &mut Diagnostics,
    ) {
        let Some((winner, _)) = self.places.get(place) else {
            self.places.insert(place.clone(), (policy, value.clone()));
            return;
        };
        let message = format!(
            "`{}` of this policy is overridden where {} `{}/{}`, which comes first, says the same",
            self.field,
            winner.kind.name(),
            winner.namespace,
            winner.name
        );
        let warning = Diagnostic::warning("policy-overridden", message).at(policy.name_span);
        let help = "policies are not combined: the oldest of a level decides alone";
        diags.push(
            warning
                .about(policy.reference())
                .related(winner.name_span, "the winner")
                .help(help),
        );
    }

    /// What each place got.
    pub(super) fn levels(self) -> Levels<T> {
        let places = self.places.into_iter();
        Levels {
            places: places.map(|(place, (_, value))| (place, value)).collect(),
        }
    }
}

/// Sorts the oldest first; objects without a time come last, then by name.
pub(super) fn age(object: &Object) -> (i64, Arc<str>, Arc<str>) {
    (
        object.created.unwrap_or(i64::MAX),
        object.namespace.clone(),
        object.name.clone(),
    )
}
