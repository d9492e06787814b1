#!/usr/bin/env bash
# clang-tidy over the given files: tests/lint/tidy.sh BUILD_DIR [FILE...]   (no FILE: common/ and services/)
#
# Two at a time. What was clean is remembered in BUILD_DIR/tidy by a hash of the file as the
# preprocessor leaves it, .clang-tidy and the version of the tool, so that a second run takes seconds.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${1:?usage: tidy.sh BUILD_DIR [FILE...]}
shift
cd "$root" || exit 1
if [[ ! -f $build/compile_commands.json ]]; then
    echo "tidy: $build has no compile_commands.json; configure it first" >&2
    exit 1
fi
if (($# == 0)); then
    mapfile -t files < <(find common services -name '*.c' -not -path '*/node_modules/*' | sort)
else
    files=("$@")
fi
mkdir -p "$build/tidy"
settings=$(cat .clang-tidy <(clang-tidy --version) | sha256sum)

# shellcheck disable=SC2317  # called by xargs below
check() {
    local file=$1 command sum out
    command=$(python3 - "$build" "$file" <<'PY'
import json, os, shlex, sys
build, file = sys.argv[1:]
for entry in json.load(open(os.path.join(build, "compile_commands.json"))):
    if os.path.realpath(entry["file"]) == os.path.realpath(file):
        words = entry.get("arguments") or shlex.split(entry["command"])
        keep = [w for w in words if w.startswith(("-D", "-I", "-std")) or w == "-isystem" or "/include" in w]
        print(shlex.join(keep))
        break
PY
    )
    if [[ -z $command ]]; then
        echo "tidy: $file is in no target of $build" >&2
        return 1
    fi
    # The text of every header is in it: a change of one invalidates all who include it.
    sum=$( (echo "$settings"; eval "clang -E $command $(printf %q "$file")" 2>/dev/null; cat "$file") |
        sha256sum | cut -d' ' -f1)
    if [[ -e $build/tidy/$sum ]]; then
        return 0
    fi
    # Flags of gcc that clang does not know are no finding.
    if out=$(clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option "$file" 2>/dev/null); then
        : >"$build/tidy/$sum"
        echo "tidy: $file: clean"
    else
        echo "tidy: $file:"
        grep -v '^$' <<<"$out"
        return 1
    fi
}
export -f check
export build settings

# shellcheck disable=SC2016  # the inner shell expands it
printf '%s\0' "${files[@]}" | xargs -0 -P 2 -I{} bash -c 'check "$1"' _ {}
status=$?
echo "tidy: ${#files[@]} files looked at, $([[ $status == 0 ]] && echo all clean || echo findings above)"
exit "$([[ $status == 0 ]] && echo 0 || echo 1)"
