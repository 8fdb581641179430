//! What leaves this host: the sidecar calling it, an application's connection, an application's query.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::unistd::getegid;

use super::place::as_user;
use super::socket::{ANSWERING, connect, in_words, listen, meet, receive};
use super::token::{self, Token};
use super::{Outcome, Prober};
use crate::family::IpFamily;
use crate::plan::flow::{Flow, Protocol};

/// Kuma's figures: this many tries a second apart, and how long a connection may take.
const TRIES: u32 = 11;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const CONNECTING: Duration = Duration::from_millis(50);
/// Users that an application may have, where root may choose: nobody, the first ordinary one, a daemon, root.
const APPLICATIONS: [u32; 4] = [65_534, 1000, 1, 0];
const DNS: u16 = 53;

/// Listens at the inbound port, and connects from localhost to the passthrough address: a connection that only the
/// redirection brings back (Kuma behaviour). Both as user `uid`, or as whoever runs this.
pub fn to_self_at(family: IpFamily, port: u16, uid: Option<u32>, progress: &mut dyn FnMut(&str)) -> Outcome {
    let listener = match listen(SocketAddr::new(family.localhost(), port), uid) {
        Ok(listener) => listener,
        Err(outcome) => return outcome,
    };
    let source = SocketAddr::new(family.localhost(), 0);
    let mut last = String::new();
    for turn in 1..=TRIES {
        let destination = SocketAddr::new(family.passthrough(), token::port());
        let connected = as_user(uid, || connect(Some(source), destination, CONNECTING));
        match connected.and_then(|mut client| meet(&listener, &mut client)) {
            Ok(()) => return Outcome::Works,
            Err(error) => {
                last = format!("a connection to {destination} did not come back: {}", in_words(&error));
            }
        }
        progress(&format!("[{turn}/{TRIES}] {last}"));
        if turn < TRIES {
            std::thread::sleep(BETWEEN_TRIES);
        }
    }
    Outcome::Fails(last)
}

/// Connects to an address of the world outside, and insists that the connection arrives at the outbound port.
pub(super) fn connection(prober: Prober<'_>, family: IpFamily) -> Result<(), Outcome> {
    let included = prober.plan.policy.outbound.include_ports.ranges().map(|range| range.first.get());
    let ports: Vec<u16> = [token::port(), token::port(), 80, 443].into_iter().chain(included).collect();
    let flows = applications(prober).flat_map(|uid| {
        ports.iter().map(move |port| (SocketAddr::new(family.elsewhere(), *port), uid)).collect::<Vec<_>>()
    });
    let (flow, port) =
        prober.redirected(flows.map(|(destination, uid)| owned(Flow::outbound(destination, uid))))?;
    let listener = listen(SocketAddr::new(family.localhost(), port), prober.as_sidecar())?;
    let failed = |error: io::Error| failed("a connection", flow.destination, port, &error);
    let mut client =
        as_user(sender(prober, &flow), || connect(None, flow.destination, ANSWERING)).map_err(failed)?;
    meet(&listener, &mut client).map_err(failed)
}

/// Asks a name server, and insists that the question arrives at the DNS port and that its answer comes back as the
/// server's.
pub(super) fn query(prober: Prober<'_>, family: IpFamily) -> Result<(), Outcome> {
    let Some(dns) = prober.plan.policy.dns_of(family) else {
        let why = if prober.plan.policy.dns.is_some() {
            format!("no {} name server is known, so that its queries are not captured", family.title())
        } else {
            "DNS capture is off".to_owned()
        };
        return Err(Outcome::NotProbed(why));
    };
    if !prober.may_be_anybody() {
        return Err(Outcome::NotProbed(
            "only root can ask as an application and answer as the sidecar".to_owned(),
        ));
    }
    let servers: Vec<IpAddr> = dns.servers.clone().unwrap_or_else(|| vec![family.elsewhere()]);
    let flows = applications(prober).flat_map(|uid| servers.iter().map(move |server| (*server, uid)));
    let flows = flows.filter(|(server, _)| IpFamily::of(*server) == family);
    let (flow, port) = prober.redirected(flows.map(|(server, uid)| {
        owned(Flow { protocol: Protocol::Udp, ..Flow::outbound(SocketAddr::new(server, DNS), uid) })
    }))?;
    let sidecar = receive(SocketAddr::new(family.localhost(), port), prober.as_sidecar())?;
    let failed = |error: io::Error| failed("a DNS query", flow.destination, port, &error);
    let unspecified = SocketAddr::new(unspecified(family), 0);
    let application = as_user(sender(prober, &flow), || UdpSocket::bind(unspecified)).map_err(failed)?;
    application.connect(flow.destination).map_err(failed)?;
    application.set_read_timeout(Some(ANSWERING)).map_err(failed)?;
    let question = Token::new();
    application.send(&message(&question)).map_err(failed)?;
    answer(&sidecar, &question, &application).map_err(failed)
}

/// Answers the question with a token of its own, which nobody knows who only saw the question.
fn answer(sidecar: &UdpSocket, question: &Token, application: &UdpSocket) -> io::Result<()> {
    let (answer, mut seen) = (Token::new(), [0; 512]);
    let asker = loop {
        let (size, asker) = sidecar.recv_from(&mut seen)?;
        // Others may be asking, too.
        if seen.get(..size) == Some(message(question).as_slice()) {
            break asker;
        }
    };
    sidecar.send_to(answer.bytes(), asker)?;
    let size = application.recv(&mut seen)?;
    if seen.get(..size) == Some(answer.bytes()) {
        Ok(())
    } else {
        Err(io::Error::other("somebody else answered"))
    }
}

/// A question for the address of `TOKEN.invalid` (RFC 1035, RFC 6761), harmless where it gets to a server.
fn message(token: &Token) -> Vec<u8> {
    let [first, second] =
        [token.bytes().first(), token.bytes().last()].map(|byte| byte.copied().unwrap_or_default());
    // An id, recursion desired, one question.
    let mut message = vec![first, second, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [token.label().as_str(), "invalid", ""] {
        message.push(u8::try_from(label.len()).unwrap_or_default());
        message.extend(label.as_bytes());
    }
    // Type A, class IN.
    message.extend([0, 1, 0, 1]);
    message
}

/// The users that an application may be here.
fn applications(prober: Prober<'_>) -> impl Iterator<Item = u32> {
    let choice = if prober.may_be_anybody() { APPLICATIONS.to_vec() } else { vec![prober.own_uid] };
    choice.into_iter()
}

/// Groups stay as they are.
fn owned(flow: Flow) -> Flow {
    Flow { gid: Some(getegid().as_raw()), ..flow }
}

/// Whom to be in order to send a flow.
fn sender(prober: Prober<'_>, flow: &Flow) -> Option<u32> {
    flow.uid.filter(|_| prober.may_be_anybody())
}

fn failed(what: &str, destination: SocketAddr, port: u16, error: &io::Error) -> Outcome {
    match error.kind() {
        // The kernel looks for a way before it looks at any rule.
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            Outcome::NotProbed(format!("there is no route to {}: {error}", destination.ip()))
        }
        _ => {
            let why = in_words(error);
            Outcome::Fails(format!("{what} to {destination} did not arrive at port {port}: {why}"))
        }
    }
}

fn unspecified(family: IpFamily) -> IpAddr {
    match family {
        IpFamily::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpFamily::V6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
