//! Routes, compiled policy and the decision: pure, no I/O
