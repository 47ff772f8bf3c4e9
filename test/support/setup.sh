#!/usr/bin/env bash
# setup.sh [present] LIST...
# Install what is missing of LIST with apt-get; a LIST is one of the arrays LIST_packages below.  Asks nothing, and does
# nothing if nothing is missing.  With `present' it only names what is there of LIST.  Where it may not install (neither
# root nor sudo without a password), or there is no apt-get, it names the command to type, and exits with 2.
set -euo pipefail

run_packages=(gcc libc6-dev make pkg-config libxxhash-dev libharfbuzz-dev libfreetype-dev libpng-dev libjansson-dev
    libzstd-dev libxml2-dev libncurses-dev fonts-dejavu-core fonts-dejavu-extra debian-handbook)
check_packages=("${run_packages[@]}" g++ clang check relacy-dev jq zstd python3 binutils systemtap-sdt-dev)
static_packages=("${run_packages[@]}" clang clang-tidy cppcheck check)
fuzz_packages=("${run_packages[@]}" clang check zstd)
instructions_packages=(gcc libc6-dev make pkg-config libxxhash-dev valgrind)
peers_packages=(g++ pkg-config librocksdb-dev libleveldb-dev libglib2.0-dev qtbase5-dev libtbb-dev)
report_packages=("${peers_packages[@]}" gnuplot-nox jq)
replay_packages=(jq mawk)
cpp_packages=(gcc libc6-dev make pkg-config libxxhash-dev g++ clang binutils)
# Qt is used where it is there (make peers).
examples_packages=(gcc libc6-dev make pkg-config libxxhash-dev g++ clang python3 libleveldb-dev)
tiles_packages=(gcc libc6-dev make pkg-config libxxhash-dev binutils libmicrohttpd-dev librsvg2-dev
    libpoppler-glib-dev fonts-dejavu-core)
docs_packages=("${run_packages[@]}" "${tiles_packages[@]}" g++ python3 mandoc groff-base doxygen)
browser_packages=(chromium chromium-driver python3)
package_packages=(gcc g++ libc6-dev make pkg-config libxxhash-dev binutils git cmake meson ninja-build abigail-tools)
deb_packages=(debhelper dpkg-dev fakeroot git lintian python3 systemtap-sdt-dev)

has_header() { echo "#include <$2>" | "$1" -E -x "$3" - >/dev/null 2>&1; }
has_font() { [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name "$1" -print -quit 2>/dev/null)" ]; }
has_handbook() { [ -n "$(find /usr/share/doc/debian-handbook/ -name '*.html' -print -quit 2>/dev/null)" ]; }
has_tsan() {
    local out status=0
    out=$(mktemp)
    echo 'int main(void) { return 0; }' | "$1" -fsanitize=thread -x c - -o "$out" >/dev/null 2>&1 || status=1
    rm -f "$out"
    return "$status"
}
has_fuzzer() {
    local out status=0
    out=$(mktemp)
    echo 'int LLVMFuzzerTestOneInput(const char *p, __SIZE_TYPE__ n) { return p == 0 && n; }' |
        "$1" -fsanitize=fuzzer,address -x c - -o "$out" >/dev/null 2>&1 || status=1
    rm -f "$out"
    return "$status"
}

# has PACKAGE: by what it gives, wherever that came from.
has() {
    case $1 in
    gcc | g++ | make | pkg-config) command -v "$1" >/dev/null ;;
    libc6-dev) has_header gcc stdio.h c ;;
    libxxhash-dev) pkg-config --exists libxxhash ;;
    libharfbuzz-dev) pkg-config --exists harfbuzz ;;
    libfreetype-dev) pkg-config --exists freetype2 ;;
    libpng-dev) pkg-config --exists libpng ;;
    libjansson-dev) pkg-config --exists jansson ;;
    libzstd-dev) pkg-config --exists libzstd ;;
    libncurses-dev) pkg-config --exists ncursesw ;;
    systemtap-sdt-dev) has_header gcc sys/sdt.h c ;;
    libxml2-dev) pkg-config --exists libxml-2.0 ;;
    check) pkg-config --exists check ;;
    relacy-dev) has_header g++ relacy/relacy.hpp c++ ;;
    fonts-dejavu-core) has_font DejaVuSans.ttf ;;
    fonts-dejavu-extra) has_font DejaVuSerif-Italic.ttf ;;
    debian-handbook) has_handbook ;;
    clang) { has_tsan clang-19 && has_fuzzer clang-19; } || { has_tsan clang && has_fuzzer clang; } ;;
    binutils) command -v objdump >/dev/null ;;
    clang-tidy) command -v clang-tidy-19 >/dev/null || command -v clang-tidy >/dev/null ;;
    groff-base) command -v groff >/dev/null ;;
    mandoc | doxygen | cppcheck | valgrind | jq | zstd | python3) command -v "$1" >/dev/null ;;
    mawk) command -v awk >/dev/null ;;
    cmake | meson | git | fakeroot | lintian) command -v "$1" >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    abigail-tools) command -v abidiff >/dev/null ;;
    debhelper) command -v dh >/dev/null ;;
    dpkg-dev) command -v dpkg-buildpackage >/dev/null ;;
    gnuplot-nox) command -v gnuplot >/dev/null ;;
    librocksdb-dev) pkg-config --exists rocksdb ;;
    libleveldb-dev) has_header g++ leveldb/cache.h c++ ;;
    libglib2.0-dev) pkg-config --exists glib-2.0 ;;
    qtbase5-dev) pkg-config --exists Qt5Core ;;
    libmicrohttpd-dev) pkg-config --exists libmicrohttpd ;;
    librsvg2-dev) pkg-config --exists librsvg-2.0 ;;
    libpoppler-glib-dev) pkg-config --exists poppler-glib ;;
    chromium) command -v chromium >/dev/null ;;
    chromium-driver) command -v chromedriver >/dev/null ;;
    libtbb-dev) pkg-config --exists tbb && has_header g++ tbb/version.h c++ ;;
    esac 2>/dev/null
}

