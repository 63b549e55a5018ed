#!/usr/bin/env bash
# Fill in scripts/launch_gke.yaml and apply it, or show it:
#   IMAGE=... CLAIM=... scripts/launch_gke.sh [--print] run pod/vit_b16 --data.train ... --out /runs/a
# Environment, with the defaults of a v5e 4x4 slice (4 hosts of 4 chips): NAME (wiseft), IMAGE (a container image with
# wiseft-jax[tpu]), CLAIM (a ReadWriteMany volume claim, mounted at /runs), ACCELERATOR (tpu-v5-lite-podslice), TOPOLOGY
# (4x4), HOSTS (4), CHIPS (4, of a host).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

print=false
[[ ${1:-} == --print ]] && { print=true && shift; }
for name in IMAGE CLAIM; do
  [[ -n ${!name:-} ]] || echo "$name is not set" >&2
done
[[ $# -ge 1 && -n ${IMAGE:-} && -n ${CLAIM:-} ]] || { sed -n '2,6s/^# \{0,1\}//p' launch_gke.sh >&2 && exit 2; }
[[ " $* " == *" --out "* || " $* " == *" --out="* ]] || { echo "launch_gke.sh: give --out: a restart needs it" >&2 && exit 2; }

quoted() { # a JSON string, which is YAML too
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}
arguments=
for word in "$@" --resume; do
  arguments+="${arguments:+, }$(quoted "$word")"
done
yaml=$(<launch_gke.yaml)
declare -A values=([NAME]=${NAME:-wiseft} [IMAGE]=$IMAGE [CLAIM]=$CLAIM [ARGUMENTS]="[$arguments]"
  [ACCELERATOR]=${ACCELERATOR:-tpu-v5-lite-podslice} [TOPOLOGY]=${TOPOLOGY:-4x4} [HOSTS]=${HOSTS:-4} [CHIPS]=${CHIPS:-4})
for key in "${!values[@]}"; do
  yaml=${yaml//"\${$key}"/"${values[$key]}"}
done
if $print; then
  printf '%s\n' "$yaml"
else
  printf '%s\n' "$yaml" | kubectl apply -f -
fi
