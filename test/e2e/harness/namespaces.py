"""Network namespaces: hosts of a test on this machine, joined by veth pairs."""
import contextlib
import itertools
import os
import subprocess

_counter = itertools.count()


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"
    return done.stdout


class Namespace:
    def __init__(self, role):
        self.name = f"ocs{os.getpid()}-{next(_counter)}-{role}"
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    @property
    def words(self):
        """In front of a command that is to run inside."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *words, check=True):
        done = subprocess.run([*self.words, *map(str, words)], capture_output=True, text=True,
                              check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def delete(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


def join(left, left_address, left_nic, right, right_address, right_nic):
    """A cable between two namespaces; addresses with their prefix length, or None."""
    first, second = (f"v{os.getpid() % 100000}{next(_counter)}{end}" for end in "ab")
    run("ip", "link", "add", first, "type", "veth", "peer", "name", second)
    for nic, namespace, name, address in ((first, left, left_nic, left_address),
                                          (second, right, right_nic, right_address)):
        run("ip", "link", "set", nic, "netns", namespace.name, "name", name)
        if address:
            run("ip", "-n", namespace.name, "address", "add", address, "dev", name)
        run("ip", "-n", namespace.name, "link", "set", name, "up")


@contextlib.contextmanager
def namespaces(*roles):
    made = {}
    try:
        for role in roles:
            made[role] = Namespace(role)
        yield made
    finally:
        for namespace in made.values():
            namespace.delete()
