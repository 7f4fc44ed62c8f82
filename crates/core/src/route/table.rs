//! The routes of one listener, indexed so that a request meets only the
//! entries that could match it.

use std::cmp::Reverse;

use foldhash::HashMap;
use http::{HeaderMap, Method};

use super::{PathMatch, RouteEntry};
use crate::host::HostPattern;
use crate::id::{RbacId, RequirementId, RuleId};

/// What a lookup sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct RouteQuery<'a> {
    /// Canonical host, see [`crate::host::canonical`].
    pub host: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Normalised path.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Headers.
    pub headers: &'a HeaderMap,
}

/// What a lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hit {
    /// The rule that answers.
    pub rule: RuleId,
    /// The token requirement in force.
    pub jwt: Option<RequirementId>,
    /// The expressions in force.
    pub rbac: Option<RbacId>,
}

/// The entries of a listener, by precedence.
///
/// Of the entries that match, a request gets the first by these (Gateway API
/// `HTTPRouteRule.matches`, `HTTPRouteSpec.hostnames`, and the same for
/// GRPCRoute), where each decides only what those before it leave open:
///
/// 1. the narrower hostname: exact, then the longer wildcard, then none;
/// 2. the path: exact, then prefixes by length (a gRPC service counts as the
///    prefix it stands for, and goes first among equals), then gRPC methods and
///    regular expressions, longer texts first, then the prefix `/`.
///    The specification leaves regular expressions open; this is Istio's order;
/// 3. a stated method; 4. more headers; 5. more query parameters;
/// 6. age; 7. the order in which they were given.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// Sorted by precedence; indexes point in here.
    entries: Box<[RouteEntry]>,
    exact: HashMap<Box<str>, Paths>,
    /// By suffix with its dot.
    wildcards: HashMap<Box<str>, Paths>,
    any: Paths,
}

impl RouteTable {
    /// Sorts and indexes entries.
    pub fn new(mut entries: Vec<RouteEntry>) -> RouteTable {
        entries.sort_by_cached_key(precedence);
        let mut table = RouteTable::default();
        for (index, entry) in (0..).zip(&entries) {
            let paths = match &entry.host {
                HostPattern::Exact(name) => table.exact.entry(name.clone()).or_default(),
                HostPattern::Suffix(suffix) => table.wildcards.entry(suffix.clone()).or_default(),
                HostPattern::Any => &mut table.any,
            };
            paths.add(&entry.matches.path, index);
        }
        let hosts = table.exact.values_mut().chain(table.wildcards.values_mut());
        hosts.chain([&mut table.any]).for_each(Paths::seal);
        RouteTable {
            entries: entries.into(),
            ..table
        }
    }

    /// The rule of a request: that of the first entry, by precedence, that
    /// matches it. The narrowest hostname that covers the host decides alone:
    /// what its routes do not take is not handed down to a wider hostname's,
    /// as in Envoy's virtual hosts. Allocates nothing, but for a regular
    /// expression over a repeated header or an escaped query parameter.
    pub fn find(&self, request: &RouteQuery<'_>) -> Option<Hit> {
        let wildcard = || {
            // Mostly there are none, and a host need not be searched for dots.
            let mut suffixes = (!self.wildcards.is_empty()).then(|| suffixes(request.host))?;
            suffixes.find_map(|suffix| self.wildcards.get(suffix))
        };
        let paths = self.exact.get(request.host).or_else(wildcard);
        let entry = paths.unwrap_or(&self.any).find(&self.entries, request)?;
        Some(Hit {
            rule: entry.rule,
            jwt: entry.jwt,
            rbac: entry.rbac,
        })
    }

    /// All entries, by precedence.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &RouteEntry> {
        self.entries.iter()
    }
}

/// Indexes of the entries of one hostname, by what their paths demand.
#[derive(Debug, Clone, Default)]
struct Paths {
    exact: HashMap<Box<str>, Vec<u32>>,
    /// By prefix without trailing slash, and by `/service` for gRPC services.
    prefixes: HashMap<Box<str>, Vec<u32>>,
    /// The lengths of those, longest first. What a client sends cannot make a
    /// lookup try more prefixes than were configured.
    lengths: Vec<usize>,
    /// gRPC methods and regular expressions.
    patterns: Vec<u32>,
    /// The prefix `/`.
    rest: Vec<u32>,
}

impl Paths {
    fn add(&mut self, path: &PathMatch, index: u32) {
        let list = match path {
            PathMatch::Exact(path) => self.exact.entry(path.clone()).or_default(),
            PathMatch::Prefix(prefix) if prefix.is_empty() => &mut self.rest,
            PathMatch::Prefix(prefix) => self.prefixes.entry(prefix.clone()).or_default(),
            PathMatch::GrpcService(service) => self
                .prefixes
                .entry(format!("/{service}").into())
                .or_default(),
            PathMatch::GrpcMethod(_) | PathMatch::Regex(_) => &mut self.patterns,
        };
        list.push(index);
    }

    /// To be called once all are added.
    fn seal(&mut self) {
        self.lengths = self.prefixes.keys().map(|it| it.len()).collect();
        self.lengths.sort_unstable_by_key(|&it| Reverse(it));
        self.lengths.dedup();
    }

    fn find<'e>(
        &self,
        entries: &'e [RouteEntry],
        request: &RouteQuery<'_>,
    ) -> Option<&'e RouteEntry> {
        let first = |list: &[u32]| {
            let listed = list.iter().filter_map(|&index| entries.get(index as usize));
            listed
                .into_iter()
                .find(|entry| entry.matches.matches(request))
        };
        let exact = self.exact.get(request.path);
        exact
            .and_then(|list| first(list))
            .or_else(|| {
                let prefixes = self
                    .lengths
                    .iter()
                    .filter_map(|&len| prefix(request.path, len));
                let lists = prefixes.filter_map(|prefix| self.prefixes.get(prefix));
                lists.into_iter().find_map(|list| first(list))
            })
            .or_else(|| first(&self.patterns))
            .or_else(|| first(&self.rest))
    }
}

/// The first `len` bytes of a path, where a segment ends there.
fn prefix(path: &str, len: usize) -> Option<&str> {
    let (prefix, rest) = path.split_at_checked(len)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix)
}

/// What stands after each label of a host, with its dot; longest first.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    let dots = host.match_indices('.').filter(|(at, _)| *at > 0);
    dots.filter_map(|(at, _)| host.get(at..))
}

/// Sorts the narrowest entry first.
fn precedence(entry: &RouteEntry) -> impl Ord + use<> {
    let matches = &entry.matches;
    (
        Reverse(entry.host.specificity()),
        Reverse(path_rank(&matches.path)),
        Reverse(matches.method.is_some()),
        Reverse(matches.headers.len()),
        Reverse(matches.query.len()),
        entry.age,
    )
}

/// Greater is narrower: kind, length, and a tie-breaker.
fn path_rank(path: &PathMatch) -> (u8, usize, bool) {
    match path {
        PathMatch::Exact(path) => (4, path.len(), false),
        PathMatch::GrpcService(service) => (3, service.len() + 1, true),
        PathMatch::Prefix(prefix) if prefix.is_empty() => (0, 0, false),
        PathMatch::Prefix(prefix) => (3, prefix.len(), false),
        PathMatch::GrpcMethod(method) => (2, method.len(), false),
        PathMatch::Regex(regex) => (1, regex.as_str().len(), false),
    }
}
