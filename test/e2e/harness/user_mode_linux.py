"""A kernel of its own for a test: Debian's user-mode Linux, on this machine's files."""
import pathlib
import shutil

from .process import Process

BOOT = pathlib.Path(__file__).resolve().parents[1] / "kernel_tls/boot.sh"


def available():
    return shutil.which("linux.uml") is not None


def run(folder, command, seconds=300, memory="768M"):
    """Runs `command` under kernel TLS; (exit status, output). `folder` is shared with it."""
    folder = pathlib.Path(folder)
    (folder / "command").write_text("\n".join(map(str, command)) + "\n", encoding="utf-8")
    kernel = Process(
        ["linux.uml", f"mem={memory}", "rootfstype=hostfs", "rootflags=/", "rw", "con=null",
         "con0=null,fd:1", "quiet", f"init={BOOT}", "--", folder], folder / "console")
    try:
        kernel.wait(seconds)
    finally:
        kernel.kill()  # with the processes that are its tasks
    status = folder / "status"
    if not status.exists():
        raise AssertionError(f"the kernel did not come to the command:\n{kernel.text()[-4000:]}")
    return int(status.read_text()), (folder / "output").read_text(errors="replace")
