//! The header in which answers carry the id of their decision, by listener.

use std::sync::Arc;

use super::sockets::SocketPlan;
use super::{Gateway, Listener};
use crate::compiled::{DebugDetail, DebugHeader};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};

impl Gateway {
    /// What answers of a socket carry; `None` where none of its listeners was named.
    pub(super) fn debug_header(&self, plan: &SocketPlan) -> Option<Arc<DebugHeader>> {
        let spec = self.parameters.debug_header.as_ref()?;
        let listeners = plan.listeners.iter();
        let listeners = listeners.filter_map(|it| self.listeners.get(*it));
        let named = listeners.filter(|it| spec.holds_for(&it.spec.name));
        let listeners: Box<[_]> = named.map(|it| it.id).collect();
        (!listeners.is_empty()).then(|| {
            Arc::new(DebugHeader {
                name: spec.name.clone(),
                detail: spec.detail,
                listeners,
            })
        })
    }

    /// Says what everybody is told, and which names are of no listener.
    pub(super) fn check_debug_header(&self, diags: &mut Diagnostics) {
        let Some(spec) = &self.parameters.debug_header else {
            return;
        };
        for name in spec.listeners.iter().flatten() {
            let is_there = |it: &Listener| it.spec.name == name.value;
            if !self.listeners.iter().any(is_there) {
                let message = format!("this Gateway has no listener {}", quoted(&name.value));
                let warning = Diagnostic::warning("debug-listener-unknown", message);
                let help =
                    "write the `name` of a listener, or leave out `listeners` for all of them";
                diags.push(warning.at(name.span).help(help));
            }
        }
        if spec.detail == DebugDetail::Full {
            let message = "every caller is told which rule refused it";
            let warning = Diagnostic::warning("debug-header-full", message).at(spec.span);
            let help = "use `detail: Full` in test environments only; `Id` tells an id that the access log repeats";
            diags.push(warning.help(help));
        }
    }
}
