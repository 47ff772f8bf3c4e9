#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py PROGRAM
Check that PROGRAM, a brim-tiles, answers with the right tiles, draws each once however many ask for it, gives up what
nobody waits for any more, forgets the tiles of a document that is read again, keeps to its capacity, and ends clean.
"""
import ctypes
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import zlib

from server import PATIENCE, Failed, Server, environment, expect, run_all, wait_until

PROGRAM = sys.argv[1]
SCRATCH = tempfile.TemporaryDirectory()


def svg(name, colour, more=""):
    path = os.path.join(SCRATCH.name, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><rect width="100" height="100" '
                   f'fill="{colour}"/>{more}</svg>')
    return path


def corner(png):
    """The colour of the first pixel: whatever the filter of its line, it stands there as it is."""
    expect(png[:8] == b"\x89PNG\r\n\x1a\n", "no PNG")
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        if kind == b"IHDR":
            expect(png[at + 8:at + 16] == (256).to_bytes(4, "big") * 2, "not 256 by 256")
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += size + 12
    expect(at == len(png) and kind == b"IEND", "cut off")
    return tuple(zlib.decompress(data)[1:4])


def slow():
    """A document that takes most of a second for each tile, in which others can come to wait on a busy machine, too:
    each text is set, also where it is not seen."""
    return svg("slow.svg", "#fff", '<text y="50" font-size="9">It takes its time.</text>' * 1500)


def pdf(name, *pages):
    """Each page 100 points wide and 100 high, of one colour (red, green, blue), with a word on it."""
    path = os.path.join(SCRATCH.name, name)
    cairo, number = ctypes.CDLL("libcairo.so.2"), ctypes.c_double
    cairo.cairo_pdf_surface_create.restype = cairo.cairo_create.restype = ctypes.c_void_p
    surface = ctypes.c_void_p(cairo.cairo_pdf_surface_create(path.encode(), number(100), number(100)))
    context = ctypes.c_void_p(cairo.cairo_create(surface))
    for colour in pages:
        cairo.cairo_set_source_rgb(context, *(number(c / 255) for c in colour))
        cairo.cairo_paint(context)
        cairo.cairo_set_source_rgb(context, *(number(1),) * 3)
        cairo.cairo_move_to(context, number(30), number(50))
        cairo.cairo_show_text(context, b"words")
        cairo.cairo_show_page(context)
    cairo.cairo_destroy(context)
    cairo.cairo_surface_finish(surface)
    cairo.cairo_surface_destroy(surface)
    return path


RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def how(headers):
    return headers["Cache-Status"]


def all_at_once(n, work):
    """What work(0) to work(n - 1) give, each on a thread."""
    results = [None] * n

    def run(i):
        try:
            results[i] = work(i)
        except Exception as failure:
            results[i] = failure
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise Failed(f"{type(result).__name__}: {result}")
    return results


def tiles_are_right_and_hit():
    with Server(PROGRAM, svg("half.svg", "#f00", '<rect x="50" width="50" height="100" fill="#00f"/>')) as s:
        for path, colour in (("/tile/0/0/0.png", RED), ("/tile/1/0/1.png", RED), ("/tile/1/1/1.png", BLUE),
                             ("/tile/10/511/1023.png", RED), ("/tile/10/512/0.png", BLUE)):
            status, headers, body = s.ask(path)
            expect(status == 200 and headers["Content-Type"] == "image/png" and how(headers) == "brim; fwd=miss",
                   f"{path}: {status} {headers}")
            expect(corner(body) == colour, f"{path}: {corner(body)}")
            status, headers, again = s.ask(path)
            expect(status == 200 and how(headers) == "brim; hit" and again == body, f"{path} again: {status} {headers}")
        status, headers, body = s.ask("/tile/0/0/0.png", "HEAD")
        expect(status == 200 and int(headers["Content-Length"]) > 0 and not body, f"HEAD: {status}")
        tiles, cache = s.tiles(), s.cache()
        expect(tiles["drawn"]["count"] == 5 and tiles["hit"]["count"] == 6, f"{tiles}")
        expect(cache["count"] == 5 and cache["loads"] == 5 and cache["hits"] == 6, f"{cache}")
        expect(0 < cache["used"] <= cache["capacity"] and tiles["drawn"]["seconds"] > 0, f"{cache}")


def what_is_not_square_is_centred():
    path = os.path.join(SCRATCH.name, "wide.svg")
    with open(path, "w", encoding="utf-8") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100"><rect width="200" height="100" '
                   'fill="#f00"/></svg>')
    with Server(PROGRAM, path) as s:
        for tile, colour in (("2/0/0", WHITE), ("2/0/1", RED), ("2/3/2", RED), ("2/3/3", WHITE)):
            expect(corner(s.ask(f"/tile/{tile}.png")[2]) == colour, tile)


def the_map_is_built_in():
    with Server(PROGRAM) as s:
        status, _, body = s.ask("/tile/0/0/0.png")
        expect(status == 200 and corner(body) == (0xb5, 0xd3, 0xe7) and len(body) > 10000, f"{len(body)} bytes")


def bad_addresses_are_not_found():
    with Server(PROGRAM, svg("red.svg", "#f00")) as s:
        for path in ("/x", "/tile", "/tile/", "/tile/0/0/0", "/tile/0/0/0.jpg", "/tile/0/0/0.png/", "/tile/0/1/0.png",
                     "/tile/0/0/1.png", "/tile/1/2/0.png", "/tile/11/0/0.png", "/tile/00/0/0.png", "/tile/1/01/0.png",
                     "/tile/-1/0/0.png", "/tile/1/+1/0.png", "/tile/1//0.png", "/tile/a/0/0.png", "/tile/1/0/0.pngx",
                     "/tile/4294967296/0/0.png", "/tile/1/4294967296/0.png", "/tile/0/0/0.png%00", "/../etc/passwd",
                     "/tile/%2e%2e/0/0.png", "/stats/", "/reload", "//tile/0/0/0.png"):
            expect(s.ask(path)[0] == 404, f"{path}: {s.ask(path)[0]}")
        for path, method in (("/", "POST"), ("/tile/0/0/0.png", "DELETE"), ("/reload", "PUT")):
            expect(s.ask(path, method)[0] == 405, f"{method} {path}")
        expect(s.tiles()["drawn"]["count"] == 0, "one was drawn")


def many_who_ask_share_one_drawing():
    with Server(PROGRAM, "--threads", 2, slow()) as s:
        answers = all_at_once(24, lambda i: s.ask("/tile/4/8/5.png"))
        expect(all(status == 200 and body == answers[0][2] for status, _, body in answers), "not all have the same")
        kinds = [how(headers) for _, headers, _ in answers]
        expect(kinds.count("brim; fwd=miss") == 1 and s.cache()["loads"] == 1, f"drawn more than once: {kinds}")
        expect(kinds.count("brim; fwd=miss; collapsed") > 0, f"nobody waited: {kinds}")


def what_nobody_waits_for_is_given_up():
    with Server(PROGRAM, "--threads", 1, slow()) as s:
        first = s.begin("/tile/3/4/2.png")  # keeps the only thread busy
        wait_until(lambda: s.cache()["loading"] == 1, "the first load")
        others = [s.begin(f"/tile/5/{i}/9.png") for i in range(8)]
        shared = [s.begin("/tile/5/20/9.png") for _ in range(2)]
        wait_until(lambda: s.tiles()["waiting"] == 11, "all wait")
        for other in others + shared[:1]:
            other.close()
        wait_until(lambda: s.tiles()["gone"] == 9, lambda: f"nine connections gone: {s.tiles()}")
        wait_until(lambda: s.cache()["loading"] == 0, "no load under way")
        # Of the ten loads, two are wanted; another is drawn if the thread came to it before it was given up.
        given_up, drawn = s.tiles()["given_up"], s.cache()["loads"]
        expect(1 <= given_up <= 8 and given_up + drawn == 10, f"{given_up} given up, {drawn} drawn")
        for still in [first, shared[1]]:
            expect(still.recv(12) == b"HTTP/1.1 200", "who stayed has no tile")
            still.close()
        answers = [s.ask(f"/tile/5/{i}/9.png") for i in range(8)]
        expect(all(status == 200 and corner(body) == WHITE for status, _, body in answers), "not to be had again")
        expect(sum(how(headers) == "brim; fwd=miss" for _, headers, _ in answers) == given_up, "given up and cached")
        expect(s.tiles()["failed"] == s.tiles()["waiting"] == 0, f"{s.tiles()}")


def a_reload_invalidates():
    path = svg("changes.svg", "#f00")
    with Server(PROGRAM, path) as s:
        for i in range(4):
            expect(corner(s.ask(f"/tile/2/{i}/0.png")[2]) == RED, "not red")
        svg("changes.svg", "#00f")
        expect(how(s.ask("/tile/2/0/0.png")[1]) == "brim; hit", "no hit before the reload")
        expect(s.ask("/reload", "POST")[0] == 200, "not reloaded")
        for i in range(4):
            _, headers, body = s.ask(f"/tile/2/{i}/0.png")
            expect(corner(body) == BLUE and how(headers) == "brim; fwd=miss", f"{corner(body)} {how(headers)}")
        svg("changes.svg", "#f00")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: s.tiles()["reloads"] == 2, "the reload of SIGHUP")
        expect(corner(s.ask("/tile/2/0/0.png")[2]) == RED, "SIGHUP: still blue")
        with open(path, "w", encoding="utf-8") as file:
            file.write("<svg")
        status, _, body = s.ask("/reload", "POST")
        expect(status == 500 and body.startswith(b"not reloaded: "), f"a broken file: {status} {body}")
        expect(how(s.ask("/tile/2/0/0.png")[1]) == "brim; hit", "a broken file took the old tiles away")


def reloads_and_requests_at_once():
    path = svg("busy.svg", "#f00", '<circle cx="50" cy="50" r="30"/>')
    with Server(PROGRAM, "--threads", 3, path) as s:
        def work(i):
            for j in range(20):
                if i == 0:
                    expect(s.ask("/reload", "POST")[0] == 200, "not reloaded")
                elif j % 5 == 4:
                    s.begin(f"/tile/6/{j}/{i}.png").close()
                else:
                    status, _, body = s.ask(f"/tile/3/{(i + j) % 8}/0.png")
                    expect(status == 200 and corner(body) == RED, f"{status}")
        all_at_once(8, work)
        wait_until(lambda: s.cache()["loading"] == 0, "no load under way")
        expect(s.tiles()["failed"] == 0 and s.tiles()["reloads"] == 20, f"{s.tiles()}")


def the_capacity_holds():
    with Server(PROGRAM, "--capacity", "16K", svg("small.svg", "#f00", '<circle cx="50" cy="50" r="30"/>')) as s:
        for i in range(64):
            expect(s.ask(f"/tile/3/{i % 8}/{i // 8}.png")[0] == 200, "no tile")
            cache = s.cache()
            expect(cache["used"] <= cache["capacity"] == 16384, f"{cache}")
        expect(cache["left"]["evicted"] > 0 and cache["count"] > 0, f"{cache}")


def statistics_are_told():
    with Server(PROGRAM, svg("red.svg", "#f00")) as s:
        s.ask("/tile/0/0/0.png")
        s.ask("/tile/0/0/0.png")
        status, headers, body = s.ask("/stats")
        text = body.decode()
        expect(status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), f"{headers}")
        for row in text.splitlines():
            expect(re.fullmatch(r'#.*|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?[0-9.e+-]+', row), f"no line of Prometheus: {row}")
        for row in ('tiles_answer_seconds_count{answer="hit"} 1', 'brim_hits_total{cache="tiles"} 1'):
            expect(row in text.splitlines(), f"missing: {row}")
        status, headers, _ = s.ask("/")
        expect(status == 200 and headers["Content-Type"].startswith("text/html"), "no page")


def it_ends_clean():
    out = os.path.join(SCRATCH.name, "out.json")
    for number in (signal.SIGINT, signal.SIGTERM):
        with Server(PROGRAM, "--threads", 1, "--json", out, slow()) as s:
            waiting = [s.begin(f"/tile/5/{i}/9.png") for i in range(6)]
            wait_until(lambda: s.cache()["loading"] == 6 and s.tiles()["waiting"] == 6, "six loads")
            text = s.end(number)
            expect("tiles drawn" in text and "cache tiles" in text, f"no statistics: {text}")
            with open(out, encoding="utf-8") as file:
                expect(json.load(file)["brim"]["caches"][0]["load_failures"] >= 5, "no statistics in JSON")
            for connection in waiting:
                connection.close()


def json_has_standard_output_alone():
    with subprocess.Popen([PROGRAM, "--port", "0", "--json", "-", svg("red.svg", "#f00")], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment()) as process:
        expect(process.stderr.readline().startswith("http://127.0.0.1:"), "it does not say where it listens")
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
        expect(json.loads(out)["tiles"]["drawn"]["count"] == 0 and "tiles drawn" in err, f"{out} {err}")


def progress_is_told_to_a_terminal():
    """To others it is not: Server expects that nothing comes."""
    master, slave = pty.openpty()
    with Server(PROGRAM, svg("red.svg", "#f00"), stderr=slave) as s:
        os.close(slave)
        s.ask("/tile/0/0/0.png")
        s.ask("/tile/0/0/0.png")
        shown = b""
        while b"2 tiles, 50 % hits; 0 wait; 0 of 16384 KiB used" not in shown:
            expect(len(shown) < 10000, f"no such line: {shown}")
            shown += os.read(master, 1000)
        s.end()
    shown = os.read(master, 1000)
    expect(shown.endswith(b"\r\x1b[K"), f"the line stays: {shown}")
    os.close(master)


def refused(*arguments):
    """What it says, in a line, when it does not start for bad input."""
    result = subprocess.run([PROGRAM, "--port", "0", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                            env=environment())
    expect(result.returncode == 2 and not result.stdout and re.fullmatch(r"brim-tiles: .+\n", result.stderr),
           f"{arguments}: {result}")
    return result.stderr


def pages_of_a_pdf_are_right():
    path = pdf("two.pdf", RED, BLUE)
    if b"libpoppler" not in subprocess.run(["ldd", PROGRAM], capture_output=True, check=True).stdout:
        expect("built without poppler-glib" in refused(path), "it does not say that it cannot")
        return
    for page, colour in ((1, RED), (2, BLUE)):
        with Server(PROGRAM, "--page", page, path) as s:
            for tile in ("0/0/0", "2/3/3", "10/1023/0"):
                expect(corner(s.ask(f"/tile/{tile}.png")[2]) == colour, f"page {page}: {tile}")
            pdf("two.pdf", BLUE, RED)
            expect(s.ask("/reload", "POST")[0] == 200 and corner(s.ask("/tile/0/0/0.png")[2]) != colour, "not reloaded")
            pdf("two.pdf")
            status, _, body = s.ask("/reload", "POST")
            expect(status == 500 and b"it has no page" in body if page == 2 else status in (200, 500), f"{status} {body}")
            pdf("two.pdf", RED, BLUE)
    expect("it has no page 3 that can be read; its pages are 2" in refused("--page", 3, path), "no word of the pages")
    expect("no page 2" in refused("--page", 2, svg("red.svg", "#f00")), "a second page of an SVG")
    with open(path, "rb") as file:
        whole = file.read()
    locked = whole.replace(b"trailer\n<<", b"trailer\n<< /ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" +
                           b"11" * 32 + b"> /U <" + b"22" * 32 + b"> >>")
    for name, bytes_of, says in (("locked.pdf", locked, "it is encrypted"), ("bad.pdf", b"%PDF-1.4\n", "no PDF that can"),
                                 ("cut.pdf", whole[:200], "no PDF that can")):
        with open(os.path.join(SCRATCH.name, name), "wb") as file:
            file.write(bytes_of)
        expect(says in refused(file.name), f"{name}: {refused(file.name)}")


def threads_draw_a_pdf_at_once():
    path = pdf("busy.pdf", RED)
    if b"libpoppler" not in subprocess.run(["ldd", PROGRAM], capture_output=True, check=True).stdout:
        return
    with Server(PROGRAM, "--threads", 4, path) as s:
        def work(i):
            for j in range(8):
                expect(i != 0 or s.ask("/reload", "POST")[0] == 200, "not reloaded")
                status, _, body = s.ask(f"/tile/3/{j}/{i % 2}.png")
                expect(status == 200 and corner(body) == RED, f"{status}")
        all_at_once(6, work)
        expect(s.tiles()["failed"] == 0, f"{s.tiles()}")


def options_are_checked():
    def run(*arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, env=environment())
    for arguments in (["--port", "65536"], ["--port", "x"], ["--port", ""], ["--port", "-1"], ["--capacity", "0"],
                      ["--capacity", "1T"], ["--capacity", "99999999999999999999"], ["--threads", "0"],
                      ["--threads", "257"], ["--threads", "2K"], ["--nonsense"], ["--port"], ["a.svg", "b.svg"],
                      ["/nowhere.svg"], ["/dev/null"], ["--json", "/nowhere/x.json"], ["-x"], ["-t"], ["--json=", "a.svg"], ["--page", "0"], ["--page", "x"]):
        result = run(*arguments)
        expect(result.returncode == 2 and not result.stdout and re.fullmatch(r"brim-tiles: .+\n", result.stderr),
               f"{arguments}: {result}")
    result = run("--version")
    expect(result.returncode == 0 and re.fullmatch(r"brim-tiles \(Brim\) \d+\.\d+\.\d+\n", result.stdout), f"{result}")
    result = run("--help")
    expect(result.returncode == 0 and result.stdout.startswith("Usage: ") and
           all(len(row) <= 80 for row in result.stdout.splitlines()), f"{result}")
    with Server(PROGRAM, svg("red.svg", "#f00")) as s:
        result = run("--port", str(s.port))
        expect(result.returncode == 1 and "cannot listen" in result.stderr, f"a port that is taken: {result}")


run_all([tiles_are_right_and_hit, what_is_not_square_is_centred, the_map_is_built_in, bad_addresses_are_not_found,
         many_who_ask_share_one_drawing, what_nobody_waits_for_is_given_up, a_reload_invalidates,
         reloads_and_requests_at_once, the_capacity_holds, statistics_are_told, it_ends_clean,
         pages_of_a_pdf_are_right,
         threads_draw_a_pdf_at_once, json_has_standard_output_alone, progress_is_told_to_a_terminal, options_are_checked])
