# SPDX-License-Identifier: MIT
"""A brim-tiles that runs for a test, and what tests ask of it."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 30  # seconds for what must happen


class Failed(Exception):
    pass


def expect(truth, what):
    if not truth:
        raise Failed(what)


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, f"not in {PATIENCE} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def environment():
    """What the libraries between, which are built without sanitizers, are known for is not reported."""
    env = dict(os.environ)
    for name, file in (("LSAN_OPTIONS", "lsan.supp"), ("TSAN_OPTIONS", "tsan.supp")):
        env[name] = f"{env.get(name, '')}:suppressions={HERE}/{file}:print_suppressions=0".lstrip(":")
    return env


class Server:
    def __init__(self, program, *arguments, stderr=subprocess.PIPE):
        self.process = subprocess.Popen([program, "--port", "0", *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=stderr, text=True, env=environment())
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise Failed(f"it does not say where it listens: {self.process.communicate()}")
        self.port = int(self.url.rsplit(":", 1)[1].rstrip("/"))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.kill() if kind else self.end()
        self.process.communicate()

    def ask(self, path, method="GET"):
        """The status, the headers and the body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            c.request(method, path)
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()

    def begin(self, path):
        """A connection that has asked and not read."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return s

    def stats(self):
        return json.loads(self.ask("/stats.json")[2])

    def tiles(self):
        return self.stats()["tiles"]

    def cache(self):
        return self.stats()["brim"]["caches"][0]

    def end(self, number=signal.SIGTERM):
        """What it printed."""
        self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("it does not end") from None
        expect(self.process.returncode == 0 and not err, f"it ended with {self.process.returncode}: {err}")
        return out


def run_all(tests):
    failures = 0
    for test in tests:
        try:
            test()
        except Failed as failure:
            failures += 1
            print(f"FAILED: {test.__name__}: {failure}")
        except Exception as failure:  # the others are to run, too
            failures += 1
            print(f"FAILED: {test.__name__}: {type(failure).__name__}: {failure}")
    print(f"{len(tests) - failures} passed, {failures} failed")
    sys.exit(failures != 0)
