#!/usr/bin/env bash
# Sets up, builds and runs Jackdaw on this machine: run.sh [--edges N] [--routers N] [--sessions N]
#                           [--presence N] [--pubsub N] [--archives N] [--c2s N] [--run-dir DIR] [--set …]
# Prints where to point a browser and two log-ins, then everything the daemons say, until Ctrl-C.
# The ports are 5280 (http, ws) and 5281 (https, wss) or those in JACKDAW_EDGE_PORT and
# JACKDAW_EDGE_TLS_PORT; each further edge takes ten more. Desktop clients find 5222 (STARTTLS) and
# 5223 (TLS at once), or JACKDAW_C2S_PORT and JACKDAW_C2S_TLS_PORT; so does each further c2s.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case ${1:-} in
-h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

"$root/deploy/setup.sh" run

printf 'build: the daemons, in %s\n' "$root/build/release"
cd "$root"
cmake --preset release -DBUILD_TESTING=OFF >build/configure.log 2>&1 || {
    tail -20 build/configure.log >&2
    printf 'build: cmake found something missing (above); deploy/setup.sh installs it on Debian 12\n' >&2
    exit 1
}
cmake --build --preset release

export PYTHONPATH=$root/deploy PYTHONDONTWRITEBYTECODE=1
exec python3 -m cluster --bin "$root/build/release/bin" "$@"
