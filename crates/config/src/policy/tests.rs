//! Tests of token policies.
