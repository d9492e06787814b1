#!/usr/bin/env bash
# deploy/jackdaw.conf.example is what the option table says: tests/lint/example.sh DAEMON [--write]
set -euo pipefail

example=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/deploy/jackdaw.conf.example
daemon=${1:?usage: example.sh DAEMON [--write]}
if [[ ${2-} == --write ]]; then
    "$daemon" --example >"$example"
elif ! diff -u "$example" <("$daemon" --example); then
    echo "out of date: run tests/lint/example.sh $daemon --write" >&2
    exit 1
fi
