//! Nodes, actors, links and the launcher, tried as root in real namespaces. One program, because it is quick to link:
//!
//! * `isolation`: nodes see nothing of the machine or of each other
//! * `life`: jobs and actors fail and end with a reason and leave nothing
//! * `programs`: the launcher
//! * `traffic`: applications, sidecars and clients talk over links
//! * `ends`: whole processes are killed, and nothing stays
//! * `growth`: a thousand topologies leave nothing
//! * `figures`: how long things take, printed and never asserted
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod ends;
mod figures;
mod growth;
mod isolation;
mod lab;
mod life;
mod programs;
mod traffic;
