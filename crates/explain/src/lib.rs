//! What the gateway would answer to one request, and why.
//!
//! [`Ask`] describes a request, [`ask()`] puts it to a compiled configuration by the very calls that serve requests, the
//! [`Answer`] has what the client and the backend would get and every step of the decision, and [`explain()`] tells it in
//! words. Nothing is fetched: keys are those in the configuration or in a [`KeyRing`], and where a signature cannot be
//! checked the answer says so. [`cases`] holds answers against what files of cases expect of them.

pub mod cases;

mod answer;
mod ask;
mod cause;
mod door;
mod events;
mod explanation;
mod head;
mod hints;
mod keys;
mod mask;
mod place;
mod reply;
mod request;
mod steps;
mod stream;
mod text;
mod upstream;

pub use answer::{Answer, Removal, Reply, Seen, Upstream, Verdict};
pub use ask::{ask, head};
pub use door::socket;
pub use explanation::{Explanation, explain};
pub use hints::Hint;
pub use keys::{Given, KeyRing, Whose};
pub use request::{Ask, Credential, Door, Impossible};
pub use steps::{Mark, Step};
pub use text::request;
