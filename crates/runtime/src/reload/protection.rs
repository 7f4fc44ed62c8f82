//! Routes and Gateways that ask for less than before (decision P5a).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use countersign_config::compiled::Protection;

/// A route or Gateway that no longer makes a demand that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprotected {
    /// Listener and route, or the Gateway.
    pub route: Arc<str>,
    /// What it no longer demands.
    pub lost: Vec<Arc<str>>,
}

impl fmt::Display for Unprotected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` no longer demands {}",
            self.route,
            self.lost.join(", ")
        )
    }
}

/// The routes of both that have lost a demand; another demand in its place does not make up for it, since nobody here
/// can tell which of the two asks for more. A route that is gone serves nobody.
pub(super) fn unprotected(old: &[Protection], new: &[Protection]) -> Vec<Unprotected> {
    let new: HashMap<&str, &Protection> = new.iter().map(|it| (&*it.route, it)).collect();
    let lost = |old: &Protection| {
        let now: HashSet<&str> = new
            .get(&*old.route)?
            .demands
            .iter()
            .map(|it| &**it)
            .collect();
        // A setting is told wherever policies depend on it. It was not changed where none do any more.
        let counts = |word: &str| {
            let setting = Protection::SETTINGS.into_iter();
            let mut setting = setting.filter(|it| word.starts_with(it));
            setting.all(|it| now.iter().any(|word| word.starts_with(it)))
        };
        let lost: Vec<_> = old
            .demands
            .iter()
            .filter(|it| !now.contains(&***it) && counts(it))
            .cloned()
            .collect();
        (!lost.is_empty()).then(|| Unprotected {
            route: old.route.clone(),
            lost,
        })
    };
    old.iter().filter_map(lost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection(route: &str, demands: &[&str]) -> Protection {
        Protection {
            route: route.into(),
            demands: demands.iter().map(|it| Arc::from(*it)).collect(),
        }
    }

    #[test]
    fn what_is_less() {
        let old = [
            protection("a", &["x", "y"]),
            protection("b", &["x"]),
            protection("c", &["x"]),
            protection("d", &[]),
        ];
        let new = [
            protection("d", &["x"]),
            protection("b", &["x", "y"]),
            protection("a", &["z"]),
        ];
        let shown: Vec<_> = unprotected(&old, &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["`a` no longer demands x, y"]);
        assert_eq!(unprotected(&old, &old), []);
        assert_eq!(unprotected(&[], &new), []);
    }

    #[test]
    fn settings_are_told_where_they_changed() {
        let gateway = |demands: &[&str]| [protection("g", demands)];
        let old = gateway(&["deny:p/1", "paths:BASE", "streams-end:with-token"]);
        for (new, told) in [
            (
                &["deny:p/1", "paths:NONE", "streams-end:with-token"][..],
                "paths:BASE",
            ),
            (
                &["deny:p/1", "paths:BASE", "streams-end:by-themselves"],
                "streams-end:with-token",
            ),
            (&["paths:BASE", "streams-end:with-token"], "deny:p/1"),
            // Nothing is demanded any more: that is what is told.
            (&[], "deny:p/1"),
        ] {
            let [lost] = &*unprotected(&old, &gateway(new)) else {
                panic!("{told}")
            };
            assert_eq!(lost.lost, [Arc::from(told)]);
        }
        assert_eq!(unprotected(&gateway(&["paths:BASE"]), &gateway(&[])), []);
    }
}
