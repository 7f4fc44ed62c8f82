//! Which port a step goes to, and which certificate its client shows: the suite says so in code, and the format of
//! `cases.jsonl` has no words for it.

use crate::case::Case;

/// How a step connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial {
    /// Of the Gateway.
    pub(crate) port: u16,
    /// Whose certificate is shown, if one is.
    pub(crate) shows: Option<Issuer>,
    /// Nothing may come of it.
    pub(crate) refused: bool,
}

/// Who issues certificates to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// The CA that holds by default.
    Default,
    /// The CA of one port.
    PerPort,
}

/// Test, steps in their order.
const DIALS: &[(&str, &[Dial])] = &[
    (
        "GatewayFrontendInvalidDefaultClientCertificateValidation",
        &[
            Dial {
                port: 80,
                shows: None,
                refused: false,
            },
            Dial {
                port: 443,
                shows: None,
                refused: true,
            },
        ],
    ),
    (
        "GatewayFrontendClientCertificateValidation",
        &[
            Dial {
                port: 443,
                shows: Some(Issuer::Default),
                refused: false,
            },
            Dial {
                port: 443,
                shows: Some(Issuer::PerPort),
                refused: true,
            },
            Dial {
                port: 8443,
                shows: Some(Issuer::PerPort),
                refused: false,
            },
            Dial {
                port: 8443,
                shows: Some(Issuer::Default),
                refused: true,
            },
        ],
    ),
];

/// Tells the steps of a case how to connect.
pub(crate) fn fill(mut case: Case) -> Case {
    if let Some((_, dials)) = DIALS.iter().find(|(test, _)| *test == case.test) {
        assert_eq!(case.requests.len(), dials.len(), "{}", case.test);
        for (step, dial) in case.requests.iter_mut().zip(*dials) {
            step.dial = Some(*dial);
        }
    }
    case
}
