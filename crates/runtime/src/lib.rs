//! Key fetch, file watch, clock, snapshot swap and metrics
