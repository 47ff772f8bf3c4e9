#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""filter.py HEADER: the header as Doxygen wants it, on standard output.

Doxygen is given declarations, and comments in its own language, that docs/reference/header.py has read: so the
reference says what the man pages say.
"""
import os
import re
import sys

import header as h

PARAGRAPH = {'Ownership': '@ownership', 'Threads': '@threads', 'Blocks': '@blocks', 'Callbacks': '@callbacks',
             'Cost': '@cost'}


functions = set()  # of this header: for references


def inline(text):
    """Parameters and quoted names as code; nothing that Doxygen, or HTML, would take for its own."""
    text = re.sub(r'([\\@%#])', r'\\\1', text)
    text = text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
    text = re.sub(r"`([^'`]*)'", r'<tt>\1</tt>', text)
    text = re.sub(r'\$\{([^}]*)\}', r'<em>\1</em>', text)
    text = re.sub(r'\bbrim_\w+(?![\w(])', lambda m: '@ref {0} "{0}"'.format(m[0]) if m[0] in functions else m[0], text)
    return re.sub(r'(?<=\S)  +(?=\S)', ' ', text)


def prose(blocks):
    """Paragraphs, and lists where there are items."""
    out = []
    for i, (kind, term, words) in enumerate(blocks):
        if kind == 'item':
            words = inline(words) or 'As described.'
            out.append('%s<dt><b>%s</b></dt><dd>%s</dd>%s' % (
                '<dl>' if i == 0 or blocks[i - 1][0] != 'item' else '', term, words,
                '</dl>' if i + 1 == len(blocks) or blocks[i + 1][0] != 'item' else ''))
        else:
            out += ([''] if i else []) + [inline(words)]
    return out


def function(item):
    out = prose(h.blocks(item.text))
    for name in h.FIELDS:
        lines = item.fields.get(name, [h.MISSING[name]] if name in h.MISSING else [])
        blocks = h.blocks(lines)
        if not lines:
            continue
        if name == 'Returns':
            for kind, term, words in blocks:
                words = inline(words) or 'As described.'
                if kind == 'text':
                    nothing = item.declaration.startswith('void ')
                    out += [('@par Returns\n' if nothing else '@return ') + words, '']
                for status in term.split(', ') if term else []:
                    out += ['@retval %s %s' % (status, words)]
        else:
            text = prose(blocks)
            out += ['', PARAGRAPH[name], *text]
    return out


def members(item):
    out = []
    for declaration, lines in item.members:
        words = inline(re.sub(r'^k(  |$)', '(By kind.)  ', ' '.join(lines)).strip())
        names = re.split(r', (?![^(]*\))', declaration) if '(' not in declaration else [declaration]
        first = names[0]
        for name in names:  # each of those that share a declaration has its comment
            whole = name if name is first else '%s %s' % (re.match(r'(\w+ )*\w+(?= )', first)[0].strip(), name)
            end = ';' if item.kind == 'struct' else ','
            out.append('    /** @brief %s */ %s%s' % (words or 'See the type.', whole, end))
    return out


def comment(lines):
    return ['/**'] + ['@brief ' + lines[0]] + lines[1:] + ['*/']


def declared(item):
    if item.kind == 'function':
        out = []
        for name, declaration in item.also:
            out += comment(['Calls %s with the size of its structure.' % item.name]) + [declaration]
        return out + comment(function(item)) + [item.declaration]
    text = prose(h.blocks(item.text)) or ['Constants.' if item.kind == 'enum' else 'Opaque.']
    if item.kind in ('struct', 'enum'):
        named = not item.name.isupper()
        head = '%s%s%s {' % ('typedef ' if named else '', item.kind, ' ' + item.name if named else '')
        return comment(text) + [head] + members(item) + ['}%s;' % (' ' + item.name if named else '')]
    if item.kind == 'macro':
        return comment(text) + ['#define %s' % item.declaration]
    return comment(text) + [item.declaration]


def main():
    header = h.read(sys.argv[1])
    file = os.path.basename(sys.argv[1])
    functions.update(item.name for item in header.items if item.kind == 'function')
    out = ['/** @file %s' % file]
    if file == 'brim.h':
        out += ['', 'See the @ref index "main page" for the words, guarantees and rules.', '*/', '/** @mainpage Brim']
    for title, lines in header.opening.items():
        if title:
            out += ['@section %s %s' % (re.sub(r'\W', '_', title.lower()), title)]
        out += prose(h.opening_blocks(lines)) if title else [inline(' '.join(lines))]
        out += ['']
    out.append('*/')
    sections = header.sections or [('Looking for mistakes', [])]
    for i, (title, more) in enumerate(sections):
        name = '%s_%d' % (file.partition('.')[0], i)
        out += ['/** @defgroup %s %s' % (name, title), *prose(h.blocks(more)), '@{ */']
        for item in header.items:
            if item.section == title or not header.sections:
                if item.kind != 'alias':
                    out += declared(item) + ['']
        out.append('/** @} */')
    print('\n'.join(out))


if __name__ == '__main__':
    try:
        main()
    except h.Malformed as e:
        sys.exit(str(e))
