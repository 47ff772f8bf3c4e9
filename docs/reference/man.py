#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""man.py library OUT HEADER...     pages of section 3 of what the headers declare, and brim(7) of the first one's opening
man.py programs OUT PROGRAM...      pages of section 1 of what the programs say with --help

The date on a page is $SOURCE_DATE_EPOCH, else the header's, or the program's, own.
"""
import os
import re
import subprocess
import sys
import textwrap
import time

import header as h

TITLES = {'Returns': 'RETURN VALUE', 'Ownership': 'OWNERSHIP', 'Threads': 'THREADS', 'Blocks': 'BLOCKING',
          'Callbacks': 'CALLBACKS', 'Cost': 'COST'}
FOR = {'opaque': 'type', 'struct': 'structure', 'enum': 'constants', 'callback': 'function of the program',
       'macro': 'macro'}


def escape(text, minus=True):
    """With ${minus} each - is one, and no hyphen."""
    for a, b in (('\\', '\\e'), ('-', '\\-' if minus else '-'), ('^', '\\(ha'), ('~', '\\(ti')):
        text = text.replace(a, b)
    return text


def inline(text, known=(), here=''):
    """Words with the names in them marked, and pages that are known referred to."""
    out = []
    for part in re.split(r"(\$\{[^}]*\}|`[^'`]*'|\bBRIM_[A-Z_]+|\bbrim_\w+|(?<![\w-])--?[a-z][\w-]*)", text):
        name = part.strip('`\'')
        if part.startswith('${'):
            out.append('\\fI%s\\fP' % escape(part[2:-1]))
        elif part.startswith('`'):
            out.append('\\(oq%s\\(cq' % escape(part[1:-1]))
        elif part in known and part != here:
            out.append('\\fB%s\\fP(3)' % part)
        elif re.fullmatch(r'BRIM_[A-Z_]+|brim_\w+|--?[a-z][\w-]*', name) and not part.startswith('`'):
            out.append('\\fB%s\\fP' % escape(part))
        else:
            out.append(escape(part, re.search(r'(^|\s)-\d', part)))
    return ''.join(out)


def filled(text):
    """Lines for a formatter that fills: short, and none that it would take for a request."""
    lines = []
    for sentence in re.split(r'(?<=[.:;])  +(?=\S)', text):
        lines += textwrap.wrap(sentence, 76, break_long_words=False, break_on_hyphens=False)
    return ['\\&' + line if line[:1] in ".'" else line for line in lines]


def paragraphs(blocks, known, here):
    out = []
    for i, (kind, term, words) in enumerate(blocks):
        if kind == 'item':
            out += ['.TP', inline(term, (), here)] if not term.startswith('G') else ['.TP', '\\fB%s\\fP' % term]
            out += filled(inline(words, known, here)) or ['As described.']
        else:
            out += (['.PP'] if i else []) + filled(inline(words, known, here))
    return out


def prototype(declaration):
    """Wrapped at its commas, names of parameters in italics."""
    head, inside = declaration[:declaration.index('(', 1) + 1], None
    if head.endswith('(*'):
        return ['\\fB%s\\fP' % declaration]
    inside = declaration[len(head):declaration.rindex(')')]
    names = h.parameters(declaration)
    width, line, lines = len(head), head, []
    for i, part in enumerate(re.split(r', (?![^(]*\))', inside)):
        part += ');' if i + 1 == max(len(names), 1) else ','
        if len(line) + len(part) > 76 and line != head:
            lines.append(line)
            line = ' ' * min(width, 76 - max(len(p) for p in inside.split(', ')) - 2)
        line += ('' if line == head or line.isspace() else ' ') + part
    lines.append(line)
    marked = []
    for line in lines:
        for name in names:
            line = re.sub(r'(?<=[ *])%s(?=[\[,)])' % name, lambda m: '\\fP\\fI%s\\fP\\fB' % m[0], line)
        marked.append('\\fB%s\\fP' % line)
    return marked


def page(name, section, date, version, brief, parts):
    out = ['.\\" Generated; do not edit.', '.TH %s %s %s "Brim %s" "Brim"' % (name.upper(), section, date, version),
           '.ad l', '.nh', '.SH NAME', brief]
    for title, lines in parts:
        if lines:
            out += ['.SH "%s"' % title if ' ' in title else '.SH %s' % title] + lines
    return '\n'.join(out) + '\n'


def see_also(names):
    return [('.BR %s ,' if i + 1 < len(names) else '.BR %s') % ('%s (%s)' % name) for i, name in enumerate(names)]


def brief_of(item):
    """The first sentence, as NAME wants it: without its full stop."""
    text = re.sub(r'\$\{([^}]*)\}', r'\1', ' '.join(item.text)) or FOR.get(item.kind, '')
    first = re.split(r'(?<=[^.])\.(?:  |$)', text)[0]
    if len(first) > 50:
        first = re.split(r'[:;,]| \(', first)[0]
    return escape(first[:1].lower() + first[1:] if not first[1:2].isupper() else first)


def version_of(header):
    with open(header, encoding='utf-8') as file:
        return '.'.join(re.findall(r'^#define BRIM_VERSION_[A-Z]+ (\d+)$', file.read(), re.M))


def date_of(path):
    return time.strftime('%Y-%m-%d', time.gmtime(int(os.environ.get('SOURCE_DATE_EPOCH', os.path.getmtime(path)))))


def write(out, section, name, text):
    where = os.path.join(out, 'man%s' % section)
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, '%s.%s' % (name, section)), 'w', encoding='utf-8') as f:
        f.write(text)


class Library:
    def __init__(self, out, paths):
        self.out, self.version, self.date = out, version_of(paths[0]), date_of(paths[0])
        self.headers = [(os.path.basename(path), h.read(path)) for path in paths]
        self.items = [(file, item) for file, header in self.headers for item in header.items if item.kind != 'alias']
        self.known = {name for _, item in self.items for name in self.names(item)}

    @staticmethod
    def names(item):
        """The names a page has; the first is that of its file: what programs call."""
        enumerators = [m[0].split()[0] for m in item.members] if item.name.isupper() and item.kind == 'enum' else []
        return [name for name, _ in item.also] + (enumerators or [item.name])

    def types_in(self, item):
        return [i.name for _, i in self.items if i.kind in ('opaque', 'struct', 'enum', 'callback')
                and re.search(r'\b%s\b' % i.name, item.declaration) and i.name != item.name]

    def users_of(self, name):
        return [self.names(i)[0] for _, i in self.items
                if i.name != name and i.kind in ('function', 'struct') and re.search(r'\b%s\b' % name, i.declaration)]

    def write_all(self):
        for file, item in self.items:
            names = self.names(item)
            text = self.function(file, item) if item.kind == 'function' else self.type(file, item)
            write(self.out, 3, names[0], text)
            for other in names[1:]:
                link = os.path.join(self.out, 'man3', other + '.3')
                if os.path.lexists(link):
                    os.remove(link)
                os.symlink(names[0] + '.3', link)
        write(self.out, 7, 'brim', self.overview())

    def make(self, file, item, synopsis, parts, also):
        names = self.names(item)
        also = sorted(set(also) - set(names))
        parts = [('SYNOPSIS', ['.nf', '\\fB#include <%s>\\fP' % file, '.PP'] + synopsis + ['.fi'])] + parts
        parts.append(('SEE ALSO', see_also([(name, 3) for name in also] + [('brim', 7)])))
        return page(names[0], 3, self.date, self.version, '%s \\- %s' % (', '.join(names), brief_of(item)), parts)

    def function(self, file, item):
        here = self.names(item)[0]
        synopsis = []
        for declaration in [d for _, d in item.also] + [item.declaration]:
            synopsis += prototype(declaration) + ['.PP']
        parts = [('DESCRIPTION', paragraphs(h.blocks(item.text), self.known, here))]
        for name in h.FIELDS:
            lines = item.fields.get(name, [h.MISSING[name]] if name in h.MISSING else [])
            parts.append((TITLES[name], paragraphs(h.blocks(lines), self.known, here)))
        siblings = [self.names(i)[0] for f, i in self.items if f == file and i.section == item.section]
        return self.make(file, item, synopsis[:-1], parts, siblings + self.types_in(item))

    def type(self, file, item):
        here = self.names(item)[0]
        if item.kind in ('struct', 'enum'):
            word = item.kind + (' ' + item.name if not item.name.isupper() else '')
            synopsis = ['\\fB%s%s {' % ('typedef ' if not item.name.isupper() else '', word)]
            synopsis += ['    %s%s' % (escape(d), ';' if item.kind == 'struct' else ',') for d, _ in item.members]
            synopsis.append('}%s;\\fP' % ('' if item.name.isupper() else ' ' + item.name))
        elif item.kind == 'callback':
            synopsis = prototype(item.declaration)
        elif item.kind == 'macro':
            synopsis = ['\\fB%s\\fP' % item.declaration]
        else:
            synopsis = ['\\fB%s\\fP' % item.declaration]
        about = item.text or ['See %s.' % ', '.join('${%s}' % n for n in self.users_of(item.name)[:1])
                              if item.kind == 'enum' and self.users_of(item.name) else brief_of(item).capitalize() + '.']
        members = []
        for declaration, lines in item.members:
            words = ' '.join(lines)
            words = re.sub(r'^k(  |$)', '(By kind.)  ', words).strip()
            members += ['.TP', '\\fB%s\\fP' % escape(declaration)] + (filled(inline(words, self.known, here)) or ['\\&'])
        parts = [('DESCRIPTION', paragraphs(h.blocks(about), self.known, here)),
                 ('VALUES' if item.kind == 'enum' else 'MEMBERS', members)]
        return self.make(file, item, synopsis, parts, self.users_of(item.name) + self.types_in(item))

    def overview(self):
        _, first = self.headers[0]
        opening = ' '.join(first.opening['']).strip()
        brief, _, rest = opening.partition('.  ')
        parts = [('SYNOPSIS', ['.nf', '\\fB#include <brim.h>\\fP', '.PP',
                               '\\fBcc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs brim)\\fP', '.fi']),
                 ('DESCRIPTION', filled(inline(rest, self.known)))]
        for title, lines in first.opening.items():
            if title:
                parts.append((title.upper(), paragraphs(h.opening_blocks(lines), self.known, '')))
        listed = []
        for file, header in self.headers:
            for title, more in header.sections or [('Looking for mistakes', [])]:
                functions = [self.names(i)[0] for f, i in self.items if f == file and (i.section == title or not i.section)]
                listed += ['.SS %s' % title] + paragraphs(h.blocks(more), self.known, '') + (['.PP'] if more else [])
                listed += see_also([(name, 3) for name in functions])
        parts += [('FUNCTIONS AND TYPES', listed),
                  ('SEE ALSO', see_also([('brim-bench', 1), ('brim-render', 1)]))]
        return page('brim', 7, self.date, self.version, '%s \\- %s' % tuple(
            word[:1].lower() + word[1:] for word in brief.split(': ')), parts)


def program_page(program):
    """Of a --help: `Usage:', then lines that end in a colon and what is indented below them."""
    name = os.path.basename(program)
    said = subprocess.run([program, '--help'], capture_output=True, text=True, check=True).stdout
    version = subprocess.run([program, '--version'], capture_output=True, text=True, check=True).stdout.split()[-1]
    head, _, rest = said.partition('\n\n')
    brief, parts = None, []
    if not head.startswith('Usage:'):  # a line that says what it is may come first
        brief, (head, _, rest) = head, rest.partition('\n\n')
    synopsis, about = [], []
    for line in head.split('\n'):
        words = re.sub(r'^(Usage:)?\s*', '', line)
        if words.split(' ')[0] == name:
            synopsis += ['.br'] * bool(synopsis) + ['\\fB%s\\fP %s' % (name, inline(words[len(name):].strip()))]
        else:
            about.append(words)
    if about:
        parts.append(('DESCRIPTION', filled(inline(' '.join(about)))))
    for block in rest.rstrip().split('\n\n'):
        parts.append(help_block(block))
    brief = brief or {'brim-bench': 'measure and stress the Brim cache, and replay traces through it',
                      'brim-render': 'set text with every glyph from the Brim cache, and compare',
                      'brim-tiles': 'serve an SVG or PDF in tiles over HTTP, out of the Brim cache',
                      'brim-top': 'watch the Brim caches of running programs'}[name]
    also = [('SEE ALSO', see_also([('brim', 7)]))]
    return page(name, 1, date_of(program), version, '%s \\- %s' % (name, escape(brief.rstrip('.'))),
                [('SYNOPSIS', synopsis)] + parts + also)


OPTION = r'(?:-\w, +)?--[a-z-]+(?:[ =][A-Z][A-Z.]*)?(?:, --[a-z-]+)*'


def help_block(block):
    lines = block.split('\n')
    words = ' '.join(line.strip() for line in lines)
    match = re.match(r'(\S.*):$', lines[0])
    if match:
        title = 'OPTIONS OF ALL' if match[1].startswith('all') else match[1].split()[0].upper()
        out = filled(inline(match[1] + ':')) if ' ' in match[1] else []
        lines = lines[1:]
    elif re.match(r'(?i)exit status:', words):
        words = words.split(':', 1)[1].strip()
        return 'EXIT STATUS', filled(inline(words[:1].upper() + words[1:]))
    elif re.match(r' +-', block):
        title, out = 'OPTIONS', []
    else:
        return 'NOTES', filled(inline(words))
    for line in lines:
        item = re.match(r' {2,6}(%s)(?: +(\S.*))?$' % OPTION, line) or re.match(r'  (\S+)(?: {2,}(\S.*))?$', line)
        if item:
            term = inline(item[1])
            out += ['.TP', term if item[1][0] == '-' else '\\fB%s\\fP' % term] + verbatim_or_filled(item[2] or '')
        else:
            text = line.strip()
            out += (['.br'] if re.match(r'\S+ {2,}\S', text) else []) + verbatim_or_filled(text)
    return title, out


def verbatim_or_filled(text):
    two = re.match(r'(\S+) {2,}(\S.*)', text)
    return filled('\\fB%s\\fP: %s' % (inline(two[1]), inline(two[2])) if two else inline(text)) or ['\\&']


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ('library', 'programs'):
        sys.exit(__doc__)
    if sys.argv[1] == 'library':
        Library(sys.argv[2], sys.argv[3:]).write_all()
    else:
        for program in sys.argv[3:]:
            write(sys.argv[2], 1, os.path.basename(program), program_page(program))


if __name__ == '__main__':
    try:
        main()
    except h.Malformed as e:
        sys.exit(str(e))
