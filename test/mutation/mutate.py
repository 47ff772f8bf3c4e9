#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutate.py [--files NAME...] [--sample N SEED] [--jobs N] [--verbose]
Mutate the branches of the library at machine level, in the test programs of build/mutation, and see that tests fail.

Each conditional jump of a file of lib/ makes two mutants: one never jumps, one always does.  A static function of a
header has a copy in each object; its copies are mutated together.  A mutant is killed if one of the programs that
tests.txt names for its file fails, or does not end in ten times its usual time.  What no test can see is listed in
equivalents.txt, with the reason.  The exit status is 0 only if every mutant is killed or listed, and each line of the
list fits the source (unless --sample is given, when only the mutants that were drawn are judged).
"""
import argparse
import bisect
import collections
import concurrent.futures
import errno
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = 'build/mutation'
NOPS = {2: b'\x66\x90', 6: b'\x66\x0f\x1f\x44\x00\x00'}

Jump = collections.namedtuple('Jump', 'address offset code')  # where in memory, in the file, and its bytes
Mutant = collections.namedtuple('Mutant', 'file line text function ordinal which jump_index jumps code kind')


def output_of(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


class Program:
    """An executable or library: its bytes, and the conditional jumps of each of its functions."""

    def __init__(self, path):
        self.path = path
        with open(path, 'rb') as f:
            self.image = f.read()
        segments = []
        for line in output_of('readelf', '-lW', path).splitlines():
            word = line.split()
            if word and word[0] == 'LOAD':
                segments.append((int(word[2], 16), int(word[2], 16) + int(word[4], 16), int(word[1], 16)))
        segments.sort()
        starts = [s[0] for s in segments]
        self.functions = collections.defaultdict(list)  # name: a list of jumps for each copy
        jumps = None
        for line in output_of('objdump', '-d', '-w', '-j', '.text', path).splitlines():
            head = re.match(r'[0-9a-f]+ <(.*)>:$', line)
            if head:
                jumps = []
                self.functions[head[1]].append(jumps)
                continue
            part = line.split('\t')
            if len(part) < 3 or not re.match(r'j(?!mp)', part[2]):
                continue
            address, code = int(part[0].strip().rstrip(':'), 16), bytes.fromhex(part[1].replace(' ', ''))
            if not (code[0] & 0xf0 == 0x70 and len(code) == 2) and not (code[0] == 0x0f and len(code) == 6):
                raise SystemExit(f'{path}: a conditional jump of an unknown form: {line}')
            low, _, offset = segments[bisect.bisect_right(starts, address) - 1]
            jumps.append(Jump(address, address - low + offset, code))

    def lines(self, addresses):
        """The file and line of each address, the file below the root."""
        answer = output_of('addr2line', '-e', self.path, input='\n'.join(map(hex, addresses)) + '\n')
        places = []
        for line in answer.splitlines():
            name, _, number = line.split(' (')[0].rpartition(':')
            places.append((os.path.relpath(os.path.join(ROOT, name), ROOT), int(number) if number.isdigit() else 0))
        return places

    def patched(self, mutant):
        """The image with the mutant in it, or None if its function is not there."""
        image = None
        for jumps in self.functions.get(mutant.function, []):
            if len(jumps) != mutant.jumps or opcode(jumps[mutant.jump_index].code) != mutant.code:
                continue
            image = image or bytearray(self.image)
            jump = jumps[mutant.jump_index]
            end = jump.offset + len(jump.code)
            if mutant.kind == 'never':
                image[jump.offset:end] = NOPS[len(jump.code)]
            elif len(jump.code) == 2:
                image[jump.offset] = 0xeb
            else:  # one byte shorter, so that the distance is the same
                image[jump.offset:jump.offset + 2] = b'\x90\xe9'
        return image


def opcode(code):
    """The condition of a jump, long or short."""
    return code[-5] & 0x0f if len(code) == 6 else code[0] & 0x0f


def find_mutants(wanted):
    """All mutants of the files wanted: from the shared library, where every function is."""
    library = Program(f'{BUILD}/libbrim.so')
    sources = {}
    mutants = []
    for function, copies in sorted(library.functions.items()):
        seen = set()
        for jumps in copies:
            shape = tuple(opcode(j.code) for j in jumps)
            if not jumps or shape in seen:
                continue
            seen.add(shape)
            on_line = collections.Counter()
            for index, (jump, (file, line)) in enumerate(zip(jumps, library.lines([j.address for j in jumps]))):
                if os.path.splitext(file)[0] not in wanted:
                    continue
                if file not in sources:
                    with open(file) as f:
                        sources[file] = f.read().splitlines()
                text = ' '.join(sources[file][line - 1].split())
                on_line[text] += 1
                for kind in ('never', 'always'):
                    mutants.append(Mutant(file, line, text, function, on_line[text], f'{kind}{on_line[text]}', index,
                                          len(jumps), opcode(jump.code), kind))
    return sorted(mutants, key=lambda m: (m.file, m.line, m.function, m.ordinal, m.kind))


def read_tests():
    """tests.txt: which programs are to kill the mutants of each file, in order."""
    tests = {}
    with open(f'{HERE}/tests.txt') as f:
        for line in f:
            word = line.split('#')[0].split()
            if word:
                tests[word[0]] = word[1:]
    return tests


def read_equivalents():
    """equivalents.txt: records of a head, `> the source line', and a reason in words."""
    listed = {}
    head, number = None, 0
    with open(f'{HERE}/equivalents.txt') as f:
        for number, line in enumerate(f, 1):
            if line.startswith('#') or not line.strip():
                continue
            if not line[0].isspace():
                head = line.split()
                continue
            if line.strip().startswith('> '):
                for which in head[2:]:
                    listed[(head[0], head[1], which, ' '.join(line.strip()[2:].split()))] = number
    return listed


def key_of(mutant):
    return (mutant.file, mutant.function, mutant.which, mutant.text)


# ---- Running -------------------------------------------------------------------------------------------------


starting = threading.Lock()
running = set()  # the processes, each of which leads a session of its own
ending = False


def processes_of(session):
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/stat') as f:
                    state, _, _, of = f.read().rpartition(')')[2].split()[:4]
                if int(of) == session and state not in 'ZX':
                    yield int(name)
            except OSError:
                pass


def end_session(session):
    """End what a program left behind: Check gives each test a process group of its own."""
    while left := list(processes_of(session)):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.001)


def end(number, frame):
    """SIGTERM or SIGINT: nobody else would end what runs."""
    global ending
    signal.signal(number, signal.SIG_IGN)
    with starting:
        ending = True
    for process in list(running):
        end_session(process)
    raise SystemExit(128 + number)


def start(path):
    while True:
        try:
            with starting:
                if ending:
                    raise SystemExit
                process = subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, start_new_session=True)
                running.add(process.pid)
                return process
        except OSError as e:  # a child of another worker has the file open still, until it runs its own
            if e.errno != errno.ETXTBSY:
                raise
            time.sleep(0.01)


def run(name, image, seconds):
    """None if the program, under its own name, succeeds, else how it failed."""
    with tempfile.TemporaryDirectory(dir=f'{BUILD}/mutants') as directory:
        path = os.path.join(directory, os.path.basename(name))
        with open(path, 'wb') as f:
            f.write(image)
        os.chmod(path, 0o700)
        process = start(path)
        try:
            status = process.wait(seconds)
            how = None if status == 0 else f'status {status}'
        except subprocess.TimeoutExpired:
            how = f'more than {seconds:.0f} s'
        end_session(process.pid)
        running.remove(process.pid)
        process.wait()
        return how


class Runner:
    def __init__(self, tests):
        self.tests = tests
        self.programs = {}
        self.limits = {}

    def prepare(self, name):
        program = Program(f'{BUILD}/{name}')
        started = time.monotonic()
        how = run(name, program.image, 300)
        if how:
            raise SystemExit(f'{name} fails without any mutant: {how}')
        self.programs[name] = program
        self.limits[name] = 10 * (time.monotonic() - started) + 3

    def judge(self, mutant):
        """By which program the mutant is killed, and how; or None."""
        for name in self.tests[os.path.splitext(mutant.file)[0]]:
            image = self.programs[name].patched(mutant)
            how = image and run(name, image, self.limits[name])
            if how:
                return name, how
        return None


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--files', nargs='+', metavar='NAME', help='files of lib/ without the suffix, as entry/slot')
    parse.add_argument('--sample', nargs=2, type=int, metavar=('N', 'SEED'), help='only N of the mutants')
    parse.add_argument('--jobs', type=int, default=os.cpu_count())
    parse.add_argument('--verbose', action='store_true', help='tell by what each is killed')
    options = parse.parse_args()
    os.chdir(ROOT)
    shutil.rmtree(f'{BUILD}/mutants', ignore_errors=True)
    os.makedirs(f'{BUILD}/mutants')
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    tests = read_tests()
    wanted = {f'lib/{name}' for name in options.files} if options.files else set(tests)
    unknown = wanted - set(tests)
    if unknown:
        raise SystemExit(f'tests.txt does not name {" ".join(sorted(unknown))}')
    listed = read_equivalents()
    every = find_mutants(wanted)
    equivalent = [m for m in every if key_of(m) in listed]
    mutants = [m for m in every if key_of(m) not in listed]
    stale = []
    if options.sample:
        mutants = random.Random(options.sample[1]).sample(mutants, min(options.sample[0], len(mutants)))
    else:
        present = set(map(key_of, every))
        stale = [(k, n) for k, n in listed.items() if os.path.splitext(k[0])[0] in wanted and k not in present]

    runner = Runner(tests)
    counts = collections.defaultdict(collections.Counter)
    for m in equivalent:
        counts[m.file]['equivalent'] += not options.sample
    survivors = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:  # starts nothing in the thread that is interrupted
        list(pool.map(runner.prepare, sorted({t for m in mutants for t in tests[os.path.splitext(m.file)[0]]})))
        for m, verdict in zip(mutants, pool.map(runner.judge, mutants)):
            counts[m.file]['killed' if verdict else 'survived'] += 1
            if not verdict:
                survivors.append(m)
                print(f'SURVIVED {m.file}:{m.line} {m.function} {m.which}\n    > {m.text}', flush=True)
            elif options.verbose:
                print(f'killed {m.file}:{m.line} {m.function} {m.which}: {verdict[0]}, {verdict[1]}', flush=True)
    for key, number in stale:
        print(f'test/mutation/equivalents.txt:{number}: no such mutant: {" ".join(key[:3])}: {key[3]}')

    print(f'{"":32} {"mutants":>8} {"killed":>8} {"equivalent":>10} {"survived":>8}')
    total = collections.Counter()
    for file, c in sorted(counts.items()):
        print(f'{file:32} {sum(c.values()):8} {c["killed"]:8} {c["equivalent"]:10} {c["survived"]:8}')
        total.update(c)
    print(f'{"":32} {sum(total.values()):8} {total["killed"]:8} {total["equivalent"]:10} {total["survived"]:8}')
    return 1 if survivors or stale else 0


sys.exit(main())
