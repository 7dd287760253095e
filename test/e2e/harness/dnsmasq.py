"""dnsmasq as the DNS of a site: an independent implementation, told what to say."""
import contextlib

from .addresses import free_port, own_address
from .nginx import wait_for
from .process import Process


@contextlib.contextmanager
def serving(folder, addresses, services=()):
    """`addresses`: name -> address, `services`: [(name, target, port)]. Of all else it says that
    there is no such name. Yields IP:PORT."""
    address = own_address()
    port = free_port(address)
    folder.mkdir(exist_ok=True)
    process = Process(
        ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
         "--local=//", "--user=root", "--bind-interfaces", f"--listen-address={address}",
         f"--port={port}",
         *(f"--host-record={name},{found}" for name, found in addresses.items()),
         *(f"--srv-host={name},{target},{to}" for name, target, to in services)],
        folder / "dnsmasq.log")
    try:
        wait_for(process, (address, port))
        yield f"{address}:{port}"
    finally:
        process.kill()
