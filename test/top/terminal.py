#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py BRIM_TOP: press its keys on a pseudo-terminal, resize that, and look at what it shows."""

import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, tempfile, termios, time

PATIENCE = 20


class Screen:
    """As much of xterm as ncurses uses; writing beyond the last column is an error."""

    def __init__(self, columns, lines):
        self.alternate = self.hidden = False
        self.colors = 0
        self.resize(columns, lines)
        self.rest = ""

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.cells = [[" "] * columns for _ in range(lines)]
        self.x = self.y = 0

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def put(self, c):
        if self.x >= self.columns:
            raise SystemExit(f"FAILED: column {self.x + 1} of {self.columns}:\n{self.text()}")
        if self.y < self.lines:
            self.cells[self.y][self.x] = c
        self.x += 1
        self.last = c

    def control(self, params, c):
        numbers = [int(n) if n.isdigit() else 0 for n in params.lstrip("?").split(";")]
        n = numbers[0]
        line = self.cells[min(self.y, self.lines - 1)]
        if c in "hl":
            if params == "?1049":
                self.alternate = c == "h"
            if params == "?25":
                self.hidden = c == "l"
        elif c == "H":
            self.y = max(n, 1) - 1
            self.x = (numbers[1] or 1) - 1 if len(numbers) > 1 else 0
        elif c == "J":
            if n == 0:
                line[self.x:] = [" "] * (self.columns - self.x)
            for y in range(0 if n == 2 else self.y + 1, self.lines):
                self.cells[y] = [" "] * self.columns
        elif c == "K":
            a, b = (0, min(self.x + 1, self.columns)) if n == 1 else (self.x, self.columns)
            line[a:b] = [" "] * (b - a)
        elif c == "X":
            line[self.x:self.x + n] = [" "] * len(line[self.x:self.x + n])
        elif c == "G":
            self.x = max(n, 1) - 1
        elif c == "d":
            self.y = max(n, 1) - 1
        elif c in "ABCD":
            n = max(n, 1)
            self.x += {"C": n, "D": -n}.get(c, 0)
            self.y += {"B": n, "A": -n}.get(c, 0)
        elif c == "b":
            for _ in range(n):
                self.put(self.last)
        elif c == "P":
            n = max(n, 1)
            line[self.x:] = (line[self.x + n:] + [" "] * n)[:self.columns - self.x]
        elif c == "@":
            n = max(n, 1)
            line[self.x:] = ([" "] * n + line[self.x:])[:self.columns - self.x]
        elif c in "LM":
            for _ in range(max(n, 1)):
                if c == "M":
                    del self.cells[self.y]
                    self.cells.append([" "] * self.columns)
                else:
                    self.cells.insert(self.y, [" "] * self.columns)
                    self.cells.pop()
        elif c == "m":
            self.colors += sum(30 <= k <= 38 or 40 <= k <= 48 for k in numbers)
        elif c not in "rt":
            raise SystemExit(f"FAILED: what is CSI {params} {c}?")

    def feed(self, text):
        text = self.rest + text
        while text:
            match = re.match(r"\x1b\[([?0-9;]*)([A-Za-z@])|\x1b[()].|\x1b[=>78M]", text)
            if match:
                if match[2]:
                    self.control(match[1], match[2])
                text = text[match.end():]
            elif text[0] == "\x1b":
                break
            else:
                c, text = text[0], text[1:]
                if c == "\r":
                    self.x = 0
                elif c == "\n":
                    self.y += 1
                elif c == "\b":
                    self.x -= 1
                elif c >= " ":
                    self.put(c)
        self.rest = text


