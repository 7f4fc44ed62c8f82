//! CEL rules through the real binary: kgateway's `rbac`, agentgateway's `authorization` and `jwtAuthentication`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` is written where it is used"
)]

mod agentgateway;
mod envoy;
mod kgateway;
mod log;
mod scene;
