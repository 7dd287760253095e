"""Apache with mod_auth_gssapi and gss-ntlmssp: NTLM that authenticates the connection, as IIS does.

Every answer says in X-User whom the connection belongs to, and in X-Peer-Port which connection of
the proxy it came on.

gss-ntlmssp 1.2.0 (Debian 12) refuses NTLM messages without the eight bytes of VERSION, which curl,
like old clients, leaves out. A hook in Apache puts them in, after the wire and before the login.
"""
import base64
import contextlib
import hashlib

from .addresses import free_port
from .nginx import wait_for
from .process import Process

MODULES = ("mpm_event authn_core authz_core authz_user auth_basic authn_file auth_gssapi headers "
           "lua").split()
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
  LuaHookAccessChecker {folder}/ntlm-version.lua complete
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
# Messages of type 1 and 3 end their fixed part at `head` when VERSION is left out. A field there is
# length, capacity, offset; with eight zero bytes put in, everything behind them is eight further on.
VERSION = r"""
local shapes = {
  ["\1"] = {head = 32, fields = {16, 24}},
  ["\3"] = {head = 64, fields = {12, 20, 28, 36, 44, 52}},
}

local function completed(message)
  local shape = shapes[message:match("^NTLMSSP\0([\1\3])\0\0\0")]
  if not shape or #message < shape.head then return message end
  local payload = #message
  for _, at in ipairs(shape.fields) do
    local length, _, offset = string.unpack("<I2I2I4", message, at + 1)
    if length > 0 then payload = math.min(payload, offset) end
  end
  if payload >= shape.head + 8 then return message end
  local head = message:sub(1, shape.head)
  for _, at in ipairs(shape.fields) do
    local offset = string.unpack("<I4", head, at + 5)
    head = head:sub(1, at + 4) .. string.pack("<I4", offset + 8) .. head:sub(at + 9)
  end
  return head .. ("\0"):rep(8) .. message:sub(shape.head + 1)
end

local function decoded(r, token)
  local message = r:base64_decode(token)  -- without a NUL that it ends in
  local size = #token // 4 * 3 - #token:match("=*$")
  return message .. ("\0"):rep(size - #message)
end

function complete(r)
  local token = (r.headers_in["Authorization"] or ""):match("^NTLM (.+)$")
  if token then
    r.headers_in["Authorization"] = "NTLM " .. r:base64_encode(completed(decoded(r, token)))
  end
  return apache2.DECLINED
end
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
    (folder / "ntlm-version.lua").write_text(VERSION)
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
