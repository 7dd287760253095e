"""A wire that a test can cut: forwards TCP byte for byte, and ends after so many of them."""
import contextlib
import socket
import struct
import threading


class CuttingRelay:
    """Listens on loopback and forwards to `target`. Each accepted connection gets the next plan: a
    tuple (which direction, after how many bytes, "fin" or "rst"), or None for an uncut one."""

    def __init__(self, target, plan):
        self._target, self._plan = target, plan
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = self._listener.getsockname()
        self.port = self.address[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            plan = self._plan()
            lock = threading.Lock()
            for name, source, sink in (("forth", near, far), ("back", far, near)):
                cut = plan[1:] if plan and plan[0] == name else None
                threading.Thread(target=self._forward, args=(source, sink, cut, lock),
                                 daemon=True).start()

    @staticmethod
    def _forward(source, sink, cut, lock):
        left = cut[0] if cut else None
        with contextlib.suppress(OSError):
            while left is None or left:
                data = source.recv(65536 if left is None else min(65536, left))
                if not data:
                    with contextlib.suppress(OSError):
                        sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
                left = None if left is None else left - len(data)
        with lock:
            for end in (sink, source):
                if cut and cut[1] == "rst":
                    with contextlib.suppress(OSError):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
