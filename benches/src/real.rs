//! Programs that others use, in place of netsim's own: wrk and iperf3 call nginx and iperf3 through haproxy, which asks the
//! kernel for the original destination as any sidecar does.
//!
//! All ways are measured in turn, in one pod. A round whose connections haproxy did not count is void.

use std::collections::BTreeMap;
use std::time::Duration;

use netsim::link::{Network, NetworkOptions};
use netsim::load::Sample;
use netsim::node::{Identity, Node, Program, Running};
use netsim::topology::{IpFamily, Topology};

use super::install::tproxy;
use super::way::{WAYS, Way};
use super::{Binaries, Failure};

const ROUNDS: usize = 10;
/// Seconds of a measurement.
const SECONDS: u32 = 1;
/// Longer than one takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const SIDECAR: Identity = Identity::new(5678, 5678);
const APP: Identity = Identity::new(1000, 1000);
/// What Debian has them in.
const PROGRAMS: [(&str, &str); 4] =
    [("wrk", "wrk"), ("iperf3", "iperf3"), ("nginx", "nginx-light"), ("haproxy", "haproxy")];

const FIGURES: [&str; 3] = ["connections/s", "requests/s", "Gbit/s"];

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    if let Some((program, package)) = PROGRAMS.iter().find(|(program, _)| !is_there(program)) {
        return Ok(format!("not measured: there is no {program}; Debian has it in {package}\n"));
    }
    let mut options = NetworkOptions::default();
    options.base.programs.push(("tproxy".to_owned(), binaries.tproxy.clone()));
    let topology = Topology::ready("pod-and-peer")?;
    let network = Network::up(&topology, &options)?;
    let (pod, peer) = (network.node("pod")?, network.node("peer")?);
    let server = topology.address("peer", IpFamily::V4)?.to_string();
    let _servers = [nginx(peer)?, iperf3(peer)?];
    let _haproxy = haproxy(pod, &server)?;
    let mut found: BTreeMap<Way, [Vec<f64>; 3]> = BTreeMap::new();
    let mut ways = WAYS;
    for round in 0..=ROUNDS {
        ways.rotate_left(1);
        for way in ways {
            let figures = measured(pod, way, &server)?;
            // Of the first round, caches are cold.
            for (all, one) in found.entry(way).or_default().iter_mut().zip(figures).filter(|_| round > 0) {
                all.push(one);
            }
        }
    }
    network.down()?;
    Ok(table(&found))
}

fn is_there(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin"].iter().any(|folder| std::path::Path::new(folder).join(program).exists())
}

/// One round of one way.
fn measured(pod: &Node, way: Way, server: &str) -> Result<[f64; 3], Failure> {
    if let Way::Redirected(backend) = way {
        tproxy(pod, &["install", &format!("--backend={backend}")])?;
    }
    let [http, bulk] = match way {
        Way::Straight => ["127.0.0.1:15101".to_owned(), "127.0.0.1 -p 15102".to_owned()],
        _ => [format!("{server}:80"), format!("{server} -p 5201")],
    };
    let before = counted(pod)?;
    let closing = wrk(pod, &["-H", "Connection: close"], &http)?;
    let after = counted(pod)?;
    let passed = after.saturating_sub(before);
    // The last ones of wrk are cut off, and each look at the count is one of haproxy's own.
    let is_as_claimed = if way == Way::Direct { passed <= 2 } else { passed as f64 >= closing.requests };
    if !is_as_claimed {
        return Err(
            format!("{}: haproxy saw {passed} of {} connections", way.name(), closing.requests).into()
        );
    }
    let kept = wrk(pod, &[], &http)?;
    let throughput = gigabits(pod, &bulk)?;
    if let Way::Redirected(_) = way {
        tproxy(pod, &["uninstall"])?;
    }
    Ok([closing.rate, kept.rate, throughput])
}

/// What wrk says.
struct Requests {
    requests: f64,
    rate: f64,
}

fn wrk(pod: &Node, more: &[&str], to: &str) -> Result<Requests, Failure> {
    let duration = format!("{SECONDS}s");
    let words = ["-t1", "-c8", "-d", &duration].into_iter().chain(more.iter().copied());
    let url = format!("http://{to}/");
    let finished =
        Program::new("wrk").args(words).arg(url).identity(APP).deadline(DEADLINE).run(pod)?.checked()?;
    let said = finished.stdout_text();
    if said.contains("Non-2xx") {
        return Err(format!("wrk was not answered as it should: {said}").into());
    }
    let word = |line: Option<&str>, at: usize| {
        let number = line.and_then(|line| line.split_whitespace().nth(at)?.parse::<f64>().ok());
        number.ok_or_else(|| Failure::from(format!("what wrk says is not understood: {said}")))
    };
    Ok(Requests {
        requests: word(said.lines().find(|line| line.contains(" requests in ")), 0)?,
        rate: word(said.lines().find(|line| line.starts_with("Requests/sec:")), 1)?,
    })
}

