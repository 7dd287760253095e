"""The bench of the scenarios: the real program between a real client and a real origin, and what
the kernel says of whose records it had."""
import contextlib
import hashlib
import pathlib
import random
import ssl

from harness import certificates
from harness.addresses import free_port
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, SITE, allow, configuration, listener
from harness.origin import Origin, answering
from harness.proxy import Proxy

TLS1_2, TLS1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BODY = random.Random(1).randbytes(3_000_000)  # many records, and no whole number of them
DIGEST = hashlib.sha256(BODY).hexdigest()
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def statistics():
    """The kernel's counters, since it started."""
    lines = pathlib.Path("/proc/net/tls_stat").read_text().splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def taken_over(before):
    """(connections whose sending, whose receiving the kernel took over) since `before`."""
    now = statistics()
    return now["TlsTxSw"] - before["TlsTxSw"], now["TlsRxSw"] - before["TlsRxSw"]


class Bench:
    """The proxy between a TLS client of one version and an origin of another (None: plain).
    `folder` is made when it is not there."""

    def __init__(self, pki, folder, answer=None, client=TLS1_2, origin=TLS1_2, ciphers=None,
                 serve=None, **settings):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.pki, self.client_version, self.ciphers = pki, client, ciphers
        context = None
        if origin:
            context = pki.pool.server_context(maximum=origin, minimum=origin)
            if ciphers and origin == TLS1_2:
                context.set_ciphers(ciphers)
        self.origin = Origin(serve or answering(answer), context)
        self.address = ("127.0.0.1", free_port("127.0.0.1"))
        self.proxy = Proxy(folder, configuration(
            [listener("127.0.0.1", https=self.address[1], certificates=[pki.public])],
            [allow(self.origin.port, bridging="https" if origin else "http")],
            roots=[pki.root], workers=1, **{"kernel_tls": True, **settings}))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.origin)
            stack.enter_context(self.proxy)
            # After the detection at start, which the counters count too.
            self.before = statistics()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *what):
        return self._stack.__exit__(*what)

    def client_context(self):
        context = trusting(self.pki.root)
        context.minimum_version = context.maximum_version = self.client_version
        if self.ciphers and self.client_version == TLS1_2:
            context.set_ciphers(self.ciphers)
        return context

    def connect(self, **more):
        return Client(self.address, self.client_context(), PUBLIC_NAME, timeout=20, **more)

    def logged(self):
        """The line of the first request."""
        return self.proxy.until_entries(1)[0]

    def has_pipes(self):
        return self.proxy.pipe_ends() >= 2

    def kernel_had(self, client, upstream):
        line = self.logged()
        found = line["x-client-kernel-tls"], line["x-upstream-kernel-tls"]
        assert found == (client, upstream), found


def digest(body):
    return hashlib.sha256(body).hexdigest()


def download(bench, fields=()):
    with bench.connect() as client:
        response = client.get("/big", fields=fields)
        assert response.status == 200, response
        assert digest(response.body) == DIGEST, len(response.body)


def big(connection, _request):
    connection.respond(BODY)


def make_pki(folder):
    authority = certificates.authority()

    class Pki:
        root = authority.write(folder, "root")
        public = authority.issue(PUBLIC_NAME).write(folder, "public")
        pool = authority.issue(SITE).write(folder, "pool")
    for file in folder.iterdir():
        file.chmod(0o644)
    return Pki
