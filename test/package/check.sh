#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh PART
# Check what `make install' installs, from outside the tree, and docs/INSTALL.md: its blocks are what is run here.  All in
# build/package/PART.  PART is
#   blocks     each block of the page is run by one of the others
#   installed  what is installed is right, and is gone after uninstall; programs find it by pkg-config
#   found      by CMake and Meson, also after it was moved
#   plain, cmake, meson
#              it is built as a part of another build
#   programs   `make install' with the programs
#   deb        what `make deb' has built, unpacked and not installed
set -euo pipefail
cd "$(dirname "$0")/../.."

top=$PWD
work=$top/build/package/$1
page=$top/docs/INSTALL.md
version=$(lib/package/version.sh)
rm -rf "$work"
mkdir -p "$work"
export PREFIX=$work/prefix HOME=$work/home LDCONFIG=:
unset DESTDIR LIBDIR INCLUDEDIR BINDIR MANDIR COMPLETIONDIR

fail() {
    echo "$*"
    exit 1
}

# block KIND NAME: the blocks of the page that are marked so.
block() {
    awk -v mark="<!-- $1: $2 -->" '
        /^```/ && inside { inside = 0; next }
        inside { print }
        /^```/ && marked { inside = 1; found = 1 }
        { marked = $0 == mark }
        END { exit !found }' "$page" || fail "$page has no block '$1: $2'"
}

# run_block NAME [DIRECTORY]
run_block() { (cd "${2:-.}" && bash -euxo pipefail -c "$(block run "$1")"); }

# lay DIRECTORY [FILE...]: the page's program, and other files of it that lie below DIRECTORY's name.
lay() {
    local directory=$work/$1 file
    mkdir -p "$directory"
    block file program.c >"$directory/program.c"
    for file in "${@:2}"; do
        mkdir -p "$(dirname "$directory/$file")"
        block file "$1/$file" >"$directory/$file"
    done
}

# says PROGRAM [TEXT]
says() {
    local said
    said=$("$1") || fail "$1: status $?"
    [ "$said" = "${2:-brim $version found 7}" ] || fail "$1 says: $said"
}

# needs PROGRAM LIBRARY: it is linked with that one; without LIBRARY, with none of ours.
needs() {
    local path
    path=$({ ldd "$1" 2>/dev/null || true; } | sed -n 's|.*libbrim\.so\.0 => \([^ ]*\).*|\1|p')
    [ "$path" = "${2-}" ] || fail "$1 is linked with '$path', not '${2-}'"
}

install_lib() { make -s --no-print-directory install-lib "$@"; }

# Files below DIRECTORY, without it.
files() { find "$1" ! -type d -printf '%P\n' | LC_ALL=C sort; }

# Where sudo is named, we are who we have to be.
shims() {
    mkdir -p "$work/shims" "$HOME"
    printf '#!/bin/sh\nexec "$@"\n' >"$work/shims/sudo"
    chmod +x "$work/shims/sudo"
    PATH=$work/shims:$PATH
}

