//! Which listeners a route attaches to, and why not the others.

use countersign_core::host::HostPattern;

use super::parent::ParentRef;
use super::spec::Route;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::gateway::{From, Gateway, Gateways, Listener};
use crate::policy::GatewayKey;
use crate::refs::{Namespaces, described, near};

/// A route on a listener.
pub(super) struct Attachment<'g> {
    pub(super) gateway: &'g Gateway,
    pub(super) listener: &'g Listener,
    /// Where the hostnames of both meet.
    pub(super) hosts: Vec<HostPattern>,
}

/// Why a route is not where it wants to be.
struct Refusal {
    code: &'static str,
    why: String,
    help: String,
}

/// Attaches a route. A parent that it does not attach to is a warning that says why.
pub(super) fn attach<'g>(
    route: &Route,
    gateways: &'g Gateways,
    namespaces: &Namespaces,
    diags: &mut Diagnostics,
) -> Vec<Attachment<'g>> {
    let mut attached: Vec<Attachment<'g>> = Vec::new();
    if route.parents.is_empty() {
        let message = "this route is attached to nothing: it has no `parentRefs`";
        let warning = Diagnostic::warning("route-not-attached", message).at(route.span);
        diags.push(warning.help("name a Gateway under `parentRefs`"));
    }
    for parent in &route.parents {
        match listeners(route, parent, gateways, namespaces) {
            Ok(found) => {
                for it in found {
                    if attached
                        .iter()
                        .all(|known| known.listener.id != it.listener.id)
                    {
                        attached.push(it);
                    }
                }
            }
            Err(Some(refusal)) => {
                let message = format!("this route is not attached here, because {}", refusal.why);
                let warning = Diagnostic::warning(refusal.code, message).at(parent.span);
                diags.push(warning.help(refusal.help));
            }
            Err(None) => {}
        }
    }
    if !attached.is_empty() {
        idle_hosts(route, &attached, diags);
    }
    attached
}

/// The listeners that one parent gives. `Err(None)` where the Gateway's own errors are to blame.
fn listeners<'g>(
    route: &Route,
    parent: &ParentRef,
    gateways: &'g Gateways,
    namespaces: &Namespaces,
) -> Result<Vec<Attachment<'g>>, Option<Refusal>> {
    let gateway = gateway(parent, gateways).map_err(Some)?;
    let blame = |refusal| if gateway.broken { None } else { Some(refusal) };
    let named = |it: &&Listener| {
        let section = parent
            .section
            .as_ref()
            .is_none_or(|name| *name == it.spec.name);
        section && parent.port.is_none_or(|port| port == it.spec.port)
    };
    let named: Vec<&Listener> = gateway.listeners.iter().filter(named).collect();
    if named.is_empty() {
        return Err(blame(no_listener(parent, gateway)));
    }
    let open = named
        .iter()
        .filter(|it| allows(it, gateway, route, namespaces));
    let open: Vec<&Listener> = open.copied().collect();
    if open.is_empty() {
        return Err(blame(not_allowed(&named, gateway, route)));
    }
    let meeting = open.iter().filter_map(|listener| {
        let hosts = meeting(route, &listener.spec.host);
        (!hosts.is_empty()).then_some(Attachment {
            gateway,
            listener,
            hosts,
        })
    });
    let meeting: Vec<_> = meeting.collect();
    if meeting.is_empty() {
        return Err(blame(no_host(&open)));
    }
    Ok(meeting)
}

fn gateway<'g>(parent: &ParentRef, gateways: &'g Gateways) -> Result<&'g Gateway, Refusal> {
    if !parent.is_gateway() {
        return Err(Refusal {
            code: "unsupported-parent",
            why: format!(
                "a {} has no listeners here",
                described(&parent.group, &parent.kind)
            ),
            help: "name a Gateway".into(),
        });
    }
    let key = GatewayKey {
        namespace: parent.namespace.clone(),
        name: parent.name.clone(),
    };
    gateways.find(&key).ok_or_else(|| Refusal {
        code: "parent-not-found",
        why: format!(
            "there is no Gateway {} in namespace {}",
            quoted(&parent.name),
            quoted(&parent.namespace)
        ),
        help: match near(&parent.name, gateways.names(&parent.namespace)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "correct `name` and `namespace`, or load the Gateway that is meant".into(),
        },
    })
}

fn no_listener(parent: &ParentRef, gateway: &Gateway) -> Refusal {
    let section = parent
        .section
        .as_ref()
        .map(|it| format!(" named {}", quoted(it)));
    let port = parent.port.map(|it| format!(" on port {it}"));
    let has = gateway
        .listeners
        .iter()
        .map(|it| format!("`{}` on {}", it.spec.name, it.spec.port));
    Refusal {
        code: "no-matching-listener",
        why: format!(
            "the Gateway has no listener{}{}",
            section.unwrap_or_default(),
            port.unwrap_or_default()
        ),
        help: format!("its listeners are {}", has.collect::<Vec<_>>().join(", ")),
    }
}

fn allows(listener: &Listener, gateway: &Gateway, route: &Route, namespaces: &Namespaces) -> bool {
    let allowed = &listener.spec.allowed;
    let kind = allowed.kinds.contains(&route.kind.carried);
    let from = &route.key.namespace;
    kind && match &allowed.namespaces {
        From::All => true,
        From::Same => *from == gateway.key.namespace,
        From::Selected(selector) => namespaces.selected(from, selector),
    }
}

fn not_allowed(listeners: &[&Listener], gateway: &Gateway, route: &Route) -> Refusal {
    let carries = |it: &&&Listener| it.spec.allowed.kinds.contains(&route.kind.carried);
    let why = match listeners.iter().find(carries) {
        None => format!("its listeners allow no {}", route.kind.name),
        Some(it) => match &it.spec.allowed.namespaces {
            From::Selected(_) => format!(
                "the selector of listener {} does not select namespace {}",
                quoted(&it.spec.name),
                quoted(&route.key.namespace)
            ),
            From::All | From::Same => format!(
                "listener {} takes routes of its own namespace, {}, only",
                quoted(&it.spec.name),
                quoted(&gateway.key.namespace)
            ),
        },
    };
    Refusal {
        code: "not-allowed-by-listener",
        why,
        help: "widen `allowedRoutes` of the listener, if the route may be there".into(),
    }
}

fn no_host(listeners: &[&Listener]) -> Refusal {
    let hosts: Vec<String> = listeners
        .iter()
        .map(|it| format!("`{}`", it.spec.host))
        .collect();
    Refusal {
        code: "no-matching-hostname",
        why: "none of its hostnames is one that the listener answers for".into(),
        help: format!("the hostnames of the listeners are {}", hosts.join(", ")),
    }
}

/// Where the hostnames of a route and of a listener meet.
fn meeting(route: &Route, listener: &HostPattern) -> Vec<HostPattern> {
    if route.hosts.is_empty() {
        return vec![listener.clone()];
    }
    let mut hosts: Vec<HostPattern> = Vec::new();
    for host in route
        .hosts
        .iter()
        .filter_map(|it| listener.intersection(it))
    {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Hostnames that no listener of the route answers for.
fn idle_hosts(route: &Route, attached: &[Attachment<'_>], diags: &mut Diagnostics) {
    for host in &route.hosts {
        let served = |it: &Attachment<'_>| it.listener.spec.host.intersection(host).is_some();
        if !attached.iter().any(served) {
            let message = format!("no listener of this route answers for `{}`", host.value);
            let warning = Diagnostic::warning("idle-hostname", message).at(host.span);
            diags.push(warning.help("remove it, or add a listener with that hostname"));
        }
    }
}
