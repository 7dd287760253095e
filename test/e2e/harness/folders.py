"""Folders that the unprivileged account can read, and that go away with the test."""
import contextlib
import os
import pathlib
import pwd
import shutil
import tempfile

UNPRIVILEGED = "nobody"


@contextlib.contextmanager
def public_folder(prefix="ocsproxy-e2e-"):
    """World-readable, unlike pytest's own; kept for a look when OCSPROXY_KEEP is set."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if "OCSPROXY_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


def give_to_unprivileged(path):
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(path, account.pw_uid, account.pw_gid)