part_blocks() {
    local name bad
    bad=$(awk '/^```/ { inside = !inside; if (inside && previous !~ /^<!-- (file|run): [^ ]+ -->$/) print NR ": not marked" }
               { previous = $0 }' "$page")
    [ -z "$bad" ] || fail "$page:$bad"
    while read -r name; do
        grep -qE "(run_block|block file) $name\>|lay ${name%%/*} (.* )?${name#*/}\>" "$top/test/package/check.sh" ||
            fail "$page: nobody runs $name"
    done < <(sed -n 's/^<!-- \(file\|run\): \([^ ]*\) -->$/\2/p' "$page" | sort -u)
    grep -qF "libbrim.so.$version\`" "$page" && grep -qF "brim-$version.tar.gz" "$page" ||
        fail "$page speaks of another version than $version"
}

check_library() {
    local library=$1/libbrim.so.$version unversioned
    objdump -p "$library" | grep -E '^ +SONAME +libbrim\.so\.0$' >/dev/null || fail "$library: another soname"
    [ "$(readlink -f "$1/libbrim.so.0")" = "$library" ] && [ "$(readlink -f "$1/libbrim.so")" = "$library" ] ||
        fail 'links that lead elsewhere'
    unversioned=$(nm -D --defined-only "$library" | grep -v '@@BRIM_0$' | grep -v ' A BRIM_0$' || true)
    [ -z "$unversioned" ] || fail "symbols without version: $unversioned"
    readelf -d "$library" | grep NODELETE >/dev/null || fail "$library could be unloaded under threads that are in it"
    "$top/test/support/exports.sh" "$library"
}

# Debian's list of symbols has all of them: a new one must be entered, with the version that has it first.
check_symbols() {
    local listed=$top/lib/package/debian/libbrim0.symbols
    diff <(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@@/, "@", $3); print $3 }' | LC_ALL=C sort) \
        <(awk '/^ brim_.*@BRIM_0 / { print $1 }' "$listed" | LC_ALL=C sort) || fail "$listed: see above"
}

part_installed() {
    local to
    shims
    run_block checkout
    [ -z "$(files "$HOME")" ] || fail "uninstall left: $(files "$HOME")"
    files "$PREFIX" >"$work/files"
    diff "$work/files" <(
        {
            printf 'include/%s\n' $(cd include && echo *)
            printf 'lib/%s\n' libbrim.a libbrim.so libbrim.so.0 "libbrim.so.$version" pkgconfig/brim.pc \
                cmake/brim/brim-config.cmake cmake/brim/brim-config-version.cmake
        } | LC_ALL=C sort
    ) || fail 'installed other files than these'
    check_library "$PREFIX/lib"
    check_symbols "$PREFIX/lib/libbrim.so"

    export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig LD_LIBRARY_PATH=$PREFIX/lib
    [ "$(pkg-config --modversion brim)" = "$version" ] || fail 'pkg-config tells another version'
    # Where libc has no threads of its own, this is needed; here it cannot be seen otherwise.
    [[ $(pkg-config --libs brim) != *-pthread* && $(pkg-config --static --libs brim) == *-pthread* ]] ||
        fail 'pkg-config asks for threads where it must not, or not where it must'
    lay program
    run_block program-shared "$work/program"
    run_block program-static "$work/program"
    says "$work/program/program"
    says "$work/program/program-static"
    says "$work/program/program-brim-static"
    needs "$work/program/program" "$PREFIX/lib/libbrim.so.0"
    needs "$work/program/program-static"
    needs "$work/program/program-brim-static"
    # shellcheck disable=SC2046 # several words
    g++ -std=c++17 test/package/program.cpp $(pkg-config --cflags --libs brim) -o "$work/program/cxx"
    says "$work/program/cxx" "brim $version from C++"

    # Without the programs' libraries all else is installed.  With the same peers, so that nothing is linked anew.
    PKG_CONFIG_LIBDIR=/nonexistent make -s --no-print-directory install "DESTDIR=$work/alone" \
        "PEERS_PRESENT=$(make -s --no-print-directory print-PEERS_PRESENT)" 2>"$work/alone.log" ||
        fail "$(cat "$work/alone.log")"
    grep -q 'brim-bench is left out: not all of jansson' "$work/alone.log" || fail "$(cat "$work/alone.log")"
    diff "$work/files" <(files "$work/alone$PREFIX" | grep -v '^share/') || fail 'without programs other files are installed'

    # As a package is made, and with a directory of Debian's.
    to=$work/'dest dir'
    install_lib "DESTDIR=$to" PREFIX=/usr LIBDIR=/usr/lib/any-arch INCLUDEDIR=/usr/include/brim
    check_library "$to/usr/lib/any-arch"
    grep -qr "$work" "$to" --include='*.pc' --include='*.cmake' && fail 'DESTDIR has got into a file'
    mv "$to" "$work/moved"
    PKG_CONFIG_PATH=$work/moved/usr/lib/any-arch/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/moved \
        bash -c 'cc "$1/program.c" $(pkg-config --cflags --libs brim) -o "$1/in-sysroot"' - "$work/program"
    LD_LIBRARY_PATH=$work/moved/usr/lib/any-arch says "$work/program/in-sysroot"
    mv "$work/moved" "$to"
    make -s --no-print-directory uninstall "DESTDIR=$to" PREFIX=/usr LIBDIR=/usr/lib/any-arch INCLUDEDIR=/usr/include/brim
    [ -z "$(files "$to")" ] || fail "uninstall left: $(files "$to")"
    [ ! -e "$to/usr/lib/any-arch/cmake/brim" ] || fail 'uninstall left a directory'
}

