#!/bin/sh
# SPDX-License-Identifier: MIT
# version.sh
# Print the version, which include/brim.h has, as "major.minor.patch".
sed -n 's/^#define BRIM_VERSION_[A-Z]* //p' "$(dirname "$0")/../../include/brim.h" | paste -sd.
