#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""browser.py PROGRAM [DIRECTORY]
Look at the page of PROGRAM, a brim-tiles, in headless Chromium, through chromedriver: tiles are there, dragging, the
wheel, the keys, the buttons and two fingers move and zoom them, the figures are those of the server, and the console
says nothing.  Screenshots go to DIRECTORY (build/tiles).
"""
import base64
import json
import os
import re
import subprocess
import sys
import urllib.request

from server import Server, expect, run_all, wait_until

PROGRAM = sys.argv[1]
PICTURES = sys.argv[2] if len(sys.argv) > 2 else "build/tiles"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """The part of WebDriver that is needed."""

    def __init__(self, width, height, phone=False, dark=False):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True)
        try:
            self.start(width, height, phone, dark)
        except BaseException:
            self.driver.kill()
            raise

    def start(self, width, height, phone, dark):
        port = None
        while port is None:
            line = self.driver.stdout.readline()
            expect(line, "chromedriver does not start")
            port = re.search(r"started successfully on port (\d+)", line)
        self.base = f"http://127.0.0.1:{port[1]}/session"
        chrome = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                           f"--window-size={width},{height}"] + ["--force-dark-mode"] * dark}
        if phone:
            chrome["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2, "touch": True}}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        self.base += f"/{session}"
        if not phone:
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.kill()
            self.driver.communicate()

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": f"return {script}", "args": []})

    def act(self, kind, name, actions, **parameters):
        return {"type": kind, "id": name, "parameters": parameters, "actions": actions} if parameters else \
            {"type": kind, "id": name, "actions": actions}

    def perform(self, *sources):
        self.call("POST", "/actions", {"actions": list(sources)})
        self.call("DELETE", "/actions")

    def picture(self, name):
        os.makedirs(PICTURES, exist_ok=True)
        with open(os.path.join(PICTURES, name), "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def open(self, server):
        self.call("POST", "/url", {"url": server.url})
        self.settle()

    def settle(self):
        """All tiles in view are there, and on the screen."""
        wait_until(lambda: self.run("map.getAttribute('aria-busy') === 'false' && !drawing"), lambda: f"all tiles in view: {self.run('[view, asking, tiles.size, wanted.length]')}")

    def view(self):
        return self.run("[view.x, view.y, view.zoom]")

    def shown(self):
        """How many colours there are in the middle of the map, and how much of the part that the document takes is blank."""
        return self.run("""(() => {
            const size = Math.min(map.width, map.height) >> 1, left = (map.width - size) >> 1, top = (map.height - size) >> 1;
            const copy = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
            copy.drawImage(map, -left, -top);
            const data = copy.getImageData(0, 0, size, size).data, colours = new Set();
            let blank = 0;
            for (let i = 0; i < data.length; i += 4) {
                colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
                blank += data[i + 3] === 0;
            }
            return { colours: colours.size, blank };
        })()""")

    def expect_silence(self):
        entries = self.call("POST", "/se/log", {"type": "browser"})
        expect(not entries, f"the console: {entries}")


def move(x, y, ms=0):
    return {"type": "pointerMove", "x": x, "y": y, "duration": ms, "origin": "viewport"}


DOWN, UP = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}


def drag(browser, *places, kind="mouse"):
    browser.perform(browser.act("pointer", "one", [move(*places[0]), DOWN] + [move(*p, 200) for p in places[1:]] + [UP],
                                pointerType=kind))


def is_drawn(browser, where, colours=20):
    browser.settle()
    shown = browser.shown()
    expect(shown["colours"] >= colours and shown["blank"] == 0, f"{where}: {shown}")


def near(a, b, slack=1e-3):
    return abs(a - b) < slack


def on_a_desk():
    with Server(PROGRAM) as server, Browser(1200, 800) as b:
        b.open(server)
        is_drawn(b, "at first")
        x, y, zoom = b.view()
        expect(near(x, .5) and near(y, .5), f"not the middle: {x}, {y}")
        side = 256 * 2 ** zoom
        drag(b, (600, 400), (500, 300), (520, 340))
        moved = b.view()
        expect(near(moved[0], x + 80 / side) and near(moved[1], y + 60 / side), f"dragged to {moved}")
        is_drawn(b, "dragged")
        # The wheel zooms around the pointer: what is there stays.
        at = "[(300 - innerWidth / 2) / side() + view.x, (500 - innerHeight / 2) / side() + view.y]"
        before = b.run(at)
        for _ in range(4):
            b.perform(b.act("wheel", "wheel", [{"type": "scroll", "x": 300, "y": 500, "deltaX": 0, "deltaY": -240,
                                                "origin": "viewport", "duration": 0}]))
        after = b.run(at)
        expect(b.view()[2] > zoom + 1.5 and near(before[0], after[0]) and near(before[1], after[1]), f"{before} {after}")
        is_drawn(b, "zoomed by the wheel")
        b.picture("desk-zoomed.png")
        before = b.view()
        b.perform(b.act("key", "keys", [{"type": t, "value": "\ue014"} for t in ("keyDown", "keyUp")]))
        expect(b.view()[0] > before[0] and b.view()[1:] == before[1:], "the right arrow does not move it")
        b.perform(b.act("key", "keys", [{"type": t, "value": "0"} for t in ("keyDown", "keyUp")]))
        expect(near(b.view()[2], zoom) and near(b.view()[0], .5), "0 does not show all")
        is_drawn(b, "all again")
        b.run("document.getElementById('in').click()")
        expect(near(b.view()[2], zoom + 1), "the button does not zoom")
        is_drawn(b, "zoomed by the button")
        b.run("document.getElementById('out').click()")
        is_drawn(b, "and back")
        # The figures: those of the server.
        expect(server.tiles()["hit"]["count"] > 0 and server.tiles()["drawn"]["count"] > 20, f"{server.tiles()}")
        wait_until(lambda: re.fullmatch(r"\d+ %", b.run("document.getElementById('ratio').textContent")) and
                   re.fullmatch(r"[\d.]+ m?s", b.run("document.getElementById('latency').textContent")), "the figures")
        wait_until(lambda: b.run("document.getElementById('entries').textContent") ==
                   f"{server.cache()['count']} tiles, 0 evicted", "the number of tiles")
        expect(b.run("document.querySelectorAll('.figure svg path').length") == 4, "no sparklines")
        b.run("document.getElementById('reload').click()")
        wait_until(lambda: server.tiles()["reloads"] == 1, "the reload")
        wait_until(lambda: b.run("document.getElementById('message').textContent") == "reloaded", "its message")
        is_drawn(b, "reloaded")
        b.picture("desk.png")
        b.expect_silence()


def what_left_the_view_is_given_up():
    with Server(PROGRAM, "--threads", 1) as server, Browser(1200, 800) as b:
        b.open(server)
        b.run("(view.zoom = 6, moved())")
        wait_until(lambda: server.cache()["loading"] > 1, "some loads")
        for _ in range(4):
            b.run("(pan(1400, 0), null)")
        wait_until(lambda: server.tiles()["gone"] > 0, "connections gone")
        is_drawn(b, "far away", colours=2)
        b.expect_silence()


def on_a_phone():
    with Server(PROGRAM, "--capacity", "256K") as server, Browser(390, 844, phone=True, dark=True) as b:
        b.open(server)
        is_drawn(b, "at first")
        x, y, zoom = b.view()
        drag(b, (200, 400), (260, 330), kind="touch")
        expect(b.view()[0] < x and b.view()[1] > y, f"dragged to {b.view()}")
        fingers = [b.act("pointer", name, [move(200 + sign * 30, 400), DOWN, move(200 + sign * 120, 400, 300), UP],
                         pointerType="touch") for name, sign in (("one", -1), ("two", 1))]
        b.perform(*fingers)
        expect(near(b.view()[2], zoom + 2, .2), f"two fingers: {zoom} to {b.view()[2]}")
        is_drawn(b, "zoomed by two fingers")
        for _ in range(3):
            drag(b, (300, 300), (200, 340), kind="touch")
            is_drawn(b, "dragged on")
        expect(b.run("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen")
        wait_until(lambda: "evicted" in b.run("document.getElementById('entries').textContent"), "the figures")
        b.picture("phone.png")
        cache = server.cache()
        expect(cache["left"]["evicted"] > 0 and cache["used"] <= cache["capacity"], f"{cache}")
        b.expect_silence()


run_all([on_a_desk, what_left_the_view_is_given_up, on_a_phone])