# cmake_build SOURCE BUILD OPTION...
cmake_build() {
    cmake -S "$1" -B "$2" -G Ninja "${@:3}" >"$2.log" 2>&1 && cmake --build "$2" -j 2 >>"$2.log" 2>&1 ||
        fail "$1: $(cat "$2.log")"
}

# meson_build SOURCE BUILD OPTION...
meson_build() {
    meson setup "$2" "$1" "${@:3}" >"$2.log" 2>&1 && ninja -j 2 -C "$2" >>"$2.log" 2>&1 || fail "$1: $(cat "$2.log")"
}

part_found() {
    local target prefix wanted many
    many=lib/$(gcc -print-multiarch)
    install_lib
    export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
    lay meson meson.build
    meson_build "$work/meson" "$work/meson-build"
    says "$work/meson-build/program"
    needs "$work/meson-build/program" "$PREFIX/lib/libbrim.so.0"
    meson_build "$work/meson" "$work/meson-static" -Dprefer_static=true
    says "$work/meson-static/program"
    needs "$work/meson-static/program"
    unset PKG_CONFIG_PATH

    lay cmake CMakeLists.txt
    block file program.c >"$work/program.c"
    cmake_build "$work/cmake" "$work/cmake-build" "-DCMAKE_PREFIX_PATH=$PREFIX"
    says "$work/cmake-build/program"

    mkdir "$work/elsewhere"
    mv "$PREFIX" "$work/elsewhere/moved"
    install_lib PREFIX="$work/elsewhere/multi" LIBDIR="$work/elsewhere/multi/$many" \
        INCLUDEDIR="$work/elsewhere/multi/h/brim"
    for prefix in moved multi; do
        cmake_build test/package "$work/$prefix" "-DCMAKE_PREFIX_PATH=$work/elsewhere/$prefix" "-DPROGRAM=$work/program.c" \
            -DWANTED=0.0...0.9
        for target in brim brim_static; do
            says "$work/$prefix/c_$target"
            says "$work/$prefix/cxx_$target" "brim $version from C++"
        done
        needs "$work/$prefix/c_brim" "$(find "$work/elsewhere/$prefix" -name libbrim.so.0)"
        needs "$work/$prefix/c_brim_static"
    done
    for wanted in 99.0 "${version%.*}.99" 1.0...2.0 0.0...\<"$version"; do
        ! cmake -S test/package -B "$work/wanted" "-DCMAKE_PREFIX_PATH=$work/elsewhere/moved" "-DPROGRAM=$work/program.c" \
            "-DWANTED=$wanted" >"$work/wanted.log" 2>&1 || fail "version $wanted was found"
        grep -q 'considered but not accepted' "$work/wanted.log" || fail "$(cat "$work/wanted.log")"
    done
    rm "$work/elsewhere/moved/lib/libbrim.a"
    ! cmake -S test/package -B "$work/torn" "-DCMAKE_PREFIX_PATH=$work/elsewhere/moved" "-DPROGRAM=$work/program.c" \
        >"$work/torn.log" 2>&1 || fail 'what is incomplete was found'
    tr -s ' \n' ' ' <"$work/torn.log" | grep 'libbrim.a is missing' >/dev/null || fail "$(cat "$work/torn.log")"
}

