//! What the user wanted, typed: flags over environment over files over defaults, with the origin of every value.
//!
//! Pure: texts come in (file contents, variables, flags), a [`Config`] or all problems come out. Must never read a
//! file, the environment or the system.

mod check;
mod document;
pub mod layers;
pub mod ports;
pub mod problem;
pub mod settings;
mod value;

use std::path::PathBuf;

use serde::Serialize;

use ports::{Port, Ports};

pub use layers::{Layers, Resolved};
pub use problem::{Problem, Problems};

/// The whole configuration after merging, before anything was looked up on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Who the sidecar is; `None` leaves the choice to the host (uid 5678, then user `kuma-dp`).
    pub kuma_dp_user: Option<SidecarUser>,
    /// Which IP families to capture.
    pub ip_family_mode: IpFamilyMode,
    /// Print long option names and what is executed.
    pub verbose: bool,
    /// Print the changes, make none.
    pub dry_run: bool,
    /// Programs chosen by the user instead of those found on the host.
    pub iptables_executables: IptablesExecutables,
    /// Capture of arriving connections.
    pub inbound: Redirect,
    /// Capture of connections that local processes open.
    pub outbound: Redirect,
}

/// One direction of capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// Whether this direction is captured at all.
    pub enabled: bool,
    /// Where the sidecar listens for it.
    pub port: Port,
    /// If not empty, only these destination ports are captured and `exclude_ports` does not count.
    pub include_ports: Ports,
    /// Destination ports that are not captured.
    pub exclude_ports: Ports,
}

/// Which IP families to capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IpFamilyMode {
    /// IPv4, and IPv6 where the host has it.
    DualStack,
    /// IPv4 only.
    Ipv4,
}

/// The sidecar's user as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SidecarUser {
    /// A user id, taken as it is.
    Uid(u32),
    /// A user name, which must exist on the host.
    Name(String),
}

/// Explicit iptables programs; a family's three go together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IptablesExecutables {
    /// The IPv4 programs.
    pub ipv4: ProgramSet,
    /// The IPv6 programs.
    pub ipv6: ProgramSet,
}

/// The three programs that one family needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProgramSet {
    /// `iptables` or `ip6tables`.
    pub base: Option<PathBuf>,
    /// `iptables-save` or `ip6tables-save`.
    pub save: Option<PathBuf>,
    /// `iptables-restore` or `ip6tables-restore`.
    pub restore: Option<PathBuf>,
}

impl Default for Config {
    /// Kuma's defaults.
    fn default() -> Self {
        let redirect = |port| Redirect {
            enabled: true,
            port,
            include_ports: Ports::default(),
            exclude_ports: Ports::default(),
        };
        Self {
            kuma_dp_user: None,
            ip_family_mode: IpFamilyMode::DualStack,
            verbose: false,
            dry_run: false,
            iptables_executables: IptablesExecutables::default(),
            inbound: redirect(Port::INBOUND),
            outbound: redirect(Port::OUTBOUND),
        }
    }
}
