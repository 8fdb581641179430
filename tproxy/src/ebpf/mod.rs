//! The eBPF backend: programs at the calls of local processes and at the listeners of this host, and maps that tell them
//! what to do.
//!
//! Pure: `contents` is what lies in the maps, `layout` makes it of a plan, `render` makes changes of both. `kernel` reads and
//! changes the system; only `apply` has it change anything. Must never decide in Rust what the programs decide.

mod arrivals;
pub mod contents;
mod ids;
pub mod interface;
pub mod kernel;
mod layout;
pub mod line;
mod ports;
pub mod render;
pub mod unsupported;
mod users;

pub use arrivals::{with_guests, without_gone};
pub use contents::Contents;
pub use ids::{IdMap, Ids};
pub use layout::{FLAGS, contents};
pub use unsupported::Unsupported;
