"""Independent HTTP/1.1 parsers that say how many requests they find in the bytes of a connection.

nginx, HAProxy and Apache pass on what they read to Node's parser, which is asked directly too; each
answer says in X-Read what arrived there: method, target, size of the body.
"""
import contextlib
import re
import socket
import subprocess

from .addresses import free_port
from .nginx import wait_for
from .process import Process
from .proxy import REPOSITORY
from .waiting import PATIENCE

NGINX = """
daemon off;
master_process off;
pid {folder}/reader-nginx.pid;
error_log {folder}/reader-nginx-error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/reader-body;
  proxy_temp_path {folder}/reader-proxy;
  fastcgi_temp_path {folder}/reader-fastcgi;
  uwsgi_temp_path {folder}/reader-uwsgi;
  scgi_temp_path {folder}/reader-scgi;
  client_max_body_size 0;
  large_client_header_buffers 8 128k;
  keepalive_requests 1000000;
  proxy_buffer_size 128k;
  proxy_buffers 4 128k;
  underscores_in_headers on;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{node};
      proxy_ignore_client_abort on;
    }}
  }}
}}
"""
HAPROXY = """
global
  tune.bufsize 262144
  tune.maxrewrite 8192
  tune.http.maxhdr 1000
defaults
  mode http
  timeout client 60s
  timeout connect 60s
  timeout server 60s
listen reader
  bind 127.0.0.1:{port}
  server node 127.0.0.1:{node}
"""
APACHE = """
ServerRoot {folder}
ServerName www.example.test
PidFile {folder}/reader-apache.pid
ErrorLog {folder}/reader-apache-error.log
User nobody
Group nogroup
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
Listen 127.0.0.1:{port}
MaxKeepAliveRequests 0
LimitRequestLine 131072
LimitRequestFieldSize 131072
LimitRequestFields 0
AllowEncodedSlashes NoDecode
ProxyPass / http://127.0.0.1:{node}/ nocanon
"""
COMMANDS = {
    "nginx": (NGINX, ["nginx", "-p", "{folder}", "-c", "{file}"]),
    "haproxy": (HAPROXY, ["haproxy", "-db", "-f", "{file}"]),
    "apache": (APACHE, ["apache2", "-d", "{folder}", "-f", "{file}", "-DFOREGROUND"]),
}
READ = re.compile(rb"\r\nX-Read: (\S+) (\S+) (\d+)\r\n", re.IGNORECASE)
STATUS = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)[ \r]")


class Reader:
    def __init__(self, name, port):
        self.name, self._address = name, ("127.0.0.1", port)

    def read(self, data, awaited):
        """-> what it found, as (method, target, size of the body), and the status of each answer.

        Our side is closed once `awaited` answers have come, or none for a while: HAProxy drops the
        requests that it has not answered when it sees the end."""
        with socket.create_connection(self._address, 20 * PATIENCE) as connection:
            answers = bytearray()

            def receive(enough):
                with contextlib.suppress(TimeoutError, ConnectionResetError):
                    while not enough() and (received := connection.recv(65536)):
                        answers.extend(received)
            with contextlib.suppress(OSError):  # it refused before all was sent
                connection.sendall(data)
                receive(lambda: len(found(answers)) >= awaited)
                connection.shutdown(socket.SHUT_WR)
            receive(lambda: False)
        return found(answers), [int(status) for status in STATUS.findall(answers)]


def found(answers):
    return [(method.decode(), target.decode("latin-1"), int(size))
            for method, target, size in READ.findall(answers)]


@contextlib.contextmanager
def running(folder):
    """Yields all of them, Node's first."""
    with contextlib.ExitStack() as stack:
        def start(command, log, **more):
            process = Process(command, folder / log, **more)
            stack.callback(process.kill)
            return process
        node = start(["node", REPOSITORY / "test/e2e/harness/reader.js", "127.0.0.1"],
                     "reader-node.log", stdout=subprocess.PIPE)
        node_port = int(node.child.stdout.readline())
        readers = [Reader("node", node_port)]
        for name, (text, words) in COMMANDS.items():
            port = free_port("127.0.0.1")
            file = folder / f"reader-{name}.conf"
            file.write_text(text.format(folder=folder, port=port, node=node_port))
            process = start([word.format(folder=folder, file=file) for word in words],
                            f"reader-{name}.log")
            wait_for(process, ("127.0.0.1", port))
            readers.append(Reader(name, port))
        yield readers
