"""nginx as an origin: files of any size, ranges, keep-alive; an independent HTTP implementation."""
import contextlib
import socket

from .addresses import free_port
from .process import Process

from .waiting import until

CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/octet-stream;
  types {{ text/html html; text/plain txt; }}
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  client_max_body_size 0;
  keepalive_requests 1000000;
  sendfile on;
  server {{
    listen {address}:{port} {ssl};
    {certificate}
    root {folder}/files;
    location / {{ }}
  }}
}}
"""


@contextlib.contextmanager
def serving(folder, leaf=None, address="127.0.0.1"):
    """Serves FOLDER/files; yields the port. With a written `leaf` over TLS."""
    (folder / "files").mkdir(exist_ok=True)
    port = free_port(address)
    certificate = (f"ssl_certificate {leaf.chain_file}; ssl_certificate_key {leaf.key_file};"
                   if leaf else "")
    (folder / "nginx.conf").write_text(CONFIGURATION.format(
        folder=folder, address=address, port=port, ssl="ssl" if leaf else "",
        certificate=certificate))
    process = Process(["nginx", "-p", folder, "-c", folder / "nginx.conf"], folder / "nginx.log")
    try:
        wait_for(process, (address, port))
        yield port
    finally:
        process.kill()


def wait_for(process, address):
    def listening():
        assert process.running, f"{process.command[0]} ended:\n{process.text()}"
        with socket.socket() as probe:
            return probe.connect_ex(address) == 0
    until(listening, f"{process.command[0]} does not listen on {address}")
