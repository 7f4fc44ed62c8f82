//! Decisions as a door asks for them: `prepare`, then `decide`.

#![expect(unreachable_pub, reason = "the modules of this test share one world")]

mod stages;
mod tokens;
mod world;
