#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py VARIANT...
Print the branch coverage of each file of lib/, summed over build/VARIANT, and each branch that was not taken.

A line whose comment says `not covered: REASON' is left out, unless all its branches were taken: then the comment is
wrong.  The exit status is 0 only if every other branch was taken.
"""
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys

MARK = re.compile(r'not covered: \S')


def gcov(notes):
    answer = subprocess.run(['gcov', '--branch-probabilities', '--json-format', '--stdout', notes], check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(answer.stdout)


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    notes = [n for v in sys.argv[1:] for n in glob.glob(f'build/{v}/obj/**/*.gcno', recursive=True)
             if os.path.exists(n[:-4] + 'gcda') or '/obj/lib/' in n]
    if not notes:
        sys.exit(__doc__)
    # Inline functions of headers are counted in the tests, too.  Keyed by the number of branches, too: a line may be another one without assertions.
    taken = collections.defaultdict(lambda: collections.defaultdict(int))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for answer in pool.map(gcov, notes):
            for file in answer['files']:
                if not file['file'].startswith('lib/'):
                    continue
                for line in file['lines']:
                    branches = line['branches']
                    for index, branch in enumerate(branches):
                        taken[file['file']][(line['line_number'], len(branches), index)] += branch['count']

    missing = 0
    totals = [0, 0]
    for file, counts in sorted(taken.items()):
        with open(file) as f:
            source = f.read().splitlines()
        marked = {n for n, text in enumerate(source, 1) if MARK.search(text)}
        untaken = collections.defaultdict(list)
        for (line, of, index), count in sorted(counts.items()):
            if count == 0:
                untaken[line].append(f'{index + 1} of {of}')
        for line in sorted(set(untaken) - marked):
            print(f'{file}:{line}: not taken: branch {", ".join(untaken[line])}\n    {source[line - 1].strip()}')
            missing += 1
        for line in sorted(marked & {key[0] for key in counts} - set(untaken)):
            print(f'{file}:{line}: is covered, its comment says that it is not')
            missing += 1
        judged = [count for (line, _, _), count in counts.items() if line not in marked]
        totals[0] += len(judged)
        totals[1] += sum(count > 0 for count in judged)
        taken[file] = (len(judged), sum(count > 0 for count in judged))
    print(f'{"":34} {"branches":>8} {"taken":>8}')
    for file, (all_, got) in sorted(taken.items()):
        print(f'{file:34} {all_:8} {got:8} {100 * got / max(all_, 1):6.1f} %')
    print(f'{"":34} {totals[0]:8} {totals[1]:8} {100 * totals[1] / totals[0]:6.1f} %')
    return 1 if missing else 0


sys.exit(main())
