//! Cases for policies: requests with what is expected of the gateway, in a file of their own.
//!
//! [`read`] reads the files, [`Case::ask`] makes the question of one, [`compare`] holds an answer against what is
//! expected. Who asks, the library or a running gateway, is up to the caller.

mod compare;
mod expect;
mod fields;
mod read;

use std::sync::Arc;

use countersign_config::source::Span;
use countersign_core::UnixTime;

use crate::request::{Ask, Credential};

pub use compare::{Difference, Got, Upstreamed, compare, rule_name};
pub use expect::{Expect, Headers};
pub use read::read;

/// A file of cases.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// Files and folders of the configuration, as written: relative to the file.
    pub policies: Vec<Arc<str>>,
    /// Configuration in the file itself.
    pub inline: Option<Arc<str>>,
    /// When all this happens; `None`: now.
    pub time: Option<UnixTime>,
    /// Keys of providers whose own are elsewhere.
    pub keys: Vec<KeyEntry>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// An entry of `keys`.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Whose they are.
    pub whose: crate::Whose,
    /// Where they are.
    pub keys: Keys,
}

/// Where the keys of an entry are.
#[derive(Debug, Clone)]
pub enum Keys {
    /// In the file itself.
    Inline(Arc<str>),
    /// In a file, relative to this one.
    File(Arc<str>),
    /// Nowhere: the provider cannot be reached.
    Unavailable,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// Where it stands.
    pub at: Span,
    /// The request.
    pub request: RequestForm,
    /// What is expected.
    pub expect: Expect,
}

/// A request as the file has it.
#[derive(Debug, Clone)]
pub struct RequestForm {
    /// All but what lies in files.
    pub ask: Ask,
    /// A file with a token, relative to this one.
    pub token_file: Option<Arc<str>>,
}

impl RequestForm {
    /// The question; `token` is what the file of the token holds.
    pub fn ask(&self, token: Option<String>) -> Ask {
        let mut ask = self.ask.clone();
        ask.credentials.extend(token.map(Credential::Token));
        ask
    }
}
