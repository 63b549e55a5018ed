#!/usr/bin/env bash
# Install what every tier of tests needs, run them all, and report the coverage of the package (at least 90 % of lines).
# A tier whose tools can't be installed here is left out, and said. Further arguments go to pytest.
#   scripts/test_all.sh                         in a new virtual environment, removed afterwards
#   WISEFT_TEST_VENV=DIR scripts/test_all.sh    in DIR, kept and used again
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${WISEFT_TEST_VENV:-$work/venv}
python=$(scripts/find_python.sh 3.11 3.12 3.13) || {
  echo "no Python 3.11, 3.12 or 3.13 with venv and pip was found" >&2
  exit 1
}
[[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
hash -r

ran=(fast slow)
left_out=()
without=""

tier() { # tier NAME WHY COMMAND...: keep the tier if the command succeeds
  local name=$1 why=$2
  shift 2
  if "$@" >"$work/$name.log" 2>&1; then
    ran+=("$name")
  else
    left_out+=("$name ($why)")
    without+="${without:+ and }not $name"
    tail -n 3 "$work/$name.log" >&2
  fi
}

install() { python -m pip install --quiet -c constraints.txt "$@"; }
install_torch() { install 'torch==2.13.0' || install '.[torch]'; }
open_clip_packages=(open_clip_torch==3.3.0 torchvision==0.28.0 timm ftfy wcwidth)
install_open_clip() { install --no-deps --target "$work/open_clip" "${open_clip_packages[@]}"; }
install_browser() { find_chromium && install '.[browser]'; }
find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

echo "== install"
install '.[dev,segment]'
tier torch "torch can't be installed" install_torch
# open_clip is no tier: without it the tests of the torch tier that run it are skipped, and say so. It lies in a directory
# apart, for transformers' modules of PyTorch can't be imported beside a torchvision that was built for another PyTorch.
if install_open_clip >"$work/open_clip.log" 2>&1; then
  export WISEFT_TEST_OPEN_CLIP=$work/open_clip
else
  left_out+=("tests that run open_clip (it can't be installed)")
fi
tier gcs "gcsfs can't be installed" install '.[gcs]'
tier wandb "wandb can't be installed" install '.[wandb]'
tier tpu_compile "libtpu can't be installed" install '.[tpu]'
tier browser "no Chromium on PATH, or Playwright can't be installed" install_browser

echo "== tiers: ${ran[*]}"
status=0
python -m pytest -m "$without" --cov=wiseft_jax --cov-report=term-missing:skip-covered \
  --cov-fail-under=90 "$@" || status=$?

echo
echo "ran: ${ran[*]}"
echo "left out: ${left_out[*]:-nothing}"
exit "$status"
