//! Corpus runner, fake issuer and token mint for tests
