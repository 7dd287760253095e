"""Loopback addresses and ports that nobody else has."""
import itertools
import os
import socket

_counter = itertools.count()


def own_address():
    """An address of 127/8 for one process of a test: with an own address no port can be taken by
    the outgoing connection of somebody else between choosing it and binding it."""
    number = next(_counter)
    process = os.getpid() % 60000
    return f"127.{10 + number % 200}.{process // 250}.{1 + process % 250}"


def free_port(address):
    """A port from the kernel that is free on `address` now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def established(address):
    """How many connections to `address`, a (host, port) of IPv4, its server has."""
    host, port = address
    local = f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1] == local and row[3] == "01" for row in rows)


def refused_port(address):
    """A port where nobody listens, and nobody will: the socket stays bound as long as it is kept."""
    keeper = socket.socket()
    keeper.bind((address, 0))
    return keeper, keeper.getsockname()[1]
