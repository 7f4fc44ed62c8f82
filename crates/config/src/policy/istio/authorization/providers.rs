//! Providers of CUSTOM policies. None is asked yet: what can be decided without is decided as Istio does, the rest is
//! refused at load.

use std::collections::BTreeSet;

use super::spec::Authorization;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::policy::istio::reach::applies;
use crate::policy::{GatewayInfo, Mesh};

/// Reports policies whose provider would have to be asked. Where the policies of a gateway name several, Istio asks none
/// of them and refuses what matches; so does the gateway.
pub(super) fn report(
    policies: &[Authorization<'_>],
    gateways: &[GatewayInfo],
    mesh: &Mesh,
    diags: &mut Diagnostics,
) {
    for policy in policies {
        let Some(name) = &policy.provider else {
            continue;
        };
        if !mesh.providers.contains(&name.value) {
            continue;
        }
        let reached = gateways.iter();
        let reached = reached.filter(|it| applies(policy.object, &policy.target, it, mesh));
        let named: Vec<BTreeSet<&str>> = reached
            .map(|gateway| named_on(gateway, policies, mesh))
            .collect();
        let told = match named.first() {
            Some(names) if named.iter().all(|it| it.len() > 1) => {
                let names: Vec<String> = names.iter().map(|it| quoted(it)).collect();
                let message = format!(
                    "a gateway asks one provider, and its policies name {}: none is asked, and what this policy matches is refused",
                    names.join(" and ")
                );
                let warning = Diagnostic::warning("several-providers", message);
                warning.help("name one provider in all CUSTOM policies of a Gateway")
            }
            _ => {
                let message = format!("calling a provider is not supported yet: {}", quoted(name));
                let error = Diagnostic::error("unsupported-provider", message);
                error.help("remove the policy, or write what the provider decides as DENY and ALLOW policies")
            }
        };
        diags.push(told.at(name.span).about(policy.object.reference()));
    }
}

/// Providers that the policies of a gateway name.
fn named_on<'p>(
    gateway: &GatewayInfo,
    policies: &'p [Authorization<'_>],
    mesh: &Mesh,
) -> BTreeSet<&'p str> {
    let here = policies.iter();
    let here = here.filter(|it| applies(it.object, &it.target, gateway, mesh));
    here.filter_map(|it| Some(&*it.provider.as_ref()?.value))
        .collect()
}
