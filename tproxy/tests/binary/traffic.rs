//! Where an application's connection ends, told by packets.

use netsim::node::{Identity, Program, Running};

use super::pod::{APP, Pod};

/// Answers every connection with where it was going, over both families.
pub(crate) const SIDECAR: &str = "
import ipaddress, socket, threading
def serve(family, level, size, at, length):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(('', 15001))
    listener.listen()
    def answer():
        while True:
            connection, _ = listener.accept()
            name = connection.getsockopt(level, 80, size)
            address = ipaddress.ip_address(name[at:at + length])
            connection.sendall(f'{address} {int.from_bytes(name[2:4], \"big\")}'.encode())
            connection.close()
    return threading.Thread(target=answer)
threads = [serve(socket.AF_INET, 0, 16, 4, 4), serve(socket.AF_INET6, 41, 28, 8, 16)]
print('ready', flush=True)
for thread in threads:
    thread.start()
";

const CLIENT: &str = "
import socket, sys
connection = socket.create_connection((sys.argv[1], 80), timeout=10)
print(connection.recv(100).decode())
";

/// A sidecar on the outbound port, until it is dropped.
pub(crate) fn sidecar(pod: &Pod) -> Running {
    let sidecar = Identity::new(5678, 5678);
    Program::new("python3").args(["-c", SIDECAR]).identity(sidecar).spawn(pod.node(), "ready").unwrap()
}

/// Insists that an application's connections over these families end at the sidecar, which learns where they were going.
pub(crate) fn assert_captured(pod: &Pod, addresses: &[&str]) {
    for address in addresses {
        let client = Program::new("python3").args(["-c", CLIENT, address]).identity(APP);
        let finished = client.run(pod.node()).unwrap();
        assert_eq!(finished.stdout_text(), format!("{address} 80\n"), "{finished}");
    }
}

/// Elsewhere, over IPv4 and IPv6.
pub(crate) const BOTH: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
