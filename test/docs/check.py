#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py blocks|links|commands|figures|self [FILE...]
Check README.md and docs/*.md, or FILE...:

  blocks    each ```c and ```cpp block compiles, warnings being errors; one with a main function is linked with
            build/release/libbrim.a and run: it must end with status 0.  A C block without one is put where it belongs
            by itself: in a function if it is statements, else at the top of a file; below what test/docs/PAGE.h, of the
            page's name, declares for it.
  links     each relative link, and each #anchor, leads somewhere.
  commands  the make targets and variables, the programs, their commands and long options, and the files that ```sh blocks
            and indented lines name are there.
  figures   what sections of README.md and docs/TUNING.md say was measured (MEASURED, below) stands in docs/benchmarks.
  self      each of these finds what is wrong in test/docs/wrong.md.

What is wrong is printed, and the exit status then 1.
"""
import os
import re
import subprocess
import sys

PAGES = ['README.md'] + sorted('docs/' + name for name in os.listdir('docs') if name.endswith('.md')) + [
    os.path.join(where, name) for top in ('docs/benchmarks', 'docs/examples') if os.path.isdir(top)
    for where, _, names in sorted(os.walk(top)) for name in sorted(names) if name.endswith('.md')]
# Whose blocks are compiled by other tests: `make cpp', `make package', `make examples'.
OTHERS = re.compile(r'docs/(CPP|INSTALL|PORTING)\.md|docs/examples/')
OUT = 'build/check/docs'
WARNINGS = ['-Wall', '-Wextra', '-Werror', '-Wno-unused']
C = ['gcc', '-std=c11', '-D_GNU_SOURCE']
CPP = ['g++', '-std=c++17']


def lines_of(page):
    return open(page, encoding='utf-8').read().split('\n')


def fenced(page):
    """(line, language, text) of each fenced block."""
    language, start, text = None, 0, []
    for number, line in enumerate(lines_of(page), 1):
        fence = re.match(r'```(\w*)', line)
        if not fence:
            text.append(line)
        elif language is None:
            language, start, text = fence[1], number, []
        else:
            yield start, language, '\n'.join(text)
            language = None


def outside(page):
    """(line, text) of what is in no fenced block."""
    inside = False
    for number, line in enumerate(lines_of(page), 1):
        if line.startswith('```'):
            inside = not inside
        elif not inside:
            yield number, line


# ---- Blocks


def is_file_level(text):
    """Whether a fragment stands outside a function: it defines one, or a constant, or includes something."""
    return re.search(r'^(static |#include|struct \w+ \{|const )', text, re.M) is not None or \
        re.search(r'^\w[\w *]*\([^;]*\)\n\{', text, re.M) is not None


def check_blocks(pages):
    wrong, programs, fragments = [], 0, 0
    os.makedirs(OUT, exist_ok=True)
    for page in pages:
        for line, language, text in fenced(page):
            if language not in ('c', 'cpp') or OTHERS.match(page):
                continue
            where = '%s:%d' % (page, line)
            name = re.sub(r'\W', '_', page) + '_%d' % line
            cpp = language == 'cpp'
            source = '%s/%s.%s' % (OUT, name, language)
            preamble = os.path.abspath('test/docs/%s.h%s' % (os.path.basename(page)[:-3], 'pp' if cpp else ''))
            whole = re.search(r'\bint main\(', text) is not None
            numbered = '#line %d "%s"\n%s\n' % (line + 1, page, text)
            if not whole:
                if not is_file_level(text):
                    numbered = 'static void block(void)\n{\n%s}\n' % re.sub(r'^\.\.\.$', '', numbered, flags=re.M)
                if os.path.exists(preamble):
                    numbered = '#include "%s"\n%s' % (preamble, numbered)
            with open(source, 'w', encoding='utf-8') as f:
                f.write(numbered)
            command = (CPP if cpp else C) + WARNINGS + ['-Iinclude', '-pthread']
            if whole:
                command += ['-O1', '-o', source + '.out', source, 'build/release/libbrim.a']
            else:
                command += ['-fsyntax-only', source]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                wrong.append('%s does not compile\n%s' % (where, done.stderr))
            elif whole:
                done = subprocess.run([os.path.abspath(source + '.out')], capture_output=True, text=True, timeout=60, cwd=OUT)
                if done.returncode != 0:
                    wrong.append('%s: its program ends with status %d\n%s' % (where, done.returncode, done.stderr))
            programs += whole
            fragments += not whole
    return wrong, '%d programs run, %d fragments compiled' % (programs, fragments)


# ---- Links


def anchors(page):
    """As GitHub names them: of headings, and of <a name=...>."""
    found, seen = set(), {}
    for _, line in outside(page):
        heading = re.match(r'#+ (.*)', line)
        if heading:
            words = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading[1]).strip().lower()
            name = re.sub(r'[^\w\- ]', '', words).replace(' ', '-')
            found.add(name + ('-%d' % seen[name] if name in seen else ''))
            seen[name] = seen.get(name, 0) + 1
        found.update(re.findall(r'<a (?:name|id)="([^"]+)"', line))
    return found


def check_links(pages):
    wrong, count = [], 0
    for page in pages:
        for number, line in outside(page):
            line = re.sub(r'`[^`]*`', '', line)
            found = re.findall(r'\]\(([^)\s]+)\)', line) + re.findall(r'(?:src|srcset|href)="([^"]+)"', line)
            for link in found:
                if re.match(r'[a-z]+:', link):
                    continue
                count += 1
                file, _, anchor = link.partition('#')
                target = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
                if not os.path.exists(target):
                    wrong.append('%s:%d: there is no %s' % (page, number, link))
                elif anchor and target.endswith('.md') and anchor not in anchors(target):
                    wrong.append('%s:%d: %s has no heading #%s' % (page, number, target, anchor))
    return wrong, '%d links' % count


# ---- Commands


def make_names():
    text = open('Makefile', encoding='utf-8').read()
    targets = set(re.findall(r'^([a-z]+):', text, re.M))
    variables = set(re.findall(r'^(?:export )?([A-Z_]+) *[:?]?=', text, re.M)) | set(re.findall(r'\b([A-Z][A-Z_]+)\b', text))
    scripts = subprocess.run(['grep', '-rhoE', r'\$\{?[A-Z_]{3,}', 'test', '--include=*.sh'], capture_output=True, text=True)
    return targets, variables | {word.strip('${') for word in scripts.stdout.split()}


def said_by(program):
    if program not in said_by.memory:
        path = 'build/release/' + program
        done = subprocess.run([path, '--help'], capture_output=True, text=True) if os.path.exists(path) else None
        said_by.memory[program] = done.stdout if done and done.returncode == 0 else None
    return said_by.memory[program]


said_by.memory = {}


def commands_of(page):
    """(line, words) of each command that a page shows, prompts, comments and continued lines resolved."""
    shown = []
    for start, language, text in fenced(page):
        if language in ('sh', 'bash', 'console'):
            shown += [(start + i, line) for i, line in enumerate(text.split('\n'), 1)]
    shown += [(number, line[4:]) for number, line in outside(page) if re.match(r' {4}(sudo |make |brim-|build/|bench/|test/)', line)]
    for number, line in outside(page):  # and in the middle of a sentence
        shown += [(number, code) for code in re.findall(r'`((?:make|brim-\w+) [^`]+)`', line)]
    for number, line in shown:
        line = re.sub(r'(^|\s)#.*', '', line).rstrip('\\')
        for command in re.split(r'&&|;|\|', line):
            words = command.split()
            if words:
                yield number, words


def check_commands(pages):
    wrong, count = [], 0
    targets, variables = make_names()
    for page in pages:
        for number, words in commands_of(page):
            where = '%s:%d' % (page, number)
            while words and (re.match(r'[A-Z_]+=', words[0]) or words[0] in ('sudo', '$', 'timeout')):
                words = words[1:]
            if not words:
                continue
            name = os.path.basename(words[0])
            if name == 'make' and '-C' not in words and '-f' not in words:
                count += 1
                for word in words[1:]:
                    variable = re.match(r'([A-Z_]+)=', word)
                    if variable and variable[1] not in variables:
                        wrong.append('%s: make knows no %s' % (where, variable[1]))
                    elif re.fullmatch(r'[a-z]+', word) and word not in targets:
                        wrong.append('%s: make has no target %s' % (where, word))
            elif re.fullmatch(r'brim-[a-z]+', name):
                count += 1
                help_text = said_by(name)
                if help_text is None:
                    wrong.append('%s: there is no %s, or it has no --help' % (where, name))
                    continue
                for option in re.findall(r'(?<!\S)(--[a-z-]+)', ' '.join(words[1:])):
                    if not re.search(r'%s(?![a-z-])' % option, help_text):
                        wrong.append('%s: %s has no %s' % (where, name, option))
                if re.search(r'Usage:\s+%s [a-z]' % name, help_text) and len(words) > 1 and \
                        re.fullmatch(r'[a-z]+', words[1]) and not re.search(r'%s %s\b' % (name, words[1]), help_text):
                    wrong.append('%s: %s has no command %s' % (where, name, words[1]))
            elif re.match(r'(bench|test|docs)/\S+\.(sh|py)$', words[0]):
                count += 1
                if not os.access(words[0], os.X_OK):
                    wrong.append('%s: there is no program %s' % (where, words[0]))
    return wrong, '%d commands' % count


# ---- Figures

# Sections whose figures are those of docs/benchmarks.
MEASURED = {'README.md': ['Figures', 'When not to use it'], 'docs/TUNING.md': ['Batches', 'Handles', 'Borrow'],
            'test/docs/wrong.md': ['Figures']}


def figures_in(text):
    """Those with a point, and those of three digits or more that are not round; in no code."""
    text = re.sub(r'`[^`]*`|\]\([^)]*\)', '', text)
    found = re.findall(r'(?<![\w.])(?:\d[\d,]*)?(?:\.\d+)?(?![\w.]*\d)', text)
    plain = [figure.rstrip(',').replace(',', '') for figure in found]
    return {figure for figure in plain if '.' in figure or (len(figure) > 2 and not figure.endswith('000'))}


def check_figures(pages):
    measured = set()
    for page in ('docs/benchmarks/README.md', 'docs/benchmarks/eviction.md'):
        measured |= {figure.removeprefix('0') if figure.startswith('0.') else figure
                     for figure in re.findall(r'\d+(?:\.\d+)?', open(page, encoding='utf-8').read().replace(',', ''))}
    wrong, count = [], 0
    for page in pages:
        section = ''
        for number, line in outside(page):
            section = line[3:] if line.startswith('## ') else section
            if section in MEASURED.get(page, []):
                for figure in figures_in(line):
                    count += 1
                    if figure.removeprefix('0') not in measured:
                        wrong.append('%s:%d: %s does not stand in docs/benchmarks' % (page, number, figure))
    return wrong, '%d figures' % count


# ---- What must be found wrong


def check_self(_):
    """test/docs/wrong.md says of each mistake, in a comment before it, a part of what must be printed."""
    page = 'test/docs/wrong.md'
    expected = re.findall(r'<!-- (.*?) -->', open(page, encoding='utf-8').read())
    said = '\n'.join(sum((check([page])[0] for check in (check_blocks, check_links, check_commands, check_figures)), []))
    return ['%s: nobody said: %s' % (page, text) for text in expected if text not in said], '%d mistakes' % len(expected)


def main():
    checks = {'blocks': check_blocks, 'links': check_links, 'commands': check_commands, 'figures': check_figures,
              'self': check_self}
    if len(sys.argv) < 2 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    wrong, summary = checks[sys.argv[1]](sys.argv[2:] or PAGES)
    for text in wrong:
        print(text)
    print('%s: %s, %d wrong' % (sys.argv[1], summary, len(wrong)))
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
    main()
