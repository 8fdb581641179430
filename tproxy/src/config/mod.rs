//! What the user wanted, typed: flags over environment over files over defaults, with the origin of every value.
//!
//! Pure: texts come in (file contents, variables, flags), a [`Config`] or all problems come out. Must never read a
//! file, the environment or the system.

mod check;
mod choice;
mod document;
mod duration;
pub mod exclusion;
pub mod first_few;
pub mod interface;
pub mod layers;
mod nearest;
pub mod network;
mod paths;
pub mod ports;
pub mod print;
pub mod problem;
pub mod settings;
mod text;
pub mod value;
pub mod written;

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use exclusion::{IdRange, UidExclusion};
use interface::{InterfacePattern, VirtualNetwork};
use network::Networks;
use ports::{Port, Ports};

pub use choice::{BackendChoice, ChainName, IpFamilyMode, LogLevel, SidecarUser, VariableName};
pub use layers::{Layers, Resolved};
pub use paths::{AbsolutePath, IptablesExecutables, ProgramSet};
pub use problem::{Problem, Problems};
pub use text::LARGEST as LARGEST_FILE;

/// The whole configuration after merging, before anything was looked up on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who the sidecar is; `None` leaves the choice to the host (uid 5678, then user `kuma-dp`).
    pub kuma_dp_user: Option<SidecarUser>,
    /// Which IP families to capture.
    pub ip_family_mode: IpFamilyMode,
    /// Which backend to install with.
    pub backend: BackendChoice,
    /// Drop arriving packets that conntrack calls invalid.
    pub drop_invalid_packets: bool,
    /// Print long option names and what is executed.
    pub verbose: bool,
    /// Print the changes, make none.
    pub dry_run: bool,
    /// Keep the rules in firewalld's configuration, too.
    pub store_firewalld: bool,
    /// Run by a CNI plugin, in a pod whose users are not those of this host.
    pub cni_mode: bool,
    /// How rules are loaded.
    pub loading: Loading,
    /// How rules are written.
    pub rules: Rules,
    /// Programs chosen by the user instead of those found on the host.
    pub iptables_executables: IptablesExecutables,
    /// Capture of arriving connections.
    pub inbound: Redirect,
    /// Capture of connections that local processes open.
    pub outbound: Redirect,
    /// Capture of DNS queries.
    pub dns: Dns,
    /// Networks of virtual machines and containers behind this host.
    pub vnets: Vec<VirtualNetwork>,
    /// What only the eBPF backend needs.
    pub ebpf: Ebpf,
}

/// One direction of capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Whether this direction is captured at all.
    pub enabled: bool,
    /// Where the sidecar listens for it; `None` only where the direction is off.
    pub port: Option<Port>,
    /// If not empty, only these destination ports are captured and `exclude_ports` does not count.
    pub include_ports: Ports,
    /// Destination ports that are not captured.
    pub exclude_ports: Ports,
    /// Networks that are not captured: of the source inbound, of the destination outbound.
    pub exclude_networks: Networks,
    /// Users whose traffic is not captured; outbound only.
    pub exclude_uids: Vec<UidExclusion>,
    /// Groups whose traffic is not captured; outbound only.
    pub exclude_gids: Vec<IdRange>,
    /// Interfaces that are not captured.
    pub exclude_interfaces: Vec<InterfacePattern>,
    /// Stand before other programs' rules instead of behind them.
    pub insert: bool,
    /// Name of the chain that decides, behind the prefix of our chains.
    pub chain: ChainName,
    /// Name of the chain that redirects, behind the prefix of our chains.
    pub redirect_chain: ChainName,
}

/// DNS capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Whether queries are captured at all.
    pub enabled: bool,
    /// Capture queries to any server, not only to those of `resolv_config_path`.
    pub capture_all: bool,
    /// Where the sidecar listens for queries; `None` only where DNS capture is off.
    pub port: Option<Port>,
    /// Do without conntrack zones.
    pub skip_conntrack_zone_split: bool,
    /// The file that names the servers.
    pub resolv_config_path: AbsolutePath,
}

/// How rules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loading {
    /// Seconds that a legacy restore waits for the xtables lock; 0 waits without end.
    pub wait: u32,
    /// Microseconds between two looks at the xtables lock; 0 leaves it to iptables.
    pub wait_interval: u32,
    /// How often a failed restore is tried again.
    pub max_retries: u32,
    /// Time between two tries.
    pub sleep_between_retries: Duration,
}

/// How rules are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Leave comments out.
    pub without_comments: bool,
    /// Log what passes our rules.
    pub log: bool,
    /// Level of the log.
    pub log_level: LogLevel,
}

/// What only the eBPF backend needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ebpf {
    /// Kuma's switch for the backend; the same as [`BackendChoice::Ebpf`].
    pub enabled: bool,
    /// An address of the instance beside those that are found.
    pub instance_ip: Option<IpAddr>,
    /// Variable that holds the address of the instance.
    pub instance_ip_variable: Option<VariableName>,
    /// Where the BPF file system is mounted.
    pub bpffs_path: AbsolutePath,
    /// Where cgroup2 is mounted.
    pub cgroup_path: AbsolutePath,
    /// Directory of programs to load instead of those built in.
    pub programs_source_path: AbsolutePath,
    /// The one interface to attach to.
    pub tc_attach_interface: Option<InterfacePattern>,
}

impl Default for Config {
    /// Kuma's defaults.
    fn default() -> Self {
        Self {
            kuma_dp_user: None,
            ip_family_mode: IpFamilyMode::DualStack,
            backend: BackendChoice::Auto,
            drop_invalid_packets: false,
            verbose: false,
            dry_run: false,
            store_firewalld: false,
            cni_mode: false,
            loading: Loading {
                wait: 5,
                wait_interval: 0,
                max_retries: 4,
                sleep_between_retries: Duration::from_secs(2),
            },
            rules: Rules { without_comments: false, log: false, log_level: LogLevel::DEBUG },
            iptables_executables: IptablesExecutables::default(),
            inbound: Redirect::by_default(Port::INBOUND, "INBOUND"),
            outbound: Redirect::by_default(Port::OUTBOUND, "OUTBOUND"),
            dns: Dns {
                enabled: false,
                capture_all: false,
                port: Some(Port::DNS),
                skip_conntrack_zone_split: false,
                resolv_config_path: AbsolutePath::new("/etc/resolv.conf"),
            },
            vnets: Vec::new(),
            ebpf: Ebpf {
                enabled: false,
                instance_ip: None,
                instance_ip_variable: None,
                bpffs_path: AbsolutePath::new("/run/kuma/bpf"),
                cgroup_path: AbsolutePath::new("/sys/fs/cgroup"),
                programs_source_path: AbsolutePath::new("/tmp/kuma-ebpf"),
                tc_attach_interface: None,
            },
        }
    }
}

impl Redirect {
    fn by_default(port: Port, chain: &str) -> Self {
        Self {
            enabled: true,
            port: Some(port),
            include_ports: Ports::default(),
            exclude_ports: Ports::default(),
            exclude_networks: Networks::default(),
            exclude_uids: Vec::new(),
            exclude_gids: Vec::new(),
            exclude_interfaces: Vec::new(),
            insert: false,
            chain: ChainName::new(chain),
            redirect_chain: ChainName::new(&format!("{chain}_REDIRECT")),
        }
    }
}
