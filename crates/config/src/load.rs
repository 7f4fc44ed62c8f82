//! The way in: texts to the compiled configuration.

use countersign_core::Snapshot;

use crate::compiled::Compiled;
use crate::diagnostic::Diagnostics;
use crate::gateway::Gateways;
use crate::object::Objects;
use crate::policy::{self, KeyBackend, KeyServer, Scene};
use crate::refs::{BackendRef, Backends, Referrer, Refs, Speaks};
use crate::routes::Routes;
use crate::source::{Files, Text};
use crate::yaml::Environment;

/// What came of one load.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration, if there is no error in it.
    pub compiled: Option<Compiled>,
    /// Everything there is to tell, ordered by place.
    pub diagnostics: Diagnostics,
    /// The texts, for showing diagnostics.
    pub files: Files,
    /// How many objects were read, good and bad.
    pub objects: usize,
}

/// Reads all texts as one configuration. Nothing stops at an error: all are told in one go, and then nothing is compiled.
pub fn load(texts: Vec<Text>, env: Environment<'_>) -> Loaded {
    let files = Files::new(texts);
    let mut diagnostics = Diagnostics::new();
    let objects = Objects::collect(&files, env, &mut diagnostics);
    let compiled = compile(&objects, &mut diagnostics);
    diagnostics.sort();
    Loaded {
        compiled: Some(compiled).filter(|_| !diagnostics.has_errors()),
        diagnostics,
        files,
        objects: objects.iter().count(),
    }
}

fn compile(objects: &Objects, diags: &mut Diagnostics) -> Compiled {
    let refs = Refs::read(objects, diags);
    let gateways = Gateways::read(objects, &refs, diags);
    let routes = Routes::read(objects, diags);
    let scene = Scene {
        objects,
        gateways: gateways.infos(),
        routes: routes.infos(),
        backend: &|wanted| key_backend(&refs, wanted),
        guard: gateways.guard(),
    };
    let mut policies = policy::compile(&scene, diags);
    let mut backends = Backends::new(&refs);
    let routed = routes.compile(&gateways, &refs, &mut backends, &policies, diags);
    let protected = gateways.protection(&policies, &routed.guarded);
    let token_cache = gateways.token_cache();
    let bound = gateways.compile(&policies, routed.entries, &routed.written, diags);
    let mut sets = std::mem::take(&mut policies.sets);
    sets.extend(bound.sets);
    Compiled {
        snapshot: Snapshot {
            sockets: bound.sockets,
            listeners: bound.listeners,
            rules: routed.rules,
            backends: backends.into_list(),
            providers: std::mem::take(&mut policies.providers).into(),
            requirements: std::mem::take(&mut policies.requirements).into(),
            policies: sets.into(),
            rbacs: policies.take_rbacs().into(),
        },
        sockets: bound.settings,
        keys: policies.keys.into(),
        protection: routed.protection.into(),
        gateways: protected,
        token_cache,
    }
}

/// Where to connect for a remote key set, and what a BackendTLSPolicy says about it (decision T16).
fn key_backend(refs: &Refs<'_>, wanted: &KeyBackend<'_>) -> Result<KeyServer, String> {
    let reference = BackendRef {
        group: wanted.group.into(),
        kind: wanted.kind.into(),
        namespace: Some(wanted.namespace.into()),
        name: wanted.name.into(),
        port: wanted.port,
    };
    let from = Referrer {
        group: wanted.from.kind.group(),
        kind: wanted.from.kind.name(),
        namespace: &wanted.from.namespace,
    };
    let backend = refs
        .backend(&reference, from, Speaks::Http)
        .map_err(|it| it.why)?;
    let endpoint = backend.endpoints.into_iter().next();
    let endpoint = endpoint.ok_or_else(|| format!("{} has no endpoints", backend.name))?;
    Ok(KeyServer {
        endpoint,
        tls: backend.tls,
    })
}
