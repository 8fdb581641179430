//! Transparent proxying on Linux: makes a host's or a pod's TCP traffic go through a sidecar, and undoes it exactly.
//!
//! The way of the data, each stage in a module of its own:
//! flags, environment and files → [`config`] → with [`host`] facts → [`plan`] → [`iptables`] rules → [`apply`].

pub mod apply;
pub mod backend;
pub mod check;
pub mod cli;
pub mod config;
pub mod conntrack;
pub mod diagnostic;
pub mod ebpf;
pub mod family;
pub mod firewalld;
pub mod host;
pub mod iptables;
mod netlink;
pub mod plan;
mod process;
pub mod verify;
