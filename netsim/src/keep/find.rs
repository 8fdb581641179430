//! Finds the runs that are kept, and the one that is meant.
//!
//! Must never believe a process of another user: anybody can open a socket of that name.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::{Kept, KeptNode, NAME};

/// How long a run may take to say who it is.
const SAYING: Duration = Duration::from_secs(5);
/// More than any has to say.
const LONGEST: u64 = 64 << 10;

/// Why nothing can be entered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No run.
    #[error("no run is kept here: keep one with `netsim run FILE --only NAME --keep`")]
    None,
    /// Not the run that was asked for.
    #[error("process {process} keeps no run; there {}", are(.known))]
    Process {
        /// The process.
        process: u32,
        /// Those that do.
        known: Vec<String>,
    },
    /// More than one.
    #[error("several runs are kept; choose one with --run: there {}", are(.known))]
    Several {
        /// All.
        known: Vec<String>,
    },
    /// Not the node.
    #[error("there is no node `{node}` in {variant}; there {}", are(.known))]
    Node {
        /// The node.
        node: String,
        /// The variant that is kept.
        variant: String,
        /// The nodes that there are.
        known: Vec<String>,
    },
}

fn are(known: &[String]) -> String {
    match known {
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}

/// The node of this name in the run that a process keeps, or in the only one.
///
/// # Errors
/// There is none, or there are several.
pub fn find(node: &str, process: Option<u32>) -> Result<(Kept, KeptNode), NotFound> {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/unix").unwrap_or_default();
    choose(processes(&sockets).into_iter().filter_map(ask).collect(), node, process)
}

/// The processes that have such a socket, in what the kernel tells of all.
fn processes(sockets: &str) -> BTreeSet<u32> {
    let names = sockets.lines().filter_map(|line| line.rsplit(' ').next()?.strip_prefix('@'));
    names.filter_map(|name| name.strip_prefix(NAME)?.parse().ok()).collect()
}

/// What a process says that it keeps; `None` where it is gone or not to be believed.
fn ask(process: u32) -> Option<Kept> {
    let address = SocketAddr::from_abstract_name(format!("{NAME}{process}")).ok()?;
    let stream = UnixStream::connect_addr(&address).ok()?;
    let who = getsockopt(&stream, PeerCredentials).ok()?;
    if who.uid() != geteuid().as_raw() {
        return None;
    }
    stream.set_read_timeout(Some(SAYING)).ok()?;
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (u32::try_from(who.pid()) == Ok(kept.process)).then_some(kept)
}

fn choose(kept: Vec<Kept>, node: &str, process: Option<u32>) -> Result<(Kept, KeptNode), NotFound> {
    let known: Vec<String> = kept.iter().map(|kept| format!("{} ({})", kept.process, kept.variant)).collect();
    let mut chosen = kept.into_iter().filter(|kept| process.is_none_or(|process| kept.process == process));
    let (first, second) = (chosen.next(), chosen.next());
    let kept = match (first, second, process) {
        (Some(kept), None, _) => kept,
        (Some(_), Some(_), _) => return Err(NotFound::Several { known }),
        (None, _, Some(process)) if !known.is_empty() => return Err(NotFound::Process { process, known }),
        (None, ..) => return Err(NotFound::None),
    };
    match kept.nodes.iter().find(|known| known.name == node).cloned() {
        Some(found) => Ok((kept, found)),
        None => Err(NotFound::Node {
            node: node.to_owned(),
            known: kept.nodes.into_iter().map(|node| node.name).collect(),
            variant: kept.variant,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(process: u32) -> Kept {
        let nodes = ["pod", "peer"].map(|name| KeptNode { name: name.to_owned(), thread: 7 });
        Kept { variant: "a::b".to_owned(), process, nodes: nodes.to_vec() }
    }

    #[test]
    fn the_only_run_is_meant_or_the_one_that_is_named() {
        assert_eq!(choose(vec![kept(1)], "peer", None).unwrap().1.name, "peer");
        assert_eq!(choose(vec![kept(1), kept(2)], "pod", Some(2)).unwrap().0.process, 2);
    }

    #[test]
    fn what_cannot_be_entered_is_told_with_what_can() {
        let told = |kept, node, process| choose(kept, node, process).unwrap_err().to_string();
        assert!(told(vec![], "pod", None).starts_with("no run is kept here"));
        assert!(told(vec![], "pod", Some(1)).starts_with("no run is kept here"));
        assert_eq!(told(vec![kept(1)], "pod", Some(3)), "process 3 keeps no run; there is 1 (a::b)");
        let several = "several runs are kept; choose one with --run: there are 1 (a::b), 2 (a::b)";
        assert_eq!(told(vec![kept(1), kept(2)], "pod", None), several);
        assert_eq!(told(vec![kept(1)], "pot", None), "there is no node `pot` in a::b; there are pod, peer");
    }

    #[test]
    fn sockets_of_others_are_passed_over() {
        let sockets = "Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 0 00010000 1 01 9 @netsim/kept/12\n\
                       0000: 3 0 0 1 03 10 @netsim/kept/12\n0000: 3 0 0 1 03 10 @netsim/kept/x\n0000: 3 0 0 1 3 11\n\
                       0000: 2 0 10000 1 1 12 /run/netsim/kept/13\n";
        assert_eq!(processes(sockets), BTreeSet::from([12]));
    }
}
