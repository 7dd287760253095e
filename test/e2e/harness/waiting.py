"""Waiting for a condition, never for luck."""
import os
import time

# Sanitizers and a busy machine slow the program down (OCSPROXY_PATIENCE says how much): a deadline
# of the test is stretched by this, what is expected never is.
PATIENCE = float(os.environ.get("OCSPROXY_PATIENCE", 0)) or \
    {"asan": 3.0, "tsan": 8.0}.get(os.environ.get("OCSPROXY_BUILD", ""), 1.0)


def until(condition, what, seconds=10.0, interval=0.01):
    """Returns the first true value of `condition()`; fails with `what` when none comes in time."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds * PATIENCE:.0f} s in vain: "
                                 f"{what() if callable(what) else what}")
        time.sleep(interval)
