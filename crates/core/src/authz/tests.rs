//! Policies against requests: tables for each field, and random sets against a
//! second, plain reading of the same rules.

mod action;
mod fields;
mod oracle;
mod random;
mod sample;
mod trace;
