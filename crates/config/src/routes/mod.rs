//! HTTPRoutes, GRPCRoutes, TLSRoutes and TCPRoutes: read, attached to listeners, compiled.
//!
//! [`Routes::read`] checks each by itself; [`Routes::compile`] attaches them, once Gateways, references and policies are
//! known.

mod attach;
mod backends;
mod compile;
mod cors;
mod extensions;
mod filters;
mod grpc;
mod headers;
mod http;
mod matches;
mod parent;
mod paths;
mod spec;
mod streams;

use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Objects};
use crate::policy::RouteInfo;

use spec::Route;

/// All routes of a load, in the order in which they win ties.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    list: Vec<Route>,
}

impl Routes {
    /// Reads all routes.
    pub(crate) fn read(objects: &Objects, diags: &mut Diagnostics) -> Routes {
        let http = objects.of(Kind::HttpRoute).map(|it| (it, http::KIND));
        let grpc = objects.of(Kind::GrpcRoute).map(|it| (it, grpc::KIND));
        let tls = objects.of(Kind::TlsRoute).map(|it| (it, streams::TLS));
        let tcp = objects.of(Kind::TcpRoute).map(|it| (it, streams::TCP));
        let mut list: Vec<Route> = Vec::new();
        for (object, kind) in http.chain(grpc).chain(tls).chain(tcp) {
            list.extend(spec::read(object, kind, diags));
        }
        // The oldest wins, then the name (Gateway API, HTTPRouteRule.matches). What no cluster has dated comes last.
        list.sort_by(|a, b| {
            let age = |it: &Route| it.created.unwrap_or(i64::MAX);
            let name = |it: &Route| (it.key.namespace.clone(), it.key.name.clone());
            age(a).cmp(&age(b)).then_with(|| name(a).cmp(&name(b)))
        });
        extensions::check(objects, &list, diags);
        Routes { list }
    }

    /// The routes as policies see them.
    pub(crate) fn infos(&self) -> Vec<RouteInfo> {
        let info = |route: &Route| RouteInfo {
            key: route.key.clone(),
            rules: route.rule_names().collect(),
        };
        // Nothing holds for a route whose requests nobody reads.
        let read = self.list.iter().filter(|it| !it.is_stream());
        read.map(info).collect()
    }
}
