"""The proxies that are compared: the same work for each, in its own words.

TLS 1.3 with TLS_AES_128_GCM_SHA256 on both sides, the site's chain and name verified, connections
to the site kept, one host and path, X-Forwarded-For and -Proto set, no access log. Where a peer has
a setting that spares it work (temporary files, buffering of uploads), it has it.
"""
import json
import pathlib
import re
import subprocess

from harness.configuration import PUBLIC_NAME, SITE
from harness.process import Process, children
from harness.waiting import until

SUITE = "TLS_AES_128_GCM_SHA256"
PROXY_CORE, LOAD_CORE = "0", "1"


class Peer:
    """A proxy, listening on `port` of 127.0.0.1, in front of the origin on `origin_port`."""

    name = ""
    # The part of its connections that it may lose and is measured all the same: some close one now
    # and then because the site answered before the whole upload had come.
    may_lose = 0.001

    def __init__(self, folder, pki, port, origin_port, workers=1, cores=PROXY_CORE):
        self.folder, self.pki = pathlib.Path(folder), pki
        self.port, self.origin_port, self.workers = port, origin_port, workers
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.process = Process(["taskset", "-c", cores, *map(str, self.command())],
                               self.folder / f"{self.name}.log")
        until(self._answers, lambda: f"{self.name} does not answer:\n{self.process.text()}", 60)

    def command(self):
        raise NotImplementedError

    def _answers(self):
        assert self.process.running, f"{self.name} ended:\n{self.process.text()}"
        return subprocess.run(
            ["curl", "-s", "-o", self.folder / "answer", "--cacert", self.pki.root,
             "--resolve", f"{PUBLIC_NAME}:{self.port}:127.0.0.1", "--fail",
             f"https://{PUBLIC_NAME}:{self.port}/1k"], check=False).returncode == 0

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def pids(self):
        found, queue = [], [self.process.pid]
        while queue:
            found.append(queue.pop())
            queue += children(found[-1])
        return found

    def stop(self):
        self.process.terminate(60)
        self.process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def first_line(*command):
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).splitlines()[0]


class Ocsproxy(Peer):
    name = "ocsproxy"
    may_lose = 0
    binary = None  # set by whoever runs the benchmark
    access_log = False

    @classmethod
    def version(cls):
        return first_line(cls.binary, "--version")

    def command(self):
        conf = self.folder / "conf"
        conf.mkdir()
        conf.chmod(0o755)
        settings = {
            "networks": {"External": ["127.0.0.0/8"]}, "trusted_roots": [str(self.pki.root)],
            "listeners": [{
                "name": "Web", "networks": ["External"], "addresses": ["127.0.0.1"],
                "limits": {"connections": 100000},
                "timeouts": {"idle": "1h"},
                "https": {"port": self.port, "certificates": [
                    {"chain": str(self.pki.public.chain_file),
                     "key": str(self.pki.public.key_file)}]}}],
            "rules": [{"name": "Site", "action": "allow", "listener": "Web", "from": ["External"],
                       "public_names": [PUBLIC_NAME], "paths": ["/*"],
                       "to": {"site": SITE, "address": "127.0.0.1", "port": self.origin_port}}],
            # All load comes from a few addresses. What they do is counted, as it is in production.
            "flood_mitigation": {limit: 10_000_000 for limit in (
                "connections_per_minute", "concurrent_connections", "half_open",
                "requests_per_minute", "denied_per_minute")},
            "workers": self.workers}
        if self.access_log:
            (conf / "log").mkdir()
            settings["access_log"] = {"path": "log/access.log"}
        (conf / "ocsproxy.yaml").write_text(json.dumps(settings), encoding="utf-8")
        return [self.binary, conf]


class OcsproxyWithLog(Ocsproxy):
    name = "ocsproxy with access log"
    access_log = True


class Nginx(Peer):
    name = "nginx"

    @classmethod
    def version(cls):
        return first_line("nginx", "-v")

    def command(self):
        return ["nginx", "-p", self.folder, "-c", self.write("nginx.conf", f"""
daemon off;
user root;
worker_processes {self.workers};
pid {self.folder}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  keepalive_requests 100000000; keepalive_timeout 3600s;
  client_max_body_size 0;
  upstream pool {{
    server 127.0.0.1:{self.origin_port};
    keepalive 1024; keepalive_requests 100000000; keepalive_timeout 60s;
  }}
  server {{
    listen 127.0.0.1:{self.port} ssl reuseport backlog=4096;
    server_name {PUBLIC_NAME};
    ssl_certificate {self.pki.public.chain_file}; ssl_certificate_key {self.pki.public.key_file};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {SUITE};
    location / {{
      proxy_pass https://pool;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header Host {SITE};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites {SUITE};
      proxy_ssl_verify on; proxy_ssl_verify_depth 2;
      proxy_ssl_trusted_certificate {self.pki.root};
      proxy_ssl_name {SITE}; proxy_ssl_server_name on;
    }}
  }}
}}
""")]


class Haproxy(Peer):
    name = "HAProxy"

    @classmethod
    def version(cls):
        return re.sub(r" - .*", "", first_line("haproxy", "-v"))

    def command(self):
        pem = self.write("public.pem", self.pki.public.chain + self.pki.public.key)
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", f"""
global
  nbthread {self.workers}
  maxconn 10100
  no strict-limits
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites {SUITE}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites {SUITE}
defaults
  mode http
  http-reuse always
  timeout client 1h
  timeout http-keep-alive 1h
  timeout server 1h
  timeout connect 5s
frontend web
  bind 127.0.0.1:{self.port} ssl crt {pem} alpn http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header Host {SITE}
  use_backend pool if {{ hdr(host) -i {SITE} }} {{ path_beg / }}
backend pool
  server site 127.0.0.1:{self.origin_port} ssl verify required ca-file {self.pki.root} verifyhost {SITE} sni str({SITE}) pool-max-conn -1
""")]


class H2o(Peer):
    """Its name check is of the URL's host, so the origin's certificate names the address too."""
    name = "h2o"

    @classmethod
    def version(cls):
        return first_line("h2o", "--version")

    def command(self):
        return ["h2o", "-c", self.write("h2o.conf", f"""
user: root
num-threads: {self.workers}
max-connections: 12000
http1-request-timeout: 3600
listen:
  host: 127.0.0.1
  port: {self.port}
  ssl:
    certificate-file: {self.pki.public.chain_file}
    key-file: {self.pki.public.key_file}
    minimum-version: TLSv1.2
    cipher-suite: ECDHE-ECDSA-AES128-GCM-SHA256
hosts:
  "{PUBLIC_NAME}:{self.port}":
    paths:
      "/":
        proxy.reverse.url: "https://127.0.0.1:{self.origin_port}/"
        proxy.preserve-host: OFF
        proxy.timeout.keepalive: 60000
        proxy.ssl.cafile: {self.pki.root}
        proxy.ssl.verify-peer: ON
""")]


PEERS = [Ocsproxy, Nginx, Haproxy, H2o]
