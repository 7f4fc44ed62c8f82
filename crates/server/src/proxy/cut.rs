//! What ends an exchange before its end.

use countersign_core::Reason;

/// What kept an exchange from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The client went away.
    Client,
    /// The backend broke off.
    Upstream,
    /// The token that opened the stream lapsed (decision P12).
    Token,
    /// The whole exchange took longer than the route allows.
    Timeout,
    /// Nothing went through a tunnel for too long.
    Idle,
    /// A new configuration or a shutdown ended it.
    Drain,
    /// The client's body went wrong after the answer had begun.
    Upload,
}

impl Cut {
    /// Stable name for the log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Cut::Client => "client",
            Cut::Upstream => "upstream",
            Cut::Token => "token",
            Cut::Timeout => "timeout",
            Cut::Idle => "idle",
            Cut::Drain => "drain",
            Cut::Upload => "upload",
        }
    }

    /// What becomes the reason of an answer that had begun; `None` where the
    /// answer itself is to blame for nothing.
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Cut::Upstream => Some(Reason::UpstreamReset),
            Cut::Token => Some(Reason::TokenLapsed),
            Cut::Timeout => Some(Reason::Timeout),
            Cut::Client | Cut::Idle | Cut::Drain | Cut::Upload => None,
        }
    }
}
