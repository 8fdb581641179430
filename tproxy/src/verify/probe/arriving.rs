//! A connection that arrives from another network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::place::Neighbour;
use super::socket::{connect, in_words, listen, meet};
use super::token::{self, Token};
use super::{Outcome, Prober};
use crate::family::IpFamily;
use crate::plan::flow::Flow;

/// A new interface may carry nothing for a second: the kernel looks at carriers that often. Then it is tried again.
const ARRIVING: Duration = Duration::from_secs(5);

/// Connects from a namespace made for it, and insists that the connection arrives at the inbound port.
pub(super) fn connection(prober: Prober<'_>, family: IpFamily) -> Result<(), Outcome> {
    if !prober.may_be_anybody() {
        return Err(Outcome::NotProbed("only root can make a network namespace for it".to_owned()));
    }
    let (here, there, prefix) = addresses(family);
    let interface = format!("tproxy-{:.8}", Token::new().label());
    let ports = [token::port(), token::port(), 80, 443].into_iter();
    let included = prober.plan.policy.inbound.include_ports.ranges().map(|range| range.first.get());
    let flow = |port| Flow {
        interface: Some(interface.clone()),
        ..Flow::inbound(SocketAddr::new(here, port), there)
    };
    let (flow, port) = prober.redirected(ports.chain(included).map(flow))?;
    let neighbour = Neighbour::new(&interface, here, there, prefix)
        .map_err(|error| Outcome::NotProbed(format!("no namespace can be joined to this one: {error}")))?;
    let listener = listen(SocketAddr::new(here, port), prober.as_sidecar())?;
    let failed = |error: std::io::Error| {
        Outcome::Fails(format!(
            "a connection from {there} to {} did not arrive at port {port}: {}",
            flow.destination,
            in_words(&error)
        ))
    };
    let mut client = neighbour.run(|| connect(None, flow.destination, ARRIVING)).map_err(failed)?;
    meet(&listener, &mut client).map_err(failed)
}

/// Addresses kept for documentation (RFC 5737, RFC 3849), which no network has; and the length of their prefix.
fn addresses(family: IpFamily) -> (IpAddr, IpAddr, u8) {
    match family {
        IpFamily::V4 => (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(192, 0, 2, 2).into(), 30),
        IpFamily::V6 => {
            let address = |host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0xffff, 0, 0, 0, host));
            (address(1), address(2), 126)
        }
    }
}
