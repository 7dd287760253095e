"""An NTLMv2 client (MS-NLMP), so that a test can stop, mix up and replay the legs of a handshake."""
import base64
import hmac
import os
import struct

NEGOTIATE = 0xA2888207  # Unicode, request target, NTLM, extended session security, 128 and 56 bit


def md4(data):
    """RFC 1320; OpenSSL 3 has it in its legacy provider only."""
    def rotate(value, bits):
        value &= 0xFFFFFFFF
        return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF

    rounds = [
        (lambda x, y, z: x & y | ~x & z, 0, list(range(16)), (3, 7, 11, 19)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5A827999,
         [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1,
         [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15))]
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    for at in range(0, len(padded), 64):
        words = struct.unpack("<16I", padded[at:at + 64])
        a, b, c, d = state
        for mix, constant, order, shifts in rounds:
            for step, word in enumerate(order):
                a = rotate(a + mix(b, c, d) + words[word] + constant, shifts[step % 4])
                a, b, c, d = d, a, b, c
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d))]
    return struct.pack("<4I", *state)


def md5_mac(key, data):
    return hmac.new(key, data, "md5").digest()


def negotiate():
    """Type 1, as the text after `NTLM `."""
    message = b"NTLMSSP\0" + struct.pack("<II", 1, NEGOTIATE) + bytes(16) + b"\x0a\0\0\0\0\0\0\x0f"
    return base64.b64encode(message).decode()


def authenticate(challenge, user, password, domain="CONTOSO"):
    """Type 3 in answer to a type 2."""
    message = base64.b64decode(challenge)
    assert message[:12] == b"NTLMSSP\0\2\0\0\0", message[:16]
    flags = struct.unpack_from("<I", message, 20)[0] & NEGOTIATE
    size, _, offset = struct.unpack_from("<HHI", message, 40)
    server, info = message[24:32], message[offset:offset + size]
    key = md5_mac(md4(password.encode("utf-16-le")), (user.upper() + domain).encode("utf-16-le"))
    timestamp = av_pairs(info).get(7, bytes(8))
    blob = b"\1\1" + bytes(6) + timestamp + os.urandom(8) + bytes(4) + info + bytes(4)
    response = md5_mac(key, server + blob) + blob
    payload, heads, at = b"", b"", 72
    for part in (bytes(24), response, domain.encode("utf-16-le"), user.encode("utf-16-le"),
                 "TEST".encode("utf-16-le"), b""):
        heads += struct.pack("<HHI", len(part), len(part), at + len(payload))
        payload += part
    return base64.b64encode(b"NTLMSSP\0\3\0\0\0" + heads + struct.pack("<I", flags) +
                            b"\x0a\0\0\0\0\0\0\x0f" + payload).decode()


def av_pairs(info):
    pairs = {}
    while len(info) >= 4:
        kind, size = struct.unpack_from("<HH", info)
        pairs[kind] = info[4:4 + size]
        info = info[4 + size:]
    return pairs


class Login:
    """One handshake on one client connection, leg by leg. `ask` sends a request and returns the
    response: ask(fields) -> Response."""

    def __init__(self, ask, user, password):
        self._ask, self.user, self._password = ask, user, password

    def begin(self):
        """Leg 1; returns the challenge."""
        response = self._ask([f"Authorization: NTLM {negotiate()}"])
        assert response is not None and response.status == 401, response
        offers = [value for value in response.all("www-authenticate") if value.startswith("NTLM ")]
        assert offers, response
        return offers[0].removeprefix("NTLM ")

    def finish(self, challenge):
        """Leg 3; returns the site's answer."""
        return self._ask([f"Authorization: NTLM "
                          f"{authenticate(challenge, self.user, self._password)}"])

    def run(self):
        return self.finish(self.begin())