class Run:
    def __init__(self, arguments, columns=80, lines=24, **environment):
        self.master, self.slave = pty.openpty()
        self.screen = Screen(columns, lines)
        self.size(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            arguments, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment})

    def size(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.screen.feed(os.read(self.master, 65536).decode("utf-8", "replace"))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def wait(self, pattern):
        until = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen.text(), re.M):
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit(f"FAILED: no '{pattern}' in\n{self.screen.text()}")
            self.read(0.2)

    def resize(self, columns, lines):
        self.screen.resize(columns, lines)
        self.size(columns, lines)
        self.process.send_signal(signal.SIGWINCH)

    def end(self):
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.1)
        while select.select([self.master], [], [], 0.1)[0]:
            self.read(0)
        if self.process.poll() != 0:
            raise SystemExit(f"FAILED: it ends with {self.process.poll()}")
        if self.screen.alternate or self.screen.hidden or termios.tcgetattr(self.slave) != self.before:
            raise SystemExit("FAILED: the terminal is not as it was")

    def hang_up(self):
        """The terminal goes, and nobody sends a signal."""
        os.close(self.slave)
        os.close(self.master)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("FAILED: it goes on without its terminal")


def document(pid, hits, time_ns):
    kind = {"name": "gl\u00fcf", "hits": hits, "misses": 0, "insertions": 7, "left": {"evicted": 3}, "used": 1 << 20,
            "values": 5, "pinned": 10}
    caches = [{**kind, "name": name, "misses": 0, "capacity": 4 << 20, "count": 5, "loading": 1, "kinds": kinds}
              for name, kinds in (("tiles", [kind]), ("fonts", []))]
    return json.dumps({"pid": pid, "program": "editor", "time_ns": time_ns, "problems": [["it thrashes"], []],
                       "statistics": {"caches": caches}})


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "one.json")
        editor = subprocess.Popen(["sleep", "300"])

        def publish(text):
            with open(path + ".new", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(path + ".new", path)

        try:
            publish(document(editor.pid, 1000, 10**9))
            run = Run([program, "--interval", "0.2", path])
            run.wait(r"^!tiles +\[#\.\.\.\.\] 1\.00Mi 4\.00Mi +5 +100 +- ")
            run.wait(r"^  gl\u00fcf ")
            run.wait("! it thrashes")
            publish(document(editor.pid, 3000, 2 * 10**9))
            run.wait(r"^!tiles .* 100 +100 +2\.00k ")
            run.press("s")
            run.wait("by finds")
            run.press("sss")
            run.wait("by used")
            run.press("+")
            run.wait("every 0.4 s")
            run.press("-")
            run.wait("every 0.2 s")
            run.press("\x1bOB")
            run.wait(r"^gl\u00fcf, a kind: editor")
            run.press("\x1bOB")
            run.wait("^fonts: editor")
            run.press("p")
            run.wait("PAUSED")
            run.resize(60, 15)
            run.wait("^CACHE kind .*EVIC/s$")
            run.press("p\x1bOA\x1bOA")
            run.wait("^tiles: editor")
            run.resize(20, 5)
            run.wait("^!tiles")
            run.resize(130, 40)
            run.wait(r"^!tiles +\[#########\.+\] ")
            publish("{")
            run.wait("not JSON")
            run.wait("^!tiles")
            publish(document(editor.pid, 3500, 3 * 10**9))
            run.wait("^!tiles.* 500 ")
            editor.kill()
            editor.wait()
            run.wait("editor .* has ended")
            if run.screen.colors == 0:
                raise SystemExit("FAILED: no colours")
            run.press("q")
            run.end()

            # Without colours; ended by a signal; waiting for somebody.
            directory = os.path.join(here, "run")
            os.mkdir(directory)
            run = Run([program], NO_COLOR="1", XDG_RUNTIME_DIR=directory)
            run.wait("No cache is to be seen")
            os.mkdir(os.path.join(directory, "brim"), 0o700)
            path = os.path.join(directory, "brim", f"{os.getpid()}.json")
            publish(document(os.getpid(), 1, 10**9))
            run.wait("^!tiles")
            run.process.send_signal(signal.SIGTERM)
            run.end()
            if run.screen.colors:
                raise SystemExit("FAILED: colours, in spite of NO_COLOR")

            run = Run([program, "--interval", "0.2"], XDG_RUNTIME_DIR=directory)
            run.wait("^!tiles")
            run.hang_up()
        finally:
            editor.kill()
    print("terminal: well")


main()
