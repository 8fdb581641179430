//! netsim: proves transparent proxying with packets.
//!
//! [`scenario`] files say what must happen; [`topology`] says what nodes there are and how they are joined; [`node`]
//! makes them, [`link`] joins them; [`actor`] puts applications, sidecars and clients into them; [`run`] installs
//! tproxy there, drives real traffic and judges; [`report`] shows it; [`keep`] lets one enter it. [`mod@reference`] tells
//! editors and people what a file may say. [`load`] measures what a redirection costs, and [`fuzz`] compares what tproxy
//! says of random flows with what they do.

pub mod actor;
pub mod cli;
pub mod fuzz;
pub mod keep;
pub mod link;
pub mod load;
pub mod node;
mod patience;
mod random;
pub mod reference;
pub mod report;
pub mod require;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod wire;
