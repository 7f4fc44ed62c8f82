//! Whole loads: texts in, diagnostics and the compiled configuration out.

mod attachment;
mod backends;
mod examples;
mod gateways;
mod golden;
mod gwapi;
mod parameters;
mod policies;
mod robust;
mod routes;
mod scale;
mod support;
