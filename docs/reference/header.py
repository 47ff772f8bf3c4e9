# SPDX-License-Identifier: MIT
"""What a public header of Brim's says, as data: for the man pages and for Doxygen.

A header is an opening comment, then sections (`---- Title'), in which comments stand before what they are about, or
behind it on its line.  The comment of a function begins with its name and arguments, and ends with fields.  Whatever is
not of this form is an error: the header's comments are its reference.
"""
import re
from dataclasses import dataclass, field

FIELDS = ['Returns', 'Ownership', 'Threads', 'Blocks', 'Callbacks', 'Cost']
# What a missing field says (brim.h, "The comments").
MISSING = {'Blocks': 'Never.', 'Callbacks': 'None.', 'Cost': 'Constant time, no allocation.'}


class Malformed(Exception):
    pass


@dataclass
class Item:
    """A declaration: kind is function, macro, opaque, struct, enum or callback."""
    kind: str
    name: str
    declaration: str
    text: list = field(default_factory=list)     # lines of its comment, without fields
    fields: dict = field(default_factory=dict)   # name of the field: lines
    members: list = field(default_factory=list)  # of structs and enums: (declaration, lines)
    also: list = field(default_factory=list)     # names of macros for it, and their declarations
    section: str = ''


@dataclass
class Header:
    opening: dict      # title: lines; '' is what comes first
    sections: list     # (title, lines of its comment)
    items: list


def comment_lines(raw):
    """The lines of a comment, without its stars."""
    body = re.sub(r'^/\*+', '', raw.strip())
    body = re.sub(r'\*/$', '', body)
    lines = [re.sub(r'^\s*\* ?', '', line, count=1) if i else line.strip()
             for i, line in enumerate(body.split('\n'))]
    lines = [line.rstrip() for line in lines]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def cut_fields(lines, where):
    """Text and fields of a function's comment; a field's lines keep the indentation beyond its own column."""
    text, fields, current = [], {}, None
    for line in lines:
        match = re.match(r'(%s) {2,}(.*)' % '|'.join(FIELDS), line)
        if match:
            current = match[1]
            if fields and FIELDS.index(current) <= FIELDS.index(list(fields)[-1]):
                raise Malformed('%s: %s is out of order' % (where, current))
            fields[current] = [match[2]]
        elif current is None:
            text.append(line)
        elif re.match(r' {11}', line):
            fields[current].append(line[11:])
        elif line:
            raise Malformed('%s: %r belongs to no field' % (where, line))
    while text and not text[-1]:
        text.pop()
    return text, fields


def parameters(declaration):
    """The names of a prototype's parameters."""
    inside = declaration[declaration.index('(') + 1:declaration.rindex(')')]
    parts, depth, part = [], 0, ''
    for c in inside + ',':
        if c == ',' and depth == 0:
            parts.append(part.strip())
            part = ''
            continue
        depth += (c == '(') - (c == ')')
        part += c
    names = []
    for part in parts:
        if part == 'void':
            continue
        match = re.search(r'\(\*(\w+)\)', part) or re.search(r'(\w+)(\[\d*\])?$', part)
        names.append(match[1])
    return names


def end_of(text, pos, separator):
    """The index of the first separator that is in no comment, parenthesis or brace; else the end."""
    depth = 0
    while pos < len(text):
        if text.startswith('/*', pos):
            pos = text.index('*/', pos) + 2
            continue
        c = text[pos]
        if c == separator and depth == 0:
            return pos
        depth += (c in '({') - (c in ')}')
        pos += 1
    return pos


def read_members(body, separator):
    """Of the inside of a struct or an enum: each declaration with its comment, before it or behind it."""
    members, before, pos = [], [], 0
    while body[pos:].strip():
        pos += len(body[pos:]) - len(body[pos:].lstrip())
        if body.startswith('/*', pos):
            end = body.index('*/', pos) + 2
            before = comment_lines(body[pos:end])
            pos = end
            continue
        end = end_of(body, pos, separator)
        declaration = without_comments(body[pos:end])
        behind = re.compile(r'%s?[ \t]*(/\*.*?\*/)?' % separator, re.S).match(body, end)
        inner = re.search(r'/\*.*\*/', body[pos:end], re.S)  # behind the last of an enum no comma follows
        members.append((declaration, before + comment_lines(behind[1] or (inner[0] if inner else ''))))
        before, pos = [], behind.end()
    return members


def without_comments(code):
    return ' '.join(re.sub(r'/\*.*?\*/', '', code, flags=re.S).split())


def read_opening(lines):
    parts, title = {'': []}, ''
    for i, line in enumerate(lines):
        if re.fullmatch(r'[A-Z][A-Za-z ]+', line) and (i + 1 == len(lines) or not lines[i + 1]):
            title = line
            parts[title] = []
        else:
            parts[title].append(line)
    return {title: '\n'.join(lines).strip('\n').split('\n') for title, lines in parts.items()}


