"""Steady clients in the background: every request must be answered, and each is remembered."""
import itertools
import ssl
import threading
import time

from .messages import Malformed

_numbers = itertools.count()


class Load:
    """`clients` threads, each asking `target` over and over on keep-alive connections that it
    renews after some requests. `connect()` makes a Client. Use as a context manager."""

    def __init__(self, connect, target="/echo", clients=4, requests_a_connection=15, pause=0.0):
        self._connect, self._target, self._pause = connect, target, pause
        self._requests_a_connection = requests_a_connection
        self._stopping = threading.Event()
        self.sent = []  # the unique number of each request that got its answer
        self.failures = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def _run(self):
        while not self._stopping.is_set():
            try:
                with self._connect() as client:
                    for _ in range(self._requests_a_connection):
                        if self._stopping.is_set():
                            break
                        self._ask(client)
                        if self._pause:
                            time.sleep(self._pause)
            except (OSError, ssl.SSLError, Malformed, AssertionError) as error:
                with self._lock:
                    self.failures.append(repr(error))
                time.sleep(0.01)  # a proxy that is away is not asked without end

    def _ask(self, client):
        number = next(_numbers)
        response = client.get(f"{self._target}?load={number}")
        assert response is not None, "the connection ended instead of an answer"
        assert response.status == 200 and response.complete, response
        with self._lock:
            self.sent.append(number)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def __exit__(self, *_):
        self.stop()
