//! Routes as the core looks them up.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_core::filter::{Filters, Mirror};
use countersign_core::id::RuleId;
use countersign_core::path::{self, Normalization};
use countersign_core::route::{Match, PathMatch, RouteEntry, RouteRule, WeightedBackend};

use super::Routes;
use super::attach::{Attachment, attach};
use super::filters::FilterSpecs;
use super::spec::{Route, Rule};
use crate::compiled::Protection;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::gateway::{Carried, Gateways, Written};
use crate::policy::{Effect, GatewayKey, Policies, sort_demands};
use crate::read::Spanned;
use crate::refs::{BackendRef, Backends, Dangling, Referrer, Refs, Speaks};

/// What all routes become.
pub(crate) struct Compiled {
    pub(crate) rules: Box<[RouteRule]>,
    /// Of each listener, by its number.
    pub(crate) entries: Vec<Vec<RouteEntry>>,
    pub(crate) protection: Vec<Protection>,
    /// Gateways of which some route demands something.
    pub(crate) guarded: HashSet<GatewayKey>,
    /// Headers of requests that filters write.
    pub(crate) written: Vec<Written>,
}

struct Compiler<'a, 'r, 'o> {
    backends: &'a mut Backends<'r, 'o>,
    policies: &'a Policies,
    diags: &'a mut Diagnostics,
    rules: Vec<RouteRule>,
    entries: Vec<Vec<RouteEntry>>,
    protection: Vec<Protection>,
    guarded: HashSet<GatewayKey>,
    written: Vec<Written>,
    /// Counts matches: those counted first win ties.
    age: u64,
}

impl Routes {
    /// Attaches and compiles all routes.
    pub(crate) fn compile<'r, 'o>(
        &self,
        gateways: &Gateways,
        refs: &'r Refs<'o>,
        backends: &mut Backends<'r, 'o>,
        policies: &Policies,
        diags: &mut Diagnostics,
    ) -> Compiled {
        let mut compiler = Compiler {
            backends,
            policies,
            diags,
            rules: Vec::new(),
            entries: vec![Vec::new(); gateways.listener_count()],
            protection: Vec::new(),
            guarded: HashSet::new(),
            written: Vec::new(),
            age: 0,
        };
        for route in &self.list {
            let outer = compiler.diags.enter(Some(route.reference.clone()));
            let attached = attach(route, gateways, &refs.namespaces, compiler.diags);
            for (index, rule) in route.rules.iter().enumerate() {
                if let Some(rule) = rule {
                    compiler.rule(route, index, rule, &attached);
                }
            }
            compiler.diags.enter(outer);
        }
        Compiled {
            rules: compiler.rules.into(),
            entries: compiler.entries,
            protection: compiler.protection,
            guarded: compiler.guarded,
            written: compiler.written,
        }
    }
}

