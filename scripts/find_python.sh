#!/usr/bin/env bash
# Print the path of a working Python of the first version found: scripts/find_python.sh 3.11 [3.12 ...]
# Looks on PATH and in pyenv's versions; a Python without venv and pip doesn't count.
set -euo pipefail

works() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$2" \
    >/dev/null 2>&1 </dev/null
}

for version in "$@"; do
  for candidate in "python$version" python3 \
      "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
    if works "$candidate" "$version"; then
      command -v "$candidate"
      exit 0
    fi
  done
done
exit 1
