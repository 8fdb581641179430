//! The tproxy binary as users run it, always inside a node of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod check;
mod confirm;
mod damage;
mod defects;
mod ebpf;
mod ebpf_faults;
mod ebpf_full;
mod ebpf_guest_connections;
mod ebpf_guests;
mod examples;
mod faults;
mod flavours;
mod flows;
mod foreign;
mod hostile;
mod interruptions;
mod kuma;
mod lacking;
mod locks;
mod output;
mod pod;
mod programs;
mod promises;
mod readme;
mod refusals;
mod signals;
mod stored;
mod traffic;
mod transcript;
mod user_namespaces;
mod validate;
mod variables;
