//! Who lives in nodes: applications that answer, sidecars that capture, clients that call.
//!
//! Whoever finally answers a connection says who it is and what it saw ([`Answer`]). Tests judge by that, never by
//! the text of a rule. Actors take no part in judging, and know nothing of tproxy.

mod answer;
mod app;
mod attempt;
mod burst;
mod client;
mod datagrams;
mod dns;
mod enough;
mod error;
mod held;
mod listen;
mod port;
mod queries;
mod query;
mod seen;
mod sidecar;
mod volley;
mod work;

pub use answer::Answer;
pub use app::{App, AppSpec};
pub use attempt::Attempt;
pub use burst::{Burst, Tally};
pub use client::{Client, Outcome};
pub use dns::{NameServer, NameServerSpec};
pub use enough::Enough;
pub use error::ActorError;
pub use held::{Held, Reaction};
pub use port::WantedPort;
pub use queries::Queries;
pub use query::{Asked, Query};
pub use seen::{Handled, Log, Seen};
pub use sidecar::{Mode, Sidecar, SidecarSpec};
pub use volley::Flight;
pub use work::{Done, Kind, Work};
