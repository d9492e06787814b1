#!/usr/bin/env bash
# cppcheck over common/ and services/: tests/lint/cppcheck.sh BUILD_DIR
#
# Remembers what it has analysed in BUILD_DIR/cppcheck.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${1:?usage: cppcheck.sh BUILD_DIR}
cd "$root" || exit 1
if [[ ! -d $build/include ]]; then
    echo "cppcheck: $build is not configured" >&2
    exit 1
fi
mkdir -p "$build/cppcheck"
includes=()
for layer in "$build"/include/*; do
    includes+=("-I$layer")
done
for service in services/*/; do
    includes+=("-I$service")
done

# missingIncludeSystem: foreign headers are the compiler's business.
# unusedFunction would need the whole tree with its tests: not enabled.
# normalCheckLevelMaxBranches, unmatchedSuppression: about the tool, not about the code.
cppcheck --quiet --std=c11 --language=c -j 2 --cppcheck-build-dir="$build/cppcheck" \
    --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
    --suppress=normalCheckLevelMaxBranches --suppressions-list=tests/lint/cppcheck.txt \
    -D_GNU_SOURCE -DJACKDAW_VERSION='"lint"' "${includes[@]}" -i services/web common services
status=$?
echo "cppcheck: $([[ $status == 0 ]] && echo clean || echo findings above)"
exit $status
