"""Apache with mod_auth_gssapi and gss-ntlmssp: NTLM that authenticates the connection, as IIS does.

Every answer says in X-User whom the connection belongs to, and in X-Peer-Port which connection of
the proxy it came on.
"""
import base64
import contextlib
import hashlib

from .addresses import free_port
from .nginx import wait_for
from .process import Process

MODULES = "mpm_event authn_core authz_core authz_user auth_basic authn_file auth_gssapi headers".split()
CONFIGURATION = """
ServerRoot {folder}
ServerName pool.example.internal
PidFile {folder}/apache.pid
ErrorLog {folder}/apache-error.log
LogLevel warn
User nobody
Group nogroup
{modules}
Listen {address}:{port}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot {folder}/apache
{tls}
<Location "/">
  Require all granted
  Header always set X-Peer-Port "expr=%{{REMOTE_PORT}}"
</Location>
<Location "/ntlm">
  AuthType GSSAPI
  AuthName Pool
  GssapiAllowedMech ntlmssp
  GssapiConnectionBound On
  Require valid-user
  Header always set X-User "expr=%{{REMOTE_USER}}"
</Location>
<Location "/basic">
  AuthType Basic
  AuthName Pool
  AuthBasicProvider file
  AuthUserFile {folder}/apache-basic
  Require valid-user
  Header always set X-User "expr=%{{REMOTE_USER}}"
</Location>
"""
TLS = """
SSLEngine on
SSLCertificateFile {chain}
SSLCertificateKeyFile {key}
"""


@contextlib.contextmanager
def serving(folder, users, leaf=None, address="127.0.0.1"):
    """`users`: {name: password}, all of the domain CONTOSO. Yields the port."""
    port = free_port(address)
    files = folder / "apache"
    for name in ("ntlm", "basic", "open"):
        (files / name).mkdir(parents=True, exist_ok=True)
        (files / name / "page.txt").write_text(f"{name} page\n")
    ntlm_users = folder / "ntlm-users"
    ntlm_users.write_text("".join(f"CONTOSO:{user}:{word}\n" for user, word in users.items()))
    (folder / "apache-basic").write_text("".join(
        f"{user}:{{SHA}}{sha1(word)}\n" for user, word in users.items()))
    modules = [*MODULES, *(["ssl"] if leaf else [])]
    (folder / "apache.conf").write_text(CONFIGURATION.format(
        folder=folder, address=address, port=port,
        modules="\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                          for name in modules),
        tls=TLS.format(chain=leaf.chain_file, key=leaf.key_file) if leaf else ""))
    process = Process(["apache2", "-d", folder, "-f", folder / "apache.conf", "-DFOREGROUND"],
                      folder / "apache.log", environment={"NTLM_USER_FILE": str(ntlm_users)})
    try:
        wait_for(process, (address, port))
        yield port
    finally:
        process.kill()


def sha1(password):
    """Apache's {SHA} form of a password file."""
    return base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
