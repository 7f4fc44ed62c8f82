//! Finding the route of a request.

use criterion::{BenchmarkId, Criterion};

use countersign_core::route::{RouteQuery, RouteTable};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::world::{TURNS, routes};

pub(crate) fn benchmark(criterion: &mut Criterion) {
    for kind in ["host", "path", "header"] {
        let mut group = criterion.benchmark_group(format!("lookup by {kind}"));
        for number in [1, 100, 5000] {
            let table = RouteTable::new(routes(kind, number).unwrap());
            let asked: Vec<Asked> = (0..TURNS).map(|it| Asked::new(kind, it, number)).collect();
            assert!(asked.iter().all(|it| it.is_found_by(&table)), "{kind}");
            let mut turns = asked.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(number), |bencher| {
                bencher.iter(|| turns.next().map(|it| it.is_found_by(&table)));
            });
        }
    }
}

/// A request with the route that it is made for.
struct Asked {
    host: String,
    path: String,
    headers: HeaderMap,
    rule: u32,
}

impl Asked {
    fn new(kind: &str, turn: usize, number: usize) -> Asked {
        let target = turn * number / TURNS;
        let is = |it| if kind == it { target } else { 0 };
        let value = HeaderValue::try_from(target.to_string()).unwrap();
        Asked {
            host: format!("host-{}.example.com", is("host")),
            path: format!("/service-{}/7/things", is("path")),
            headers: [(HeaderName::from_static("x-number"), value)]
                .into_iter()
                .collect(),
            rule: u32::try_from(target).unwrap(),
        }
    }

    fn is_found_by(&self, table: &RouteTable) -> bool {
        let hit = table.find(&RouteQuery {
            host: &self.host,
            method: &Method::GET,
            path: &self.path,
            query: None,
            headers: &self.headers,
        });
        hit.is_some_and(|it| it.rule.0 == self.rule)
    }
}
