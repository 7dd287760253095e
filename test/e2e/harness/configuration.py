"""Pieces of a configuration, with the defaults that most tests share."""
import json

PUBLIC_NAME = "www.example.test"
SITE = "pool.example.internal"


def listener(address, name="Edge", *, http=None, https=None, certificates=None, **more):
    """`certificates`: written Leafs. `http`, `https`: a port, or a dict."""
    piece = {"name": name, "networks": ["External"], "addresses": [address]}
    if http:
        piece["http"] = http if isinstance(http, dict) else {"port": http}
    if https:
        piece["https"] = {
            **(https if isinstance(https, dict) else {"port": https}),
            "certificates": [{"chain": str(leaf.chain_file), "key": str(leaf.key_file)}
                             for leaf in certificates]}
    return {**piece, **more}


def allow(port, name="Site", *, listener="Edge", address="127.0.0.1", site=SITE, to=(), **more):
    """An allow rule to `address`:`port`; `to`: more keys of the target."""
    return {"name": name, "action": "allow", "listener": listener, "from": ["External"],
            "public_names": [PUBLIC_NAME], "paths": ["/*"],
            "to": {"site": site, "address": address, "port": port, **dict(to)}, **more}


def deny(*paths, name="Closed", **more):
    return {"name": name, "action": "deny", "paths": list(paths), **more}


# Hundreds of clients with one address, which is what most tests are, would be a flood.
WITHOUT_FLOOD_LIMITS = {"exceptions": [{"from": ["Anywhere"], "unlimited": True}]}


def configuration(listeners, rules, *, roots=(), networks=None, **more):
    """Loopback counts as External, so that tests on one machine look like the outside."""
    piece = {"networks": networks or {"External": ["127.0.0.0/8"]},
             "listeners": listeners, "rules": rules,
             "flood_mitigation": WITHOUT_FLOOD_LIMITS,
             "access_log": {"path": "log/access.log", "format": "w3c"},
             "workers": 2, "drain": "5s", **more}
    if roots:
        piece["trusted_roots"] = [str(root) for root in roots]
    return piece


def write(folder, settings):
    """YAML in flow style, which JSON is."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    path = folder / "ocsproxy.yaml"
    temporary = folder / "ocsproxy.yaml.new"
    temporary.write_text(settings if isinstance(settings, str) else
                         json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path
