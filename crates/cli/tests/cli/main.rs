//! The real binary as people and scripts use it: what it prints, to which stream, and how it ends.

mod binary;
mod check;
mod general;
mod sample;
mod token;
