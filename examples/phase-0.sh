#!/usr/bin/env bash
# The published experiment, on machines of yours: eight prompts over two hosts against the same eight on the faster one.
#
#   examples/phase-0.sh laptop=http://127.0.0.1:11434 desktop=http://100.64.0.7:11434
#   examples/phase-0.sh --mesh        (as root on Linux: on a WireGuard mesh of namespaces, with engines on it)
#
# What stands behind -- goes to `outpace run`: -- --model=llama3.2:1b --rounds=7. The reports are left in $REPORTS
# (reports/phase-0-here): A is all-parallel, B serial-per-side, and RESULT.md ends with both beside the published ones.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
reports=${REPORTS:-reports/phase-0-here}

hosts=() mesh=
while (($#)); do
    case $1 in
    --mesh) mesh=yes ;;
    --) shift && break ;;
    *=http://* | *=https://*) hosts+=("$1") ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift
done

if [ -n "$mesh" ]; then
    export PYTHONPATH="$here/tests/helpers${PYTHONPATH:+:$PYTHONPATH}"
    exec python -m mesh "$0" -- "$@"
fi
if ((${#hosts[@]} != 2)); then
    echo "phase-0.sh: the published experiment has two hosts: name both as NAME=URL, or --mesh" >&2
    exit 2
fi

all=$(IFS=, && echo "${hosts[*]}")
outpace doctor --hosts="$all"
status=0
outpace run --hosts="$all" --strategies=all-parallel,serial-per-side --report-dir="$reports" "$@" || status=$?
[ "$status" -le 1 ] || exit "$status" # 1: measured, and a gate has failed
outpace compare "$here/reports/phase-0" "$reports" --markdown | tee -a "$reports/RESULT.md"
exit "$status"