fn gigabits(pod: &Node, to: &str) -> Result<f64, Failure> {
    let words = format!("-c {to} -t {SECONDS} -f g --connect-timeout 5000");
    let program = Program::new("iperf3").args(words.split(' ')).identity(APP).deadline(DEADLINE);
    let said = program.run(pod)?.checked()?.stdout_text();
    let line = said.lines().find(|line| line.ends_with("receiver"));
    let before_unit =
        line.and_then(|line| line.split_whitespace().rev().skip_while(|word| *word != "Gbits/sec").nth(1));
    let number = before_unit.and_then(|word| word.parse().ok());
    number.ok_or_else(|| format!("what iperf3 says is not understood: {said}").into())
}

/// How many connections haproxy has accepted so far.
fn counted(pod: &Node) -> Result<u64, Failure> {
    const ASK: &str = "
import socket
with socket.create_connection(('127.0.0.1', 15199), timeout=10) as it:
    it.sendall(b'show info\\n')
    print(next(line.split(':')[1] for line in it.makefile() if line.startswith('CumConns:')))";
    let said = Program::new("python3").args(["-c", ASK]).run(pod)?.checked()?.stdout_text();
    said.trim().parse().map_err(|_| format!("what haproxy says is not understood: {said}").into())
}

/// Runs a server until it is dropped; it is ready when it listens on `port`.
fn server(node: &Node, command: &str, port: u16, identity: Identity) -> Result<Running, Failure> {
    let script = format!(
        "{command} >/tmp/server-{port}.log 2>&1 & \
         until ss -ltnH 'sport = :{port}' | grep -q .; do kill -0 $! || exit 1; sleep 0.05; done; echo ready; wait"
    );
    Ok(Program::new("sh").args(["-c", &script]).identity(identity).spawn(node, "ready")?)
}

fn nginx(peer: &Node) -> Result<Running, Failure> {
    let text = "daemon off; pid /tmp/nginx.pid; worker_processes 1; error_log /dev/null; events { worker_connections 4096; }\n\
        http { access_log off; keepalive_requests 1000000; client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;\n\
        fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;\n\
        server { listen 80 backlog=4096; location / { return 200 'hello'; } } }\n";
    peer.write_file("/run/nginx.conf", text)?;
    server(peer, "nginx -c /run/nginx.conf", 80, Identity::ROOT)
}

fn iperf3(peer: &Node) -> Result<Running, Failure> {
    server(peer, "iperf3 -s -p 5201", 5201, Identity::ROOT)
}

/// Takes what is redirected to it on to where it was going (`server 0.0.0.0:0`), and what calls itself to the servers.
fn haproxy(pod: &Node, server_: &str) -> Result<Running, Failure> {
    let text = format!(
        "global\n  maxconn 4096\n  nbthread 1\n  stats socket ipv4@127.0.0.1:15199 level admin\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen captured\n  bind 0.0.0.0:15001\n  server original 0.0.0.0:0\n\
         listen http\n  bind 127.0.0.1:15101\n  server peer {server_}:80\n\
         listen bulk\n  bind 127.0.0.1:15102\n  server peer {server_}:5201\n"
    );
    pod.write_file("/run/haproxy.cfg", text)?;
    server(pod, "haproxy -f /run/haproxy.cfg -db", 15001, SIDECAR)
}

fn table(found: &BTreeMap<Way, [Vec<f64>; 3]>) -> String {
    let mut text = format!("{ROUNDS} rounds in turn, IPv4, MTU 1500; behind each, the ratio to straight\n\n");
    for (way, figures) in found {
        let straight = found.get(&Way::Straight);
        let cells = figures.iter().enumerate().map(|(at, values)| {
            let of_straight = straight.and_then(|all| all.get(at)).into_iter().flatten();
            let ratio: Sample = values.iter().zip(of_straight).map(|(own, other)| own / other).collect();
            let values: Sample = values.iter().copied().collect();
            let name = FIGURES.get(at).copied().unwrap_or_default();
            let decimals = if name == "Gbit/s" { 2 } else { 0 };
            format!("{name} {} ({})", values.spread().show(decimals), ratio.estimate(1).show(2))
        });
        text += &format!("{:16}{}\n", way.name(), cells.collect::<Vec<_>>().join("  "));
    }
    text
}
