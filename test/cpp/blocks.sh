#!/usr/bin/env bash
# blocks.sh 17|20 CXX
# Compile each C++ block of docs/CPP.md by CXX: one with a main function is a program, which is also run; one that
# begins with `struct' or `template' stands in a file; the others in a function, as test/cpp/alone/page.h knows it.
# One that begins with `// C++20' is left out for 17.  Exit status: 0 if all is well.
set -euo pipefail
cd "$(dirname "$0")/../.."

page=docs/CPP.md
out=build/cpp/blocks-$1-$(basename "$2")
compile=("$2" "-std=c++$1" -Wall -Wextra -Wconversion -Werror -Iinclude -Itest/cpp/alone)
rm -rf "$out"
mkdir -p "$out"

echo '#include "page.h"' >"$out/parts.cpp"
blocks=$(awk -v out="$out" -v standard="$1" -v page="$page" '
    function flush(    file) {
        n++
        if (text ~ /^\/\/ C\+\+20/ && standard < 20)
            return
        file = out (text ~ /int main\(/ ? "/program-" n ".cpp" : "/parts.cpp")
        if (text !~ /int main\(/ && text !~ /^(struct|template)/)
            text = "{\n#line " start " \"" page "\"\n" text "}\n"
        else
            text = "#line " start " \"" page "\"\n" text
        if (text ~ /^\{/)
            text = "void block_" n "(brim::cache<std::uint64_t, tile> &tiles, std::uint64_t id, int x, int y,\n" \
                "    const std::vector<std::uint64_t> &viewport, viewer &view);\n" \
                "void block_" n "([[maybe_unused]] brim::cache<std::uint64_t, tile> &tiles,\n" \
                "    [[maybe_unused]] std::uint64_t id, [[maybe_unused]] int x, [[maybe_unused]] int y,\n" \
                "    [[maybe_unused]] const std::vector<std::uint64_t> &viewport,\n" \
                "    [[maybe_unused]] viewer &view)\n" text
        printf "%s", text >>file
    }
    /^```cpp$/ { inside = 1; text = ""; start = NR + 1; next }
    /^```$/ && inside { inside = 0; flush(); next }
    inside { text = text $0 "\n" }
    END { print n + 0 }' "$page")

"${compile[@]}" -fsyntax-only "$out/parts.cpp"
programs=0
for source in "$out"/program-*.cpp; do
    "${compile[@]}" -O1 -o "${source%.cpp}" "$source" build/release/libbrim.a -pthread
    "${source%.cpp}"
    programs=$((programs + 1))
done
echo "$blocks blocks, $programs of them programs"
[ "$blocks" -gt 0 ] && [ "$programs" -gt 0 ]
