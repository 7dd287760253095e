"""Certificates for tests: an authority, and leaves with every fault that a verifier must see."""
import datetime
import functools
import ipaddress
import pathlib
import ssl
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH


def _now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def _key(kind):
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Leaf:
    """A chain and its key, as PEM text and, once written, as files."""

    def __init__(self, chain, key, context_level=None):
        self.chain, self.key = chain, key
        self.context_level = context_level
        self.chain_file = self.key_file = None

    def write(self, folder, stem):
        self.chain_file = pathlib.Path(folder, f"{stem}.pem")
        self.key_file = pathlib.Path(folder, f"{stem}.key")
        self.chain_file.write_text(self.chain)
        self.key_file.write_text(self.key)
        return self

    def server_context(self, alpn=("http/1.1",), maximum=None, minimum=None):
        """An origin's TLS context with this certificate. Written to files first."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.context_level is not None:  # a weak certificate needs a server that would use it
            context.set_ciphers(f"DEFAULT@SECLEVEL={self.context_level}")
        context.load_cert_chain(self.chain_file, self.key_file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TLS 1.0 is old is why a test asks for it
            if maximum:
                context.maximum_version = maximum
            if minimum:
                context.minimum_version = minimum
        return context


class Authority:
    def __init__(self, name="Contoso Test Root CA", parent=None, key="p256"):
        self.name = name
        self._key = _key(key)
        self._parent = parent
        self.certificate = self._make(
            _name(name), self._key.public_key(), parent or self, days=3650,
            extensions=[(x509.BasicConstraints(ca=True, path_length=None), True),
                        (x509.KeyUsage(False, False, False, False, False, True, True, False, False),
                         True)])
        self.pem = _pem(self.certificate)

    def _make(self, subject, public_key, issuer, *, days=30, start=None, digest=None, extensions=()):
        start = start or _now() - datetime.timedelta(days=1)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(_name(issuer.name))
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(start)
                   .not_valid_after(start + datetime.timedelta(days=days))
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                       issuer._key.public_key()), False))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a SHA-1 signature is what a test wants refused
            return builder.sign(issuer._key, digest or hashes.SHA256())

    def issue(self, *names, addresses=(), cn=None, key="p256", days=90, start=None, eku=SERVER_AUTH,
              sha1=False, with_intermediate=True):
        """A leaf for `names`. Without names and addresses it has no subjectAltName at all, only
        `cn`. With an intermediate authority its certificate follows the leaf unless left out."""
        leaf_key = _key(key)
        extensions = [(x509.BasicConstraints(ca=False, path_length=None), True),
                      (x509.ExtendedKeyUsage([eku]), False)]
        alternatives = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if alternatives:
            extensions.append((x509.SubjectAlternativeName(alternatives), False))
        common_name = cn or (names[0].split("\0")[0] if names else "unnamed")
        leaf = self._make(_name(common_name), leaf_key.public_key(), self, days=days, start=start,
                          digest=hashes.SHA1() if sha1 else None, extensions=extensions)
        chain = _pem(leaf)
        authority = self
        while authority._parent and with_intermediate:
            chain += authority.pem
            authority = authority._parent
        key_text = leaf_key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()).decode()
        weak = sha1 or key == "rsa1024"
        return Leaf(chain, key_text, context_level=0 if weak else None)

    def write(self, folder, stem):
        path = pathlib.Path(folder, f"{stem}.pem")
        path.write_text(self.pem)
        return path


@functools.lru_cache(None)
def authority(name="Contoso Test Root CA"):
    """One authority a name and test process: making keys costs more than most tests."""
    return Authority(name)


def expired():
    return {"start": _now() - datetime.timedelta(days=60), "days": 30}


def not_yet_valid():
    return {"start": _now() + datetime.timedelta(days=2), "days": 30}