# copy DIRECTORY: lib/ and include/, for another build.
copy() {
    mkdir -p "$1"
    cp -r include lib "$1"
}

# As a repository at the address that the page names.
serve() {
    copy "$work/served"
    git -C "$work/served" init -q -b main
    git -C "$work/served" add .
    git -C "$work/served" -c user.name=n -c user.email=e@example.org commit -q -m all
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$work/served.insteadOf" \
        GIT_CONFIG_VALUE_0=https://example.org/brim.git
}

part_plain() {
    lay plain
    copy "$work/plain/brim"
    run_block plain "$work/plain"
    says "$work/plain/program"
}

part_cmake() {
    lay subdirectory CMakeLists.txt
    copy "$work/subdirectory/brim"
    cmake_build "$work/subdirectory" "$work/shared" -DBUILD_SHARED_LIBS=ON
    says "$work/shared/program"
    needs "$work/shared/program" "$work/shared/brim/lib/libbrim.so.0"
    check_library "$work/shared/brim/lib"
    serve
    lay fetch CMakeLists.txt
    cmake_build "$work/fetch" "$work/static"
    says "$work/static/program"
    needs "$work/static/program"
}

part_meson() {
    diff <(sed -n "s|^    '\(.*\.c\)',|lib/\1|p" lib/meson.build | sort) \
        <(make -s --no-print-directory print-LIB_SRC | tr ' ' '\n' | sort) ||
        fail 'lib/meson.build does not name all sources'
    serve
    lay subproject meson.build subprojects/brim.wrap
    mkdir -p "$work/subproject/subprojects/packagefiles/brim"
    cp lib/package/meson.build "$work/subproject/subprojects/packagefiles/brim"
    meson_build "$work/subproject" "$work/static"
    says "$work/static/program"
    needs "$work/static/program"
    meson introspect "$work/static" --projectinfo | grep "\"version\": \"$version\"" >/dev/null || fail 'Meson tells another version'

    mkdir "$work/subdir"
    block file program.c >"$work/subdir/program.c"
    copy "$work/subdir/brim"
    printf '%s\n' "project('program', 'c')" "subdir('brim/lib')" \
        "executable('program', 'program.c', dependencies: brim_dep)" >"$work/subdir/meson.build"
    meson_build "$work/subdir" "$work/shared"
    says "$work/shared/program"
    check_library "$work/shared/brim/lib"
}

part_programs() {
    local program
    make -s --no-print-directory -j2 install
    for program in $(make -s --no-print-directory print-PROGRAMS_HERE); do
        "$PREFIX/bin/$program" --version | grep -x "$program (Brim) $version" >/dev/null || fail "$program tells another version"
    done
    make -s --no-print-directory uninstall
    [ -z "$(files "$PREFIX")" ] || fail "uninstall left: $(files "$PREFIX")"
}

part_deb() {
    local deb root=$work/root many
    many=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
    for deb in libbrim0 libbrim-dev brim-tools; do
        dpkg-deb -x "$(echo "build/deb/${deb}_$version-"*.deb)" "$work/$deb"
        dpkg-deb -x "$(echo "build/deb/${deb}_$version-"*.deb)" "$root"
    done
    files "$work/libbrim0" | grep -v '^usr/share/doc/' >"$work/files"
    diff "$work/files" - <<END || fail 'libbrim0 has other files than these'
usr/lib/$many/libbrim.so.0
usr/lib/$many/libbrim.so.$version
END
    check_library "$root/usr/lib/$many"
    lay program
    export LD_LIBRARY_PATH=$root/usr/lib/$many
    PKG_CONFIG_PATH=$root/usr/lib/$many/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root run_block program-shared "$work/program"
    says "$work/program/program"
    needs "$work/program/program" "$root/usr/lib/$many/libbrim.so.0"
    [ "$("$root/usr/bin/brim-bench" --version)" = "brim-bench (Brim) $version" ] || fail 'brim-bench tells another version'
}

"part_$1"
echo "package: $1 is right"
