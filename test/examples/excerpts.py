#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""excerpts.py PAGE
Check that each block of C or C++ in PAGE stands, line by line but for its indentation, in a source in docs/examples,
which the tests compile; that its links lead somewhere; and that docs/examples/README.md names each example."""
import re
import sys
from pathlib import Path

EXAMPLES = Path("docs/examples")


def stripped(text):
    return [line.strip() for line in text.splitlines()]


def stands_in(block, lines):
    return any(lines[i : i + len(block)] == block for i in range(len(lines)))


page = Path(sys.argv[1])
text = page.read_text()
sources = [stripped(f.read_text()) for f in sorted(EXAMPLES.glob("*/*.[ch]*"))]
index = (EXAMPLES / "README.md").read_text()
blocks = [stripped(m) for m in re.findall(r"^```c(?:pp)?\n(.*?)^```$", text, re.M | re.S)]
links = [m for m in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in m]
examples = [d.name for d in sorted(EXAMPLES.iterdir()) if (d / "README.md").exists()]

wrong = ["in no example:\n    " + "\n    ".join(b) for b in blocks if not any(stands_in(b, s) for s in sources)]
wrong += ["leads nowhere: " + link for link in links if not (page.parent / link).exists()]
wrong += ["a block is of neither c nor cpp"] * (len(re.findall(r"^```\w*$", text, re.M)) != 2 * len(blocks))
wrong += ["docs/examples/README.md does not name " + e for e in examples if f"({e}/README.md)" not in index]
print("\n".join(wrong + [f"{len(blocks)} blocks, {len(links)} links, {len(examples)} examples, {len(wrong)} wrong"]))
sys.exit(bool(wrong) or not blocks)
