"""System calls of the program that fail when the test says so (test/preload/fail_calls.cpp)."""
import contextlib
import errno
import mmap
import os
import pathlib
import struct

BUILT = pathlib.Path(os.environ.get("OCSPROXY_BINARY", ""))
PRELOADED = BUILT.parents[1] / "test/preload/libfail_calls.so" if BUILT.name else BUILT
CALLS = ("accept4", "recv", "send", "sendmsg", "socket", "connect", "epoll_add", "writev", "pipe2",
         "splice")
ORDERS = struct.Struct("=IIQQ")  # one in so many, errno, calls, failures


class FailingCalls:
    def __init__(self, folder):
        assert PRELOADED.is_file(), f"{PRELOADED} is not built"
        library = folder / PRELOADED.name
        library.write_bytes(PRELOADED.read_bytes())
        library.chmod(0o755)
        orders = folder / "failing-calls"
        orders.write_bytes(bytes(ORDERS.size * len(CALLS)))
        orders.chmod(0o666)
        with open(orders, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": str(library), "FAIL_CALLS": str(orders)}

    def _write(self, call, number, one_in):
        ORDERS.pack_into(self._memory, ORDERS.size * CALLS.index(call), one_in, number, 0, 0)

    def failed(self, call):
        return ORDERS.unpack_from(self._memory, ORDERS.size * CALLS.index(call))[3]

    @contextlib.contextmanager
    def failing(self, call, name, one_in):
        """`name` of an errno. Something must have failed by the end."""
        self._write(call, getattr(errno, name), one_in)
        try:
            yield
            assert self.failed(call), f"no {call} failed"
        finally:
            self._write(call, 0, 0)

    def close(self):
        self._memory.close()
