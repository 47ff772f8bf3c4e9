#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deb.sh
# Build the source and binary packages of Debian in build/deb from what `make dist' packs and lib/package/debian, and
# have lintian look at them: its errors fail, its warnings are shown.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(lib/package/version.sh)
tree=build/deb/brim-$version
rm -rf build/deb
mkdir -p build/deb
lib/package/dist.sh
tar -C build/deb -xzf "build/brim-$version.tar.gz"
mv "build/brim-$version.tar.gz" "build/deb/brim_$version.orig.tar.gz"
cp -r lib/package/debian "$tree/debian"

# CHANGELOG.md tells what changed; Debian's only wants to know the version and when.
maintainer=$(sed -n 's/^Maintainer: //p' lib/package/debian/control)
cat >"$tree/debian/changelog" <<END
brim ($version-1) unstable; urgency=medium

  * Brim $version.

 -- $maintainer  $(LC_ALL=C date -uR -d "@$(git log -1 --format=%ct 2>/dev/null || stat -c %Y include/brim.h)")
END

(cd "$tree" && dpkg-buildpackage --no-sign --root-command=fakeroot "-j$(nproc)")
as_root=()
[ "$(id -u)" -ne 0 ] || as_root=(--allow-root)
echo 'lintian:'
lintian "${as_root[@]}" --fail-on error --tag-display-limit 0 build/deb/*.changes
ls -1 build/deb/*.deb
