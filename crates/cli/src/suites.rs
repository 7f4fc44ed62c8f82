//! Files of cases as they lie on disk: read, with the configuration and the keys that they name beside them.

use std::path::{Path, PathBuf};

use countersign_config::diagnostic::Diagnostics;
use countersign_config::source::{Files, Text};
use countersign_core::UnixTime;
use countersign_explain::cases::{self, Case, Keys, Suite};
use countersign_explain::{Ask, Given, KeyRing};

use crate::exit::{Exit, Failure};
use crate::output::{Palette, report};
use crate::{files, load, time, token};

/// A file of cases, read.
pub(crate) struct Read {
    /// Its path.
    pub(crate) file: PathBuf,
    pub(crate) suite: Suite,
}

impl Read {
    /// Reads a file. What is wrong with it is told on standard error.
    pub(crate) fn file(file: &Path) -> Result<Self, Failure> {
        Self::text(file, files::readable(file)?)
    }

    fn text(file: &Path, content: String) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let texts = Files::new([Text { name, content }]);
        let mut diagnostics = Diagnostics::new();
        let id = texts.ids().next();
        let moment = |text: &str| time::parse(text).ok();
        let suite = id.and_then(|id| cases::read(&texts, id, &moment, &mut diagnostics));
        diagnostics.sort();
        match suite.filter(|_| !diagnostics.has_errors()) {
            Some(suite) => Ok(Self {
                file: file.to_owned(),
                suite,
            }),
            None => {
                report(&diagnostics.render(&texts, Palette::stderr().style()));
                let message = format!("`{}` is no file of cases", file.display());
                Err(Failure::new(Exit::Invalid, message)
                    .help("docs/testing-policies.md says what stands in one"))
            }
        }
    }

    /// Paths in the file are told from the folder that it lies in.
    fn beside(&self, path: &str) -> PathBuf {
        self.file
            .parent()
            .map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    /// The texts of the configuration.
    pub(crate) fn texts(&self) -> Result<Vec<Text>, Failure> {
        let paths: Vec<PathBuf> = self
            .suite
            .policies
            .iter()
            .map(|it| self.beside(it))
            .collect();
        let mut texts = match paths.is_empty() {
            true => Vec::new(),
            false => load::texts(&load::sources(paths))?,
        };
        texts.extend(self.suite.inline.as_ref().map(|inline| Text {
            name: format!("{} inline", self.file.display()),
            content: inline.to_string(),
        }));
        Ok(texts)
    }

    /// The keys that the file brings.
    pub(crate) fn ring(&self) -> Result<KeyRing, Failure> {
        let mut ring = KeyRing::default();
        for entry in &self.suite.keys {
            let given = match &entry.keys {
                Keys::Inline(text) => Given::Set(files::key_set(text, "jwks")?),
                Keys::File(path) => {
                    let path = self.beside(path);
                    let name = path.display().to_string();
                    Given::Set(files::key_set(&files::readable(&path)?, &name)?)
                }
                Keys::Unavailable => Given::Unavailable,
            };
            ring.add(entry.whose.clone(), given);
        }
        Ok(ring)
    }

    /// The question of a case.
    pub(crate) fn ask(&self, case: &Case) -> Result<Ask, Failure> {
        let file = case.request.token_file.as_ref();
        let token = file
            .map(|it| token::read_file(&self.beside(it)))
            .transpose()?;
        Ok(case.request.ask(token))
    }
}

/// One request with all that its file says beside it.
#[derive(Default)]
pub(crate) struct Chosen {
    pub(crate) ask: Ask,
    pub(crate) ring: KeyRing,
    pub(crate) time: Option<UnixTime>,
    texts: Vec<Text>,
}

impl Chosen {
    /// The texts of the configuration: those that were named, or else those of the file.
    pub(crate) fn texts(&mut self, paths: Vec<PathBuf>) -> Result<Vec<Text>, Failure> {
        if !paths.is_empty() {
            return load::texts(&load::sources(paths));
        }
        if self.texts.is_empty() {
            return Err(
                Failure::new(Exit::Usage, "there is no configuration to ask")
                    .help("name its files or folders"),
            );
        }
        Ok(std::mem::take(&mut self.texts))
    }
}

/// The request in a file: as HTTP text, or a case of a file of cases.
pub(crate) fn one(file: &Path, name: Option<&str>) -> Result<Chosen, Failure> {
    let text = files::readable_or_stdin(file)?;
    if is_http(&text) {
        let ask = countersign_explain::request(&text).map_err(files::impossible)?;
        return Ok(Chosen {
            ask,
            ..Chosen::default()
        });
    }
    let read = Read::text(file, text)?;
    let cases = &read.suite.cases;
    let found = match name {
        Some(name) => cases.iter().find(|it| *it.name == *name),
        None => cases.first().filter(|_| cases.len() == 1),
    };
    let case = found.ok_or_else(|| {
        let names: Vec<_> = cases.iter().map(|it| format!("`{}`", it.name)).collect();
        let message = match name {
            Some(name) => format!("`{}` has no case `{name}`", file.display()),
            None => format!("`{}` has several cases", file.display()),
        };
        Failure::new(Exit::Usage, message)
            .help(format!("name one with `--case`: {}", names.join(", ")))
    })?;
    Ok(Chosen {
        ask: read.ask(case)?,
        ring: read.ring()?,
        time: read.suite.time,
        texts: read.texts()?,
    })
}

/// A request line, or a header as browsers show it; YAML has neither.
fn is_http(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end).filter(|it| !it.is_empty());
    let first = lines.next().unwrap_or_default();
    first.contains(" HTTP/")
        || first.starts_with(':')
        || text.lines().any(|it| it.starts_with("> "))
}
