//! `tproxy validate`, kumactl's `install transparent-proxy-validator`.
//!
//! It listens where the sidecar is going to listen, and connects, as the sidecar, to the passthrough source: a
//! connection that only the redirection brings back here (the line `outbound/sidecar-to-self`).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use clap::Args;
use socket2::{Domain, Socket, Type};

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::sources;
use crate::config::ports::Port;
use crate::config::{Config, IpFamilyMode};
use crate::family::IpFamily;
use crate::host;

/// Kuma's figures: this many tries a second apart, and how long a connection may take.
const TRIES: u32 = 11;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const CONNECTING: Duration = Duration::from_millis(50);
/// First of the 10,000 ports that one is drawn from.
const FIRST_PORT: u16 = 20_000;

/// The flags of `tproxy validate`.
#[derive(Debug, Args)]
#[command(after_help = "Example: runuser -u kuma-dp -- tproxy validate --ip-family-mode ipv4")]
pub(super) struct Validate {
    /// IP families to try: dualstack or ipv4 [default: dualstack]
    #[arg(long, value_name = "MODE")]
    ip_family_mode: Option<String>,
    /// Inbound port of the sidecar, which must not listen yet [default: 15006]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    validation_server_port: Option<u16>,
    /// Configuration files as for --config of install; what they say wins over both flags above
    #[arg(long, value_name = "FILES")]
    transparent_proxy_config: Vec<String>,
}

impl Validate {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let config = self.configuration(surroundings)?;
        let port = config.inbound.port.map_or(0, Port::get);
        let without_ipv6 = match config.ip_family_mode {
            IpFamilyMode::Ipv4 => Some("the configuration is for IPv4 only".to_owned()),
            IpFamilyMode::DualStack => host::facts(&Config::default())?.without_ipv6,
        };
        let mut failures = Vec::new();
        for family in IpFamily::ALL {
            match without_ipv6.as_ref().filter(|_| family == IpFamily::V6) {
                Some(reason) => surroundings.tell(format!("# IPv6 is not tried: {reason}")),
                None => match attempt(family, port, surroundings) {
                    Ok(()) => surroundings.tell(format!("# {}: validation successful", family.title())),
                    Err(why) => failures.push(format!("{}: {why}", family.title())),
                },
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(CliError::Validation(format!("validation failed: {}", failures.join("; "))))
    }

    /// Files alone, or else both flags; no variable counts (Kuma behaviour).
    fn configuration(&self, surroundings: &mut Surroundings<'_>) -> Result<Config, CliError> {
        let mut flags =
            ConfigurationFlags { files: self.transparent_proxy_config.clone(), ..Default::default() };
        if flags.files.is_empty() {
            flags.flags = self.ip_family_mode.iter().map(|mode| ("ip-family-mode", mode.clone())).collect();
        }
        let variables = std::mem::take(&mut surroundings.variables);
        let resolved = sources::configuration(&flags, surroundings);
        surroundings.variables = variables;
        let mut config = resolved?.config;
        if let Some(port) = self.validation_server_port.filter(|_| flags.files.is_empty()) {
            config.inbound.port = Port::new(port);
        }
        Ok(config)
    }
}

fn attempt(family: IpFamily, port: u16, surroundings: &mut Surroundings<'_>) -> Result<(), String> {
    let address = SocketAddr::new(family.localhost(), port);
    let listener = TcpListener::bind(address).map_err(|error| {
        format!("cannot listen on {address}: {error}; validate before the sidecar starts")
    })?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let mut last = String::new();
    for turn in 1..=TRIES {
        match connect(family, &listener) {
            Ok(()) => return Ok(()),
            Err(why) => last = why,
        }
        surroundings.tell(format!("# {} [{turn}/{TRIES}] {last}", family.title()));
        if turn < TRIES {
            std::thread::sleep(BETWEEN_TRIES);
        }
    }
    Err(format!("{last}; install first, and run this as the sidecar's user"))
}

/// Connects to the passthrough source, and insists that the connection arrives at `listener`.
fn connect(family: IpFamily, listener: &TcpListener) -> Result<(), String> {
    let destination = SocketAddr::new(family.passthrough(), random_port());
    let failed = |error: std::io::Error| format!("a connection to {destination} did not come back: {error}");
    let domain = if family == IpFamily::V4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM, None).map_err(failed)?;
    socket.bind(&SocketAddr::new(family.localhost(), 0).into()).map_err(failed)?;
    socket.connect_timeout(&destination.into(), CONNECTING).map_err(failed)?;
    let own: Option<IpAddr> = socket.local_addr().ok().and_then(|own| own.as_socket()).map(|own| own.ip());
    match listener.accept() {
        Ok((_, peer)) if Some(peer.ip()) == own => Ok(()),
        _ => Err(format!("a connection to {destination} went to somebody else")),
    }
}

fn random_port() -> u16 {
    let number = RandomState::new().build_hasher().finish() % 10_000;
    FIRST_PORT + u16::try_from(number).unwrap_or(0)
}
