//! The kernel's side of the eBPF backend: what is there, and how it is changed.
//!
//! Must never decide what is to be there. Of tproxy, only `apply` calls [`carry_out`]; netsim breaks installations by it.

mod adopt;
mod call;
mod carry;
mod error;
mod filter;
mod guests;
mod hook;
mod interfaces;
mod lock;
mod look;
mod maps;
mod namespace;
mod object;
mod place;
mod routes;
mod set;

pub use carry::{carry_out, take_back};
pub use error::EbpfError;
pub use filter::{name_of, others_ahead, require_room};
pub use guests::open_connections;
pub use interfaces::interfaces;
pub use look::{is_there, look};
pub use object::{HAS_PROGRAMS, try_to_load, try_to_tell_interfaces};
pub use place::{NAME, again, choose};
