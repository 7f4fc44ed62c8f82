//! What ends an exchange before its end.

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
            Cut::Drain => "drain",
            Cut::Upload => "upload",
        }
    }
}
