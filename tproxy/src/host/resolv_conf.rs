//! The name servers of a resolv.conf.
//!
//! Pure: a text comes in. Must never read the file itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

/// What a resolv.conf says of name servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resolver {
    /// The servers, each once. More than the three that glibc asks: others ask them all.
    pub servers: Vec<IpAddr>,
    /// What stands in place of a server and cannot be used, with the reason.
    pub unusable: Vec<(String, String)>,
}

/// Reads the `nameserver` lines (resolv.conf(5)); everything else is passed over.
#[must_use]
pub fn parse(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let Some(word) = words.next() else { continue };
        match word.parse::<IpAddr>() {
            Ok(server) => {
                let server = server.to_canonical();
                if seen.insert(server) {
                    resolver.servers.push(server);
                }
            }
            Err(_) => resolver.unusable.push((word.to_owned(), reason(word).to_owned())),
        }
    }
    resolver
}

/// An address with a scope means one interface's server; capturing it without the scope would capture others' queries.
fn reason(word: &str) -> &'static str {
    match word.split_once('%') {
        Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
            "an address with a scope (%) belongs to one interface only; use --redirect-all-dns-traffic to capture it"
        }
        _ => "it is no IP address",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_taken_once_and_what_is_none_is_told() {
        let text = "# comment\nsearch a b\nnameserver 10.0.0.53\nnameserver\t::ffff:10.0.0.53\n\
                    nameserver fe80::1%eth0\n nameserver fd00::53 # here\nnameserver\nnameserver here\nnameservers 1.1.1.1\n";
        let resolver = parse(text);
        assert_eq!(
            resolver.servers,
            ["10.0.0.53", "fd00::53"].map(|server| server.parse::<IpAddr>().unwrap())
        );
        let unusable: Vec<&str> = resolver.unusable.iter().map(|(server, _)| server.as_str()).collect();
        assert_eq!(unusable, ["fe80::1%eth0", "here"]);
    }
}
