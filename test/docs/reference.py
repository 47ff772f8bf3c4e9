#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reference.py: check docs/reference/header.py: that it reads the headers, and refuses what is not of the form."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
sys.path.insert(0, 'docs/reference')
import header as h  # noqa: E402

GOOD = open('include/brim.h', encoding='utf-8').read()
# What to change in brim.h, and a part of what must be said.
WRONG = [
    ('brim_find(cache, key, key_len):', 'brim_find(cache, key, length):', 'the declaration'),
    ('brim_contains(cache, key, key_len):', 'brim_has(cache, key, key_len):', 'the declaration'),
    ('/**\n * brim_capacity(cache):', '/*\n * brim_capacity(cache):', 'has no comment'),
    (' * Returns    A constant string, also', ' * Threads    Any.\n * Returns    A constant string, also', 'out of order'),
    (' * The capacity.\n', '', 'is not said to do anything'),
    ('#define brim_stats_get(cache, stats) brim_stats_get_sized', '#define brim_stats_get(cache, stats) brim_used', 'does not call'),
]


def said_of(text):
    with tempfile.NamedTemporaryFile('w', suffix='.h', encoding='utf-8') as f:
        f.write(text)
        f.flush()
        try:
            h.read(f.name)
        except h.Malformed as e:
            return str(e)
    return ''


def main():
    wrong = []
    read = h.read('include/brim.h')
    if len(read.items) < 100 or len(read.sections) < 10:
        wrong.append('brim.h has only %d declarations in %d sections' % (len(read.items), len(read.sections)))
    insert = next(i for i in read.items if i.name == 'brim_insert')
    terms = [term for kind, term, _ in h.blocks(insert.fields['Returns']) if kind == 'item']
    if terms != ['BRIM_OK', 'BRIM_TOO_BIG', 'BRIM_FULL', 'BRIM_NOMEM', 'BRIM_INVALID']:
        wrong.append('brim_insert returns %s' % terms)
    for old, new, part in WRONG:
        if old not in GOOD:
            wrong.append('brim.h no longer says %r' % old)
        elif part not in said_of(GOOD.replace(old, new, 1)):
            wrong.append('%r for %r is not refused: %r' % (new, old, said_of(GOOD.replace(old, new, 1))))
    print('\n'.join(wrong + ['reference: %d wrong' % len(wrong)]))
    sys.exit(1 if wrong else 0)


main()