impl Compiler<'_, '_, '_> {
    fn rule(&mut self, route: &Route, index: usize, rule: &Rule, attached: &[Attachment<'_>]) {
        let compiled = self.compiled(route, index, rule);
        let extensions = rule.filters.extensions.iter();
        let extensions: Vec<Arc<str>> = extensions.map(|it| Arc::clone(it)).collect();
        let first_age = self.age;
        self.age += rule.matches.len() as u64;
        // One listener's policies may close the rule while another's do not.
        let mut variants: Vec<(Option<Arc<str>>, RuleId)> = Vec::new();
        for place in attached {
            let (gateway, listener) = (place.gateway, place.listener);
            let name = &listener.spec.name;
            let effect = if route.is_stream() {
                Effect::default()
            } else {
                self.policies
                    .rule(&gateway.key, name, &route.key, index, &extensions)
            };
            for remark in &effect.remarks {
                self.diags.push(remark.clone());
            }
            self.protect(place, &compiled, &effect.demands, route.is_stream());
            let known = variants.iter().find(|(closed, _)| *closed == effect.closed);
            let id = known.map(|(_, id)| *id).unwrap_or_else(|| {
                let id = RuleId(u32::try_from(self.rules.len()).unwrap_or(u32::MAX));
                self.rules.push(RouteRule {
                    closed: effect.closed.clone(),
                    ..compiled.clone()
                });
                variants.push((effect.closed.clone(), id));
                let backends = rule.backends.iter().map(|it| &it.filters);
                for filters in std::iter::once(&rule.filters).chain(backends) {
                    let written = filters.written.iter().map(|header| Written {
                        rule: id,
                        header: header.clone(),
                        route: route.reference.clone(),
                    });
                    self.written.extend(written);
                }
                id
            });
            let mode = gateway.normalization(&self.policies.mesh);
            let ages = first_age..;
            for (age, matches) in ages.zip(&rule.matches) {
                check_path(matches, mode, self.diags);
                let entries = self.entries.get_mut(listener.id.0 as usize);
                let entry = |host: &_| RouteEntry {
                    host: Clone::clone(host),
                    matches: matches.value.clone(),
                    rule: id,
                    jwt: effect.jwt,
                    rbac: effect.rbac,
                    age,
                };
                entries
                    .into_iter()
                    .for_each(|it| it.extend(place.hosts.iter().map(entry)));
            }
        }
    }

    /// The rule with everything that does not depend on the listener.
    fn compiled(&mut self, route: &Route, index: usize, rule: &Rule) -> RouteRule {
        let part = format!("rules[{index}]");
        let label = rule
            .name
            .as_deref()
            .map_or_else(|| index.to_string(), str::to_owned);
        let mut backends = Vec::new();
        for spec in &rule.backends {
            let alone = rule.backends.len() == 1;
            let found = self.backend(&spec.reference, route, |why| {
                if alone {
                    format!("requests to `{part}` get 500, because {why}")
                } else {
                    format!("this share of the requests to `{part}` gets 500, because {why}")
                }
            });
            backends.push(WeightedBackend {
                backend: found,
                weight: spec.weight,
                filters: self.filters(&spec.filters, route, &part),
            });
        }
        if backends.is_empty() && rule.filters.filters.redirect.is_none() {
            let message = format!("requests to `{part}` get 500, because it has no `backendRefs`");
            let warning = Diagnostic::warning("no-backend", message).at(rule.span);
            self.diags
                .push(warning.help("name a backend, or add a `RequestRedirect` filter"));
        }
        RouteRule {
            origin: Arc::new(route.origin.part(part.as_str(), rule.span.start.line)),
            name: format!("{}/{}/{label}", route.key.namespace, route.key.name).into(),
            filters: self.filters(&rule.filters, route, &part),
            backends: backends.into(),
            timeouts: rule.timeouts,
            closed: None,
        }
    }

    fn filters(&mut self, specs: &FilterSpecs, route: &Route, part: &str) -> Filters {
        let mut mirrors = Vec::new();
        for spec in &specs.mirrors {
            let backend = self.backend(&spec.backend, route, |why| {
                format!("requests to `{part}` are not mirrored here, because {why}")
            });
            mirrors.push(Mirror {
                backend,
                numerator: spec.numerator,
                denominator: spec.denominator,
            });
        }
        Filters {
            mirrors: mirrors.into(),
            ..specs.filters.clone()
        }
    }

    fn backend(
        &mut self,
        spec: &Spanned<BackendRef>,
        route: &Route,
        message: impl Fn(&str) -> String,
    ) -> Option<countersign_core::id::BackendId> {
        let from = Referrer {
            group: super::parent::GROUP,
            kind: route.kind.name,
            namespace: &route.key.namespace,
        };
        let speaks = match route.kind.carried {
            Carried::Http => Speaks::Http,
            Carried::Grpc => Speaks::Grpc,
            Carried::Tls | Carried::Tcp => Speaks::Bytes,
        };
        match self.backends.id(spec, from, speaks) {
            Ok(id) => {
                if self.backends.is_empty(id) {
                    let message = "requests that go here get 503, because there are no endpoints";
                    let warning = Diagnostic::warning("no-endpoints", message).at(spec.span);
                    let help =
                        "load EndpointSlices with ready endpoints for this port of the Service";
                    self.diags.push(warning.help(help));
                }
                Some(id)
            }
            Err(Dangling { code, why, help }) => {
                let warning = Diagnostic::warning(code, message(&why)).at(spec.span);
                self.diags.push(warning.help(help));
                None
            }
        }
    }

    fn protect(
        &mut self,
        place: &Attachment<'_>,
        rule: &RouteRule,
        demands: &[Arc<str>],
        stream: bool,
    ) {
        let key = &place.gateway.key;
        let mut all = match stream {
            true => self.policies.connection_demands(key).to_vec(),
            false => self.policies.istio_demands(key),
        };
        all.extend_from_slice(demands);
        all.extend(place.gateway.client_demands(place.listener));
        sort_demands(&mut all);
        if !all.is_empty() {
            self.guarded.insert(key.clone());
        }
        self.protection.push(Protection {
            route: format!(
                "{} {} {}",
                place.listener.title, rule.origin.kind, rule.name
            )
            .into(),
            demands: all.into(),
        });
    }
}

/// Requests are matched after their paths were made normal, so a path that is not can never match.
fn check_path(matches: &Spanned<Match>, mode: Normalization, diags: &mut Diagnostics) {
    let path = match &matches.path {
        PathMatch::Exact(path) => path,
        PathMatch::Prefix(prefix) if !prefix.is_empty() => prefix,
        _ => return,
    };
    let normal = path::normalize(path, mode);
    if normal.as_ref().is_ok_and(|it| **it == **path) {
        return;
    }
    let help = match normal {
        Ok(normal) => format!("write it as requests have it then: `{normal}`"),
        Err(_) => "requests with such a path are refused".into(),
    };
    let message = format!("`{path}` never matches: paths are made normal first");
    let warning = Diagnostic::warning("path-never-matches", message).at(matches.span);
    diags.push(warning.help(help));
}
