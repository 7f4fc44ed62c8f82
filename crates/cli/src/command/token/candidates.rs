//! Who may accept a token: the providers of a configuration, or whoever has the keys of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_config::compiled::{Compiled, KeySource, RemoteKeys};
use countersign_jose::{Expect, KeySet, Symmetric};
use countersign_runtime::keys::{Fetch, Network};

use crate::exit::{Exit, Failure};
use crate::load;
use crate::output::{Palette, report};
use crate::token::{Keys, SKEW};

/// Whom the token is shown to.
pub(super) struct Candidate {
    /// The rule or provider, and where it stands.
    pub(super) name: String,
    pub(super) expect: Expect,
    pub(super) keys: Keys,
}

impl Candidate {
    /// Whoever has the keys of a file: issuer and audience are not known then.
    pub(super) fn keys_alone(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::Failure, format!("`{name}` cannot be read: {error}"))
        })?;
        let set = KeySet::from_inline(&text).map_err(|error| {
            Failure::new(Exit::Invalid, format!("`{name}`: {error}")).help(error.help())
        })?;
        let expect = Expect {
            skew: SKEW,
            ..Expect::default()
        };
        Ok(Self {
            name,
            expect,
            keys: Keys::Known(Arc::new(set)),
        })
    }

    /// The providers of a configuration, with their keys as far as they can be had.
    pub(super) fn configured(
        paths: Vec<PathBuf>,
        wanted: Option<&str>,
        offline: bool,
    ) -> Result<Vec<Self>, Failure> {
        let loaded = load::read(&load::sources(paths))?;
        let Some(compiled) = loaded.compiled else {
            report(
                &loaded
                    .diagnostics
                    .render(&loaded.files, Palette::stderr().style()),
            );
            return Err(load::invalid(&loaded.diagnostics));
        };
        let all = compiled.snapshot.providers.iter().zip(&compiled.keys);
        let chosen: Vec<_> = all
            .filter(|(provider, _)| is_meant(&provider.name, wanted))
            .collect();
        if chosen.is_empty() {
            return Err(nobody(&compiled, wanted));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Exit::Failure, format!("nothing can be fetched: {error}"))
        })?;
        let candidates = chosen.into_iter().map(|(provider, source)| Self {
            name: provider.origin.to_string(),
            expect: provider.expect.clone(),
            keys: match source {
                KeySource::Inline(set) => Keys::Known(Arc::clone(set)),
                KeySource::Remote(_) if offline => {
                    Keys::Missing("not fetched, because of `--offline`".to_owned())
                }
                KeySource::Remote(remote) => runtime.block_on(fetched(remote)),
            },
        });
        Ok(candidates.collect())
    }
}

/// Whether a provider, `namespace/policy/provider`, is one that was asked for.
fn is_meant(name: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        let rest = name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn nobody(compiled: &Compiled, wanted: Option<&str>) -> Failure {
    let names: Vec<_> = compiled
        .snapshot
        .providers
        .iter()
        .map(|it| format!("`{}`", it.name))
        .collect();
    match wanted {
        Some(wanted) if !names.is_empty() => {
            let message = format!("the configuration has no provider `{wanted}`");
            Failure::new(Exit::Usage, message).help(format!("there are {}", names.join(", ")))
        }
        _ => Failure::new(
            Exit::Denied,
            "the configuration has no provider, so nobody accepts any token",
        )
        .help("name the files with RequestAuthentications or GatewayExtensions as well"),
    }
}

/// One attempt, as the gateway makes it.
async fn fetched(remote: &RemoteKeys) -> Keys {
    let document = match Network.fetch(remote).await {
        Ok(document) => document,
        Err(failure) => return Keys::Missing(format!("the key set cannot be fetched: {failure}")),
    };
    match KeySet::from_jwks(&document.body, Symmetric::Refuse) {
        Ok(set) => Keys::Known(Arc::new(set)),
        Err(error) => Keys::Missing(error.to_string()),
    }
}
