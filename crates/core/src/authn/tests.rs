//! Tests of token requirements.
