//! The rules that a flow crosses, as nf_tables tells them: its first packet is marked in a table of netsim's own, and
//! `nft monitor` listens.
//!
//! Must never stay: the table goes when the flow is over, however it ended.

use std::net::SocketAddr;
use std::time::Duration;

use tproxy::backend::BackendId;
use tproxy::plan::flow::{Direction, Flow};

use super::super::RunError;
use super::super::stage::Stage;
use crate::node::{Finished, Node, ProcessError, Program, Running};
use crate::scenario::{Expectation, Protocol};

/// How long nft may take to say what has happened.
const SAYING: Duration = Duration::from_secs(5);
/// How long a change is waited for until another one is made, which nft might see.
const HEARING: Duration = Duration::from_millis(100);
const TABLE: &str = "netsim-trace";
const MARK: &str = "netsim-mark";

/// Does `work`, which sends the flow, and tells what nft printed of it: `None` where the backend's rules are none of
/// nftables.
pub(super) fn of<T>(
    stage: &Stage,
    wanted: &Expectation,
    work: impl FnOnce() -> T,
) -> Result<(T, Option<Result<String, String>>), RunError> {
    if stage.backend != BackendId::IptablesNft {
        return Ok((work(), None));
    }
    let Some(matches) = matches(stage, wanted)? else {
        return Ok((work(), Some(Err("what a program sends is not known beforehand".to_owned()))));
    };
    let pod = stage.pod()?;
    let listening = match listen(pod, &matches) {
        Ok(listening) => listening,
        Err(error) => {
            forget(pod)?;
            return Ok((work(), Some(Err(error.to_string()))));
        }
    };
    let done = work();
    // Told before the table is gone, or the rules could not be named any more.
    let told = settle(pod, &listening);
    forget(pod)?;
    Ok((done, Some(told.map(|()| readable(&listening.stdout())).map_err(|error| error.to_string()))))
}

/// What the first packet of the flow is known by, as nft writes it.
fn matches(stage: &Stage, wanted: &Expectation) -> Result<Option<String>, RunError> {
    let (destination, protocol) = match (&wanted.to, &wanted.ask) {
        (Some(to), _) => (stage.endpoint(&to.value)?, wanted.protocol),
        (None, Some(_)) => {
            let server = wanted.server.as_ref().map_or("", |server| server.value.as_str());
            let port = wanted.server_port.unwrap_or(53);
            (SocketAddr::new(stage.address(server)?, port), Protocol::Udp)
        }
        (None, None) => return Ok(None),
    };
    let destination = Flow::new(Direction::Outbound, destination).as_sent().destination;
    let (address, port) = (destination.ip(), destination.port());
    let family = if destination.is_ipv4() { "ip" } else { "ip6" };
    let transport = match protocol {
        Protocol::Tcp => format!("tcp dport {port} tcp flags & (fin | syn | rst | ack) == syn"),
        Protocol::Udp => format!("udp dport {port}"),
    };
    Ok(Some(format!("{family} daddr {address} {transport}")))
}

fn nft(pod: &Node, commands: &str) -> Result<(), ProcessError> {
    Program::new("nft").args(["-f", "-"]).stdin(commands).run(pod).and_then(Finished::checked).map(drop)
}

/// Starts nft, makes sure that it hears of changes, and has the flow's first packet traced.
fn listen(pod: &Node, matches: &str) -> Result<Running, ProcessError> {
    let listening = Program::new("nft").arg("monitor").start(pod)?;
    let mut tries = 0..50;
    loop {
        nft(pod, &format!("add table inet {MARK}\ndelete table inet {MARK}\n"))?;
        match listening.wait_for_line(MARK, HEARING) {
            Err(ProcessError::NotReady { .. }) if tries.next().is_some() => {}
            heard => break heard?,
        }
    }
    let chain = |hook: &str| {
        format!(
            "add chain inet {TABLE} {hook} {{ type filter hook {hook} priority -500; }}\n\
             add rule inet {TABLE} {hook} {matches} meta nftrace set 1\n"
        )
    };
    nft(pod, &format!("add table inet {TABLE}\n{}{}", chain("prerouting"), chain("output")))?;
    Ok(listening)
}

/// Waits until nft has told all that has happened so far: a change of its own stands behind it.
fn settle(pod: &Node, listening: &Running) -> Result<(), ProcessError> {
    nft(pod, &format!("add table inet {MARK}-end\ndelete table inet {MARK}-end\n"))?;
    listening.wait_for_line(&format!("{MARK}-end"), SAYING)
}

fn forget(pod: &Node) -> Result<(), ProcessError> {
    // The first line makes sure that there is something to delete.
    nft(pod, &format!("add table inet {TABLE}\ndelete table inet {TABLE}\n"))
}

/// The rules in the order in which they were crossed, and then all that nft printed.
fn readable(printed: &str) -> String {
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("trace id ") && !line.contains(&format!(" {TABLE} ")))
        .collect();
    let crossed: Vec<String> = lines.iter().filter_map(|line| rule(line)).collect();
    let crossed = if crossed.is_empty() { "none\n".to_owned() } else { crossed.concat() };
    format!(
        "Rules that the flow's first packet crossed:\n{crossed}\nAll that nft told:\n{}\n",
        lines.join("\n")
    )
}

/// The rule in a line of nft's, without the counters that it had some time or other.
fn rule(line: &str) -> Option<String> {
    let (place, rule) = line.strip_prefix("trace id ")?.split_once(" rule ")?;
    let (_, chain) = place.split_once(' ')?;
    let mut rule: Vec<&str> = rule.split_whitespace().collect();
    let is_counter = |words: &[&str]| matches!(words, ["counter", "packets", _, "bytes", _]);
    if let Some(at) = rule.windows(5).position(is_counter) {
        rule.drain(at..at + 5);
    }
    Some(format!("  {chain}: {}\n", rule.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossed_rules_come_first_and_without_what_netsim_added() {
        let printed = "add table inet netsim-mark\n\
            trace id 1 inet netsim-trace output packet: oif \"eth0\" tcp dport 80\n\
            trace id 1 inet netsim-trace output unknown rule handle 3 (verdict continue)\n\
            trace id 1 ip nat OUTPUT packet: oif \"eth0\" tcp dport 80\n\
            trace id 1 ip nat OUTPUT rule meta l4proto tcp  counter packets 2 bytes 120 jump X (verdict jump X)\n\
            trace id 1 ip nat X verdict return\n";
        let shown = readable(printed);
        let first = "Rules that the flow's first packet crossed:\n  ip nat OUTPUT: meta l4proto tcp jump X (verdict jump X)\n\n";
        assert!(shown.starts_with(first), "{shown}");
        assert!(shown.contains("ip nat X verdict return\n") && !shown.contains("netsim"), "{shown}");
    }
}
