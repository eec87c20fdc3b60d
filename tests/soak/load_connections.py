"""Scenarios: thousands of idle connections, and a flood of them past the descriptors."""

import resource
import socket
import struct
import time

from frames import ACK, PING, Connection, Gone, frame
from honest import Honest
from loaded_server import MIB, LoadError, Server, wait_until

HANDSHAKE_S = 8  # within which the server wants to hear HTTP/2
AGAIN_S = 10  # within which it must serve again


def allow_descriptors(count):
    """Raises this process's limit of open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if most != resource.RLIM_INFINITY and most < wanted:
        raise LoadError(f"needs {wanted} open files; the limit is {most} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def silent_socket(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=5)


def is_closed(sock):
    sock.setblocking(False)
    try:
        while sock.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def answers(connection):
    """Whether a connection that was idle still answers a ping."""
    connection.send(frame(PING, 0, 0, b"is there"))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if any(kind == PING and flags & ACK for kind, flags, _, _ in connection.read(1.0)):
            return True
    return False


def idle(folder, count):
    """`count` connections do nothing, half of them not even speak; clients are served meanwhile."""
    allow_descriptors(count)
    caps = [f"--max-connections{of}={count + 50}" for of in ("", "-per-peer")]
    with Server(folder / "idle", *caps) as server, server.bounded() as used:
        honest = Honest(server.address)
        began = time.monotonic()
        silent = [silent_socket(server.address) for _ in range(count // 2)]
        speaking = [Connection(server.address) for _ in range(count - count // 2)]
        opened = time.monotonic() - began
        if opened > HANDSHAKE_S / 2:
            raise LoadError(
                f"{opened:.1f} s to open {count} connections: too slow to have them all"
            )
        wait_until(lambda: server.gauge("ncscope_connections") >= count, 3, "all are open")
        honest.serve()
        if any(map(is_closed, silent)):
            raise LoadError("a silent connection was closed early")
        wait_until(lambda: all(map(is_closed, silent)), 20, "silent connections are closed")
        honest.serve()
        if not all(map(answers, speaking)):
            raise LoadError("an idle connection is dead")
        for connection in [*silent, *speaking]:
            connection.close()
        wait_until(lambda: server.gauge("ncscope_connections") <= 2, 10, "all are closed")
        honest.serve()
        print(f"idle: {count} connections, {used() / MIB:.0f} MiB", flush=True)


def reset(sock):
    """Closes a socket without a farewell."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def flood_once(address, count):
    """Opens connections, a third of which speak; returns those that the server has not refused."""
    sockets = []
    for number in range(count):
        try:
            if number % 3 == 0:
                sockets.append(Connection(address).socket)
            else:
                sockets.append(silent_socket(address))
        except (OSError, Gone):
            pass
    kept = [sock for sock in sockets if not is_closed(sock)]
    for sock in set(sockets) - set(kept):
        sock.close()
    return kept


def flood(folder, count, descriptors=256):
    """Many more connections than the server has descriptors, over and over; then it serves."""
    allow_descriptors(4 * count)
    caps = [f"--max-connections{of}={2 * count}" for of in ("", "-per-peer")]
    with Server(folder / "flood", *caps, descriptors=descriptors) as server:
        with server.bounded() as used:
            honest = Honest(server.address)
            kept = []
            for _ in range(3):
                kept += flood_once(server.address, count)
            if not 0 < len(kept) < descriptors:
                raise LoadError(f"{len(kept)} connections with {descriptors} descriptors")
            for number, sock in enumerate(kept):
                (reset if number % 2 else socket.socket.close)(sock)
            seconds = honest.serve_within(AGAIN_S)
            silent = [silent_socket(server.address) for _ in range(count)]
            later = honest.serve_within(AGAIN_S)  # they stay, and say nothing
            for sock in silent:
                sock.close()
        print(
            f"flood: {4 * count} connections, {descriptors} descriptors; served {seconds:.1f} s"
            f" after it, {later:.1f} s where they stay; {used() / MIB:.0f} MiB",
            flush=True,
        )
