"""The site behind every proxy: nginx over TLS, with a count of its requests."""
import re
import urllib.request

from harness.addresses import free_port
from harness.process import Process
from harness.waiting import until

from .peers import LOAD_CORE, SUITE

KIBI, MEBI = 1 << 10, 1 << 20
FILES = {"1k": KIBI, "16k": 16 * KIBI, "1m": MEBI, "100m": 100 * MEBI}

CONFIGURATION = """
daemon off;
user root;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  default_type application/octet-stream;
  keepalive_requests 100000000; keepalive_timeout 3600s;
  client_max_body_size 0; client_body_buffer_size 256k;
  open_file_cache max=16;
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {leaf.chain_file}; ssl_certificate_key {leaf.key_file};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {suite};
    root {folder}/files;
    # Mirroring is what reads the body: it has come in whole before it is answered, or a proxy may
    # lose the connection on which the rest is still under way.
    location /upload {{ mirror /nobody; error_page 404 =200 @done; }}
    location @done {{ return 200 "done"; }}
    location = /nobody {{ internal; return 204; }}
  }}
  server {{
    listen 127.0.0.1:{status_port};
    stub_status;
  }}
}}
"""


class Origin:
    def __init__(self, folder, pki):
        folder.mkdir()
        files = folder / "files"
        files.mkdir()
        for name, size in FILES.items():
            (files / name).write_bytes(b"x" * size)
        self.port, self._status_port = free_port("127.0.0.1"), free_port("127.0.0.1")
        conf = folder / "nginx.conf"
        conf.write_text(CONFIGURATION.format(folder=folder, port=self.port, leaf=pki.pool,
                                             status_port=self._status_port, suite=SUITE))
        self.process = Process(["taskset", "-c", LOAD_CORE, "nginx", "-p", folder, "-c", conf],
                               folder / "origin.log")
        until(self._answers, lambda: f"the origin does not answer:\n{self.process.text()}")

    def _answers(self):
        assert self.process.running, self.process.text()
        try:
            return self.requests() > 0
        except OSError:
            return False

    def requests(self):
        """All that came so far, the questions about it included."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=10) as answer:
            return int(re.search(r"\n +\d+ \d+ (\d+)", answer.read().decode())[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.kill()
