"""A DNS server of the test's own, and a program that knows no other. Needs root."""
import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
NO_SUCH_NAME = 3


class NameServer:
    """Answers on port 53 of a loopback address from `addresses`: name -> IPv4 address, and
    `services`: name -> (target, port) of its SRV record.

    A name that is missing does not exist; one that maps to None gets no answer at all.
    """

    def __init__(self, address, addresses, ttl=1, services=()):
        self.addresses = dict(addresses)
        self.services = dict(services)
        self.questions = []  # (name, type)
        self._ttl = ttl
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self.address = address
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def words(self, folder):
        """In front of a command: its /etc/resolv.conf names this server, and its hosts nobody."""
        resolv, hosts = folder / "resolv.conf", folder / "hosts"
        resolv.write_text(f"nameserver {self.address}\n")
        hosts.write_text("127.0.0.1 localhost\n")
        return ["unshare", "--mount", "sh", "-ec",
                f'mount --bind "{resolv}" /etc/resolv.conf; mount --bind "{hosts}" /etc/hosts; '
                'exec "$@"', "sh"]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.sendto(b"", (self.address, 53))  # which is no question
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                return
            if answer := self._answer(question):
                self._socket.sendto(answer, client)

    # The message format of RFC 1035 section 4: one question, no compression in it.
    def _answer(self, message):
        labels, place = [], 12
        while length := message[place]:
            labels.append(message[place + 1:place + 1 + length].decode())
            place += 1 + length
        name = ".".join(labels).lower()
        kind, = struct.unpack_from(">H", message, place + 1)
        question = message[12:place + 5]
        self.questions.append((name, kind))
        address = self.addresses.get(name, "")
        if address is None:
            return None
        data = b""
        if address and kind == A:
            data = socket.inet_aton(address)
        elif name in self.services and kind == SRV:
            target, port = self.services[name]
            labels = b"".join(bytes([len(label)]) + label.encode() for label in target.split("."))
            data = struct.pack(">HHH", 0, 0, port) + labels + b"\0"
        record = struct.pack(">HHHLH", 0xC00C, kind, 1, self._ttl, len(data)) + data if data else b""
        flags = 0x8180 | (0 if address or name in self.services else NO_SUCH_NAME)
        return message[:2] + struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0) + \
            question + record
