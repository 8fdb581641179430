//! A pod to run the tproxy binary in: the only way in which these tests start it.

use std::path::PathBuf;

use netsim::link::{Network, NetworkOptions};
use netsim::node::{Exit, Finished, Identity, Node, Program};
use netsim::require;
use netsim::topology::Topology;

/// A pod with eth0, IPv4 and IPv6, and the users app (1000) and kuma-dp (5678).
pub(crate) struct Pod {
    network: Network,
}

impl Pod {
    /// `None`, with the reason printed, where no node can be made.
    pub(crate) fn start() -> Option<Self> {
        require::nodes().met_or_skip().then(|| {
            let mut options = NetworkOptions::default();
            let binary = PathBuf::from(env!("CARGO_BIN_EXE_tproxy"));
            options.base.programs.push(("tproxy".to_owned(), binary));
            let network = Network::up(&Topology::ready("pod").unwrap(), &options).unwrap();
            Self { network }
        })
    }

    pub(crate) fn node(&self) -> &Node {
        self.network.node("pod").unwrap()
    }

    /// Whom eth0 leads to.
    pub(crate) fn gateway(&self) -> &Node {
        self.network.node("gateway").unwrap()
    }

    /// Runs `tproxy` with these arguments as root.
    pub(crate) fn tproxy(&self, arguments: &str) -> Finished {
        self.tproxy_program(arguments).run(self.node()).unwrap()
    }

    /// The program `tproxy`, to be changed before it runs.
    pub(crate) fn tproxy_program(&self, arguments: &str) -> Program {
        Program::new("tproxy").args(arguments.split_whitespace())
    }

    /// Runs it and insists on success.
    pub(crate) fn done(&self, arguments: &str) -> Finished {
        let finished = self.tproxy(arguments);
        assert!(finished.success(), "{finished}");
        finished
    }

    /// What a shell script prints, as root.
    pub(crate) fn sh(&self, script: &str) -> String {
        let finished = Program::new("sh").args(["-c", script]).run(self.node()).unwrap();
        assert!(finished.success(), "{finished}");
        finished.stdout_text()
    }

    /// All rules with counters, all addresses, and tproxy's files. Counters of policies are left out: the kernel's own
    /// packets (multicast listener reports, say) count there, too.
    pub(crate) fn state(&self) -> String {
        let rules = self.sh("for f in nft legacy; do iptables-$f-save -c; ip6tables-$f-save -c; done \
             | sed -e '/^#/d' -e '/^:/s/ \\[.*//'; \
             find /run /tmp -not -path '/run/netsim*' -not -path /run/xtables.lock");
        format!("{rules}{:?}", netsim::link::addresses(self.node()).unwrap())
    }

    /// Whether the passthrough address ::6 is on loopback.
    pub(crate) fn has_passthrough(&self) -> bool {
        let addresses = netsim::link::addresses(self.node()).unwrap();
        addresses.iter().any(|own| own.interface == "lo" && own.address == "::6/128".parse().unwrap())
    }
}

/// Insists that a run was refused with exit code 2 and one sentence that contains `words`.
pub(crate) fn assert_refused(finished: &Finished, words: &str) {
    let said = finished.stderr_text();
    assert_eq!(finished.exit, Exit::Code(2), "{finished}");
    let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("# ")).collect();
    assert!(errors.len() == 1 && said.contains(words), "{said}");
    assert_eq!(finished.stdout_text(), "", "{finished}");
}

/// The application's user.
pub(crate) const APP: Identity = Identity::new(1000, 1000);
