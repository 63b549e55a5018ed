#!/usr/bin/env bash
# Run the fast tests on every supported Python, each in a new virtual environment: scripts/test_matrix.sh [3.11 3.12 ...]
# Says which versions it didn't find. Exits with 1 if one failed or none was found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ $# -gt 0 ]] || set -- 3.11 3.12 3.13
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
ran=0
summary=()

for version in "$@"; do
  if ! python=$(scripts/find_python.sh "$version"); then
    summary+=("$version: not found, not tested")
    continue
  fi
  echo "== Python $version ($python)"
  ran=$((ran + 1))
  log=$work/$version.log
  if "$python" -m venv "$work/$version" &&
    "$work/$version/bin/python" -m pip install --quiet -c constraints.txt '.[test]' &&
    "$work/$version/bin/python" -m pytest 2>&1 | tee "$log"; then
    result=passed
  else
    result=FAILED
    failed=1
  fi
  jax=$("$work/$version/bin/python" -c 'import importlib.metadata as m; print(m.version("jax"))' || echo none)
  summary+=("$version: $result with jax $jax: $(tail -n 1 "$log" 2>/dev/null || echo 'no tests ran')")
  rm -rf "${work:?}/$version"
done

echo
echo "== summary"
printf '%s\n' "${summary[@]}"
[[ $ran -gt 0 && $failed -eq 0 ]]