find_missing() {
    local package
    missing=()
    for package in "$@"; do
        has "$package" || missing+=("$package")
    done
}

# grep reads all: apt-cache, which is left with a pipe that nobody reads, would fail.
available() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep '^  Candidate: [^(]' >/dev/null; }

# The packages to ask for: clang-19, whose ThreadSanitizer is the better one, where it is to be had.
choose() {
    local package
    chosen=()
    for package in "${missing[@]}"; do
        if [ "$package" = clang-tidy ] && available clang-tidy-19; then
            chosen+=(clang-tidy-19)
        elif [ "$package" != clang ]; then
            chosen+=("$package")
        elif available clang-19 && available libclang-rt-19-dev; then
            chosen+=(clang-19 libclang-rt-19-dev)
        else
            chosen+=(clang)
            if available libclang-rt-dev; then chosen+=(libclang-rt-dev); fi
        fi
    done
}

# Small images leave out /usr/share/doc, where the handbook's text lies; --reinstall brings back what was left out.
install_options=(-y --no-install-recommends --reinstall -o DPkg::Lock::Timeout=120
    -o 'Dpkg::Options::=--path-include=/usr/share/doc/debian-handbook/*')

only_name=false
if [ "${1-}" = present ]; then
    only_name=true
    shift
fi

wanted=()
for list in "$@"; do
    if ! declare -p "${list}_packages" >/dev/null 2>&1; then
        echo "setup.sh: no list $list; there are: $(compgen -A variable | sed -n 's/_packages$//p' | tr '\n' ' ')" >&2
        exit 2
    fi
    declare -n packages=${list}_packages
    wanted+=("${packages[@]}")
done
mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | awk '!seen[$0]++')

if [ "$only_name" = true ]; then
    for package in "${wanted[@]}"; do
        if has "$package"; then echo "$package"; fi
    done
    exit 0
fi

find_missing "${wanted[@]}"
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Missing (Debian's names), and there is no apt-get to install it: ${missing[*]}" >&2
    exit 2
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        choose
        {
            echo "Missing: ${missing[*]}.  Please type:"
            printf '  sudo apt-get update && sudo apt-get install'
            printf ' %q' -y --no-install-recommends --reinstall "${install_options[@]: -2}" "${chosen[@]}"
            echo
        } >&2
        exit 2
    fi
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >&2; }

echo "Installing: ${missing[*]}" >&2
updated=false
for package in "${missing[@]}"; do
    if ! available "$package"; then
        apt update
        updated=true
        break
    fi
done
choose
if ! apt install "${install_options[@]}" "${chosen[@]}"; then
    # Perhaps our lists are too old for the archive.
    [ "$updated" = false ] || exit 2
    apt update
    choose
    apt install "${install_options[@]}" "${chosen[@]}" || exit 2
fi

find_missing "${wanted[@]}"
if [ "${#missing[@]}" -gt 0 ]; then
    echo "Still missing after the installation: ${missing[*]}" >&2
    exit 2
fi