def read(path):
    text = open(path, encoding='utf-8').read()
    start = text.index('*/') + 2
    opening = comment_lines(text[:start])
    header = Header(read_opening([line for line in opening if not line.startswith('SPDX')]), [], [])
    section, pending, above, pos = '', None, None, start
    token = re.compile(r'\s*(?:(?P<comment>/\*.*?\*/)|(?P<directive>#(?:[^\n]*\\\n)*[^\n]*)'
                       r'|(?P<externc>extern "C" \{|\}(?=\s*#))|(?P<code>))', re.S)
    while text[pos:].strip():
        match = token.match(text, pos)
        if '\n\n' in text[pos:match.end()]:
            above = None
        pos = match.end()
        where = '%s:%d' % (path, text.count('\n', 0, pos) + 1)
        if match['externc']:
            continue
        if match['comment']:
            lines = comment_lines(match['comment'])
            if lines[0].startswith('----'):
                title, _, rest = ' '.join(lines[0][4:].split()).partition(':')
                section = title.partition('.')[0].strip()
                more = [rest.strip()] if rest.strip() else []
                header.sections.append((section, more + lines[1:]))
            else:
                pending = above = (match['comment'], lines)
            continue
        if match['directive']:
            read_directive(header, match['directive'], pending or above, section, where)
        else:
            end = end_of(text, pos, ';') + 1
            behind = re.compile(r'[ \t]*(/\*.*?\*/)?', re.S).match(text, end)
            header.items.append(read_code(text[pos:end], pending or above, comment_lines(behind[1] or ''), where))
            header.items[-1].section = section
            pos = behind.end()
        pending = None
    if not any(item.kind == 'function' for item in header.items):
        raise Malformed('%s: no function' % path)
    return header


def read_directive(header, directive, comment, section, where):
    match = re.match(r'#define (brim_\w+|BRIM_(?!MUST_USE|EXPORT|H$|DEBUG_H$)\w+)(\([^)]*\))?', directive)
    if not match:
        return
    name = match[1]
    if name.startswith('brim_'):  # the form in which a function that wants a size is called
        function = header.items[-1]
        if not directive.split(')', 1)[1].strip().startswith(function.name):
            raise Malformed('%s: %s does not call the function before it' % (where, name))
        prototype = re.sub(r'\b%s\b' % function.name, name, function.declaration)
        prototype = re.sub(r'(const brim_kind \*kind, |, size_t size\b)', '', prototype)
        function.also.append((name, prototype))
        return
    item = Item('macro', name, name + (match[2] or ''), section=section)
    item.text = comment[1] if comment else []
    header.items.append(item)


def read_code(code, comment, behind, where):
    code = code.strip()
    declaration = without_comments(code)
    raw, lines = comment or ('', [])
    if code.startswith('typedef struct') and '{' not in code:
        return Item('opaque', declaration.rstrip(';').split()[-1], declaration, behind or lines)
    if re.match(r'(typedef )?(struct|enum)\b', code) and '{' in code:
        kind = 'struct' if 'struct' in code.split('{')[0] else 'enum'
        inside = code[code.index('{') + 1:code.rindex('}')]
        names = re.findall(r'\w+', code[code.rindex('}'):]) or code.split('{')[0].split()[1:]
        members = read_members(inside, ';' if kind == 'struct' else ',')
        return Item(kind, names[0] if names else members[0][0].split()[0], declaration, lines, members=members)
    if code.startswith('typedef enum'):
        return Item('alias', declaration.rstrip(';').split()[-1], declaration)
    if code.startswith('typedef'):
        name = re.search(r'(\w+)\(', code)[1]
        return Item('callback', name, declaration, lines + behind)
    if not raw.startswith('/**'):
        raise Malformed('%s: %s has no comment that begins with /**' % (where, declaration))
    declaration = re.sub(r'\b(BRIM_EXPORT|BRIM_MUST_USE) ', '', declaration)
    name = re.search(r'(brim_\w+)\(', declaration)[1]
    says = re.match(r'(brim_\w+)\((.*)\):$', lines[0])
    if not says or says[1] != name or [p for p in says[2].split(', ') if p] != parameters(declaration):
        raise Malformed('%s: the comment says %r, the declaration %r' % (where, lines[0], declaration))
    text, fields = cut_fields(lines[1:], where)
    if not text:
        raise Malformed('%s: %s is not said to do anything' % (where, name))
    return Item('function', name, declaration, text, fields)


def blocks(lines):
    """Of a comment's text: ('text', None, words) and ('item', term, words), as its indentation tells them apart."""
    found = []
    for line in lines + ['']:
        status = re.match(r'(BRIM_[A-Z_]+(?:, BRIM_[A-Z_]+)*)(?: {2,}(.*))?$', line)
        last = found[-1] if found else None
        if not line:
            found.append(None)
        elif status:
            found.append(['item', status[1], status[2] or ''])
        elif last is None or (last[0] == 'item' and line[0] != ' '):
            found.append(['text', None, line.strip()])
        elif last[0] == 'text' and line.startswith('BRIM_') and last[2].endswith('.'):
            found.append(['text', None, line])
        else:
            last[2] = (last[2] + ' ' + line.strip()).strip()
    return [tuple(block) for block in found if block]


def opening_blocks(lines):
    """The same of a part of the opening comment, whose items begin with a word and two spaces or more."""
    found = []
    for line in lines:
        item = re.match(r'  (\w+) {2,}(\S.*)', line)
        if not line:
            found.append(None)
        elif item:
            found.append(['item', item[1], item[2]])
        elif not found or found[-1] is None:
            found.append(['text', None, line.strip()])
        else:
            found[-1][2] += ' ' + line.strip()
    return [tuple(block) for block in found if block]
