"""The sidecar of a guest: answers each connection with where it was going to, and tells systemd when it listens."""

import os
import socket
import struct

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h

server = socket.create_server(("0.0.0.0", 15001))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
    systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    connection, _ = server.accept()
    with connection:
        _, port, address = struct.unpack("!HH4s8x", connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
        connection.sendall(f"sidecar for {socket.inet_ntoa(address)}:{port}\n".encode())
