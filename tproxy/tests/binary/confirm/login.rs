//! A log-in to a host on which an installation has to be confirmed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use netsim::node::Identity;
use rstest::rstest;

use super::super::pod::Pod;
use super::{LONG, ended_by_itself, install};

/// A connection from elsewhere to port 22 of the pod: what the server writes is read by the client, or not in time.
struct Login {
    session: TcpStream,
    client: TcpStream,
}

impl Login {
    fn open(pod: &Pod) -> Self {
        let address = pod.sh("ip -o -4 addr show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'");
        let server: SocketAddr = format!("{}:22", address.trim()).parse().unwrap();
        let sshd = pod.node().actor("sshd", Identity::ROOT).unwrap();
        let listener = sshd.run(move || async move { TcpListener::bind(server) }).unwrap().unwrap();
        let client = Self::connect(pod, server).unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        Self { session: listener.accept().unwrap().0, client }
    }

    fn connect(pod: &Pod, server: SocketAddr) -> std::io::Result<TcpStream> {
        let ssh = pod.gateway().actor("ssh", Identity::ROOT).unwrap();
        ssh.run(move || async move { TcpStream::connect_timeout(&server, LONG) }).unwrap()
    }

    fn write(&mut self, text: &str) {
        self.session.write_all(text.as_bytes()).unwrap();
    }

    fn reads(&mut self, text: &str) {
        let mut read = vec![0; text.len()];
        self.client.read_exact(&mut read).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read, text.as_bytes());
    }
}

#[rstest]
fn a_log_in_goes_on_through_install_and_return(#[values("--exclude-inbound-ports 22", "")] flags: &str) {
    let Some(pod) = Pod::start() else { return };
    // As on any host with a firewall that knows states.
    pod.sh("iptables -A INPUT -m conntrack --ctstate INVALID -j DROP");
    let mut login = Login::open(&pod);
    let _shell = install(&pod, "1s", flags);
    for when in ["installed", "returned"] {
        login.write(when);
        login.reads(when);
        ended_by_itself(&pod);
    }
}

#[test]
fn who_locked_himself_out_logs_in_again_after_the_return() {
    let Some(pod) = Pod::start() else { return };
    let mut before = Login::open(&pod);
    let _shell = install(&pod, "2s", "");
    // Nothing tracked connections, so that the kernel takes this one for new.
    before.write("captured half-way");
    before.session.set_read_timeout(Some(LONG)).unwrap();
    let cut = before.session.read(&mut [0]).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset, "{cut}");
    let again = Login::connect(&pod, before.session.local_addr().unwrap());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    ended_by_itself(&pod);
    let mut after = Login::open(&pod);
    after.write("returned");
    after.reads("returned");
}
