//! Why the eBPF backend cannot do its work, with the object and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum EbpfError {
    /// This build has no programs.
    #[error(
        "this build has no eBPF programs: build tproxy with its feature `ebpf`, or leave --backend and --ebpf-enabled out"
    )]
    WithoutPrograms,
    /// The kernel does not tell the network namespace.
    #[error(
        "this kernel does not tell which network namespace this is: sockets do since Linux 5.14, and before, a program in \
         this process's own cgroup: {0}; use iptables"
    )]
    NoCookie(String),
    /// There is no cgroup2 to attach to.
    #[error(
        "{path} is no cgroup2 file system, and none is mounted elsewhere; mount one: mount -t cgroup2 none {path}"
    )]
    NoCgroup {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The named path is none.
    #[error("{path} is not below a cgroup2 mount; name one that is")]
    NotCgroup {
        /// The path.
        path: PathBuf,
    },
    /// The named path can hold no BPF file system.
    #[error("no BPF file system can be mounted at {path}: {error}")]
    Mount {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Pins of another version.
    #[error("what is pinned in {path} is of another version of tproxy")]
    OtherLayout {
        /// The directory.
        path: PathBuf,
    },
    /// A file.
    #[error("cannot {what} {path}: {error}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The directory of programs has none.
    #[error("{path} cannot be read: {error}; name a directory with tproxy.bpf.o, or leave it out")]
    Object {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The object file is not ours, or broken.
    #[error("the programs of {object} cannot be loaded: {why}")]
    Load {
        /// Which.
        object: String,
        /// Why, the verifier's log included.
        why: String,
    },
    /// A map refused something.
    #[error("cannot {what} the map {map}: {error}{}", full(.error))]
    Map {
        /// What was tried.
        what: &'static str,
        /// Its name.
        map: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A program could not be attached.
    #[error("cannot attach the program for {hook}: {error}{}", exclusive(.error))]
    Attach {
        /// The hook.
        hook: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A sidecar that was there before cannot be taken over.
    #[error(
        "somebody listens on port {port} already, and the socket cannot be reached: {why}; start the sidecar after the \
         installation, or let tproxy see its process (CAP_SYS_PTRACE, the same pid namespace)"
    )]
    Adopt {
        /// The port.
        port: u16,
        /// Why.
        why: String,
    },
    /// A sidecar that was there before listens by a socket of a kind that no map takes.
    #[error(
        "somebody listens on port {port} already, by a socket of several paths (MPTCP), which cannot be taken over; start the \
         sidecar after the installation, or let it listen by TCP alone (programs in Go: GODEBUG=multipathtcp=0)"
    )]
    SeveralPaths {
        /// The port.
        port: u16,
    },
    /// Another run is at work at the same place.
    #[error("another tproxy is at work in {path} and did not finish in {}", crate::process::in_words(*.waited))]
    Busy {
        /// The directory of pins.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The interfaces cannot be read.
    #[error("cannot list the interfaces of this host: {0}")]
    Interfaces(nix::errno::Errno),
    /// An interface.
    #[error("cannot {what} {name}: {error}{}", taken(.error))]
    Interface {
        /// What was tried.
        what: &'static str,
        /// Its name.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// Programs are not told by which interface a connection arrives.
    #[error(
        "cannot be honoured here: this kernel does not tell programs by which interface a connection arrives, which \
         Linux does since 5.17; use iptables"
    )]
    InterfacesUntold {
        /// The setting that needs it.
        key: &'static str,
    },
    /// The routes cannot be read.
    #[error("cannot read the routes of this host: {0}")]
    Routes(io::Error),
    /// `/proc` cannot be read.
    #[error(transparent)]
    Host(#[from] crate::host::HostError),
}

fn full(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::E2BIG | libc::ENOSPC | libc::ENOMEM) => "; it is full",
        _ => "",
    }
}

fn taken(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EEXIST) => {
            "; another program has an `ingress` queue there (see `tc qdisc`), which leaves no room"
        }
        Some(libc::ENOSPC | libc::EINVAL) => {
            "; another program has other filters at the same place (see `tc filter`)"
        }
        Some(libc::ENOENT | libc::EOPNOTSUPP) => "; the kernel needs NET_CLS_BPF and NET_SCH_INGRESS",
        _ => "",
    }
}

fn exclusive(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            "; a cgroup above holds a program that lets no other be attached below (see `bpftool cgroup tree`), or a \
             capability is missing (CAP_BPF and CAP_NET_ADMIN)"
        }
        Some(libc::E2BIG) => "; 64 programs are attached there already",
        _ => "",
    }
}
