"""A client of TLS 1.2 that writes records which no TLS library does: empty ones, alerts of any
kind."""
import hashlib
import hmac
import socket
import ssl

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from harness.configuration import PUBLIC_NAME

ALERT, DATA = 21, 23
WARNING, FATAL = 1, 2
# Where the random bytes are in a ServerHello that is the first of its record.
SERVER_RANDOM = slice(11, 43)


def expand(secret, label, seed, size):
    """The PRF of RFC 5246 5 with SHA-256."""
    seed = label + seed
    key, block = b"", seed
    while len(key) < size:
        block = hmac.digest(secret, block, hashlib.sha256)
        key += hmac.digest(secret, block + seed, hashlib.sha256)
    return key[:size]


class Forger:
    """Shakes hands by OpenSSL and seals by itself, with AES-128-GCM (RFC 5288)."""

    def __init__(self, bench, folder):
        self.socket = socket.create_connection(bench.address)
        self.socket.settimeout(30)
        log = folder / "keys.log"
        context = bench.client_context()
        context.set_ciphers("ECDHE+AES128+AESGCM:@SECLEVEL=2")
        context.keylog_filename = str(log)
        self._incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, outgoing, server_hostname=PUBLIC_NAME)
        heard = b""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(outgoing.read())
                data = self.socket.recv(65536)
                heard += data
                self._incoming.write(data)
        self.socket.sendall(outgoing.read())
        _, client_random, master = log.read_text().split()[-3:]
        keys = expand(bytes.fromhex(master), b"key expansion",
                      heard[SERVER_RANDOM] + bytes.fromhex(client_random), 40)
        self._cipher, self._salt = AESGCM(keys[:16]), keys[32:36]
        self._sequence = 1  # Finished was the first

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def record(self, content, kind=DATA):
        number = self._sequence.to_bytes(8, "big")
        self._sequence += 1
        additional = number + bytes([kind, 3, 3]) + len(content).to_bytes(2, "big")
        sealed = number + self._cipher.encrypt(self._salt + number, content, additional)
        return bytes([kind, 3, 3]) + len(sealed).to_bytes(2, "big") + sealed

    def send(self, content, kind=DATA):
        self.socket.sendall(self.record(content, kind))

    def send_data(self, data):
        for at in range(0, len(data), 16384):
            self.send(data[at:at + 16384])

    def warning(self, description, level=WARNING):
        return self.record(bytes([level, description]), ALERT)

    def receive(self):
        """What the proxy says next; b"" at its end. An alert raises ssl.SSLError."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self._incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    def receive_until(self, mark):
        seen = b""
        while mark not in seen:
            data = self.receive()
            assert data, f"it ended: {seen[-200:]!r}"
            seen += data
        return seen
