#!/usr/bin/env bash
# Sets up, builds and passes all tests: tests/run.sh [STAGE...]   (no STAGE: all but faults, in order)
#
#   build      every daemon and test with gcc, AddressSanitizer and UndefinedBehaviorSanitizer
#   clang      everything once more with clang: its warnings are errors too
#   format     clang-format, and shellcheck where it is installed
#   lint       layers and homes of foreign libraries, clang-tidy, cppcheck
#   unit       unit and codec tests
#   tsan       what uses threads once more, with ThreadSanitizer
#   daemon     each daemon alone against mock peers
#   scenario   scripted conversations with a cluster of 3 edges, 2 routers, sessions, presence, pubsub, archives
#   tls        the certificates of two domains on every port, loaded anew; what testssl.sh says of them
#   desktop    slixmpp, aioxmpp, libstrophe, go-sendxmpp, profanity, finch, xmpp.js over TCP and TLS,
#              and one of them with Chromium
#   clients    Strophe.js, xmpp.js, stanza, Chromium with converse.js, 2,000 held sessions; and
#              xmpp.js and stanza while daemons are killed: they resume
#   faults     every fault in turn while 200 users talk in numbered messages: nothing lost, doubled, reordered;
#              minutes long, run when named
#   fuzz       every decoder and parser, a few seconds each
#   quickstart deploy/run.sh as a person would use it, with a release build
#
# Logs are in build/test-logs. Ends with a line 'N passed, N failed'.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
logs=$root/build/test-logs
jobs=$((2 * $(nproc))) # tests at a time: they wait more than they work
authority=$root/build/test-authority
passed=0
failed=0
job=

export PYTHONPATH=$root/deploy PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache
fi

build_with() {
    cmake --preset "$1" -DBUILD_TESTING=ON && cmake --build --preset "$1"
}

# A cluster around a command. $authority vouches for users without a password.
in_cluster() {
    python3 tests/scenario/play/authority.py "$authority" || return 1
    CLUSTER_AUTHORITY=$authority python3 -m cluster --bin build/asan/bin --edges 3 --c2s 2 --routers 2 --sessions 2 --presence 2 \
        --pubsub 2 --archives 2 --set c2s.client_ca="$authority/ca.pem" \
        --set session.oauth_keys="$authority/jwks.json" \
        --set session.registration=yes --set session.registration@other.localhost=no --set session.max_registrations=0 \
        --set session.max_failures=0 --set session.iterations=4096 --set stream.login_delay=0 \
        --set contact.abuse='mailto:abuse@localhost xmpp:abuse@localhost' \
        --set contact.security=mailto:security@localhost \
        --set trace.keep=10m --set trace.accounts=tracer@localhost "$@"
}

stage_build() {
    build_with asan
}

stage_clang() {
    build_with clang
}

stage_format() {
    cmake --build --preset asan --target format-check || return 1
    if command -v shellcheck >/dev/null; then
        shellcheck deploy/*.sh tests/run.sh .ci/run
    fi
}

stage_lint() {
    local status=0
    ctest --test-dir build/asan -L lint --no-tests=error --output-on-failure || status=1
    cmake --build --preset clang --target tidy || status=1
    cmake --build --preset clang --target cppcheck || status=1
    return "$status"
}

stage_unit() {
    ctest --test-dir build/asan -L unit -j "$jobs" --no-tests=error --output-on-failure
}

stage_tsan() {
    build_with tsan && TSAN_OPTIONS=suppressions=$root/tests/tsan.supp \
        ctest --test-dir build/tsan -L unit -j "$jobs" --no-tests=error --output-on-failure \
        -R 'unit/(bus|loop|metric|redis|registry|sql|session|presence|pubsub|archive)/'
}

stage_daemon() {
    ctest --test-dir build/asan -L daemon -j "$jobs" --no-tests=error --output-on-failure
}

stage_scenario() {
    in_cluster --set session.anonymous=yes --set session.max_anonymous=0 -- \
        bash -c 'tests/scenario/run.py && tests/scenario/run.py --transport tcp'
}

stage_tls() {
    python3 tests/tls/run.py --bin build/asan/bin
}

stage_clients() {
    # The last two kill daemons, so they come last and alone.
    # shellcheck disable=SC2016  # the shell inside the cluster expands them
    in_cluster --set session.anonymous=yes --set session.max_anonymous=0 -- bash -c '
        run() { node --test --test-reporter=spec "$@"; }
        cd tests/clients &&
            run strophe.test.mjs xmpp_js.test.mjs stanza.test.mjs strophe_old.test.mjs browser.test.mjs \
                converse.test.mjs &&
            python3 trace.py &&
            python3 hold.py --sessions 2000 &&
            run killed.test.mjs && run resume.test.mjs'
}

stage_desktop() {
    # shellcheck disable=SC2016  # the shell inside the cluster expands them
    in_cluster -- bash -c '
        status=0
        for test in tests/clients/desktop/test_*.py; do
            python3 "$test" || status=1
        done
        node --test --test-reporter=spec tests/clients/desktop/*.test.mjs || status=1
        exit $status'
}

stage_faults() {
    local run=(timeout 300 python3 tests/faults/run.py --bin build/asan/bin --seed 1) status=0
    "${run[@]}" --users 200 --rate 25 --pause 1 || status=1
    "${run[@]}" --users 60 --rate 25 --postgres --faults postgres,kill-archive || status=1
    # A check of the check: without stream management this must find losses.
    "${run[@]}" --users 60 --rate 60 --without-resume --faults kill-edge,kill-c2s || status=1
    return "$status"
}

stage_fuzz() {
    build_with fuzz && ctest --test-dir build/fuzz -L fuzz -j "$(nproc)" --no-tests=error --output-on-failure
}

stage_quickstart() {
    python3 tests/clients/quickstart.py
}

# Adds what the log of a stage says of single tests to the totals: ctest, cmocka's are inside, and
# node's runner. A stage without such lines counts as one test.
count() {
    local log=$1 status=$2 good bad
    good=$(sed -nE 's/^ℹ pass ([0-9]+)$/\1/p; s/^.*tests passed, ([0-9]+) tests failed out of ([0-9]+)$/\2/p; s/^([0-9]+) passed, [0-9]+ failed.*$/\1/p' "$log" |
        awk '{ sum += $1 } END { print sum + 0 }')
    bad=$(sed -nE 's/^ℹ fail ([0-9]+)$/\1/p; s/^.*tests passed, ([0-9]+) tests failed out of [0-9]+$/\1/p; s/^[0-9]+ passed, ([0-9]+) failed.*$/\1/p' "$log" |
        awk '{ sum += $1 } END { print sum + 0 }')
    # ctest gives the failed ones and all: what passed is the difference.
    good=$((good - $(sed -nE 's/^.*tests passed, ([0-9]+) tests failed out of [0-9]+$/\1/p' "$log" |
        awk '{ sum += $1 } END { print sum + 0 }')))
    if [[ $status == 0 && $good == 0 ]]; then
        good=1
    elif [[ $status != 0 && $bad == 0 ]]; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
}

# Runs stage $1 with its output in a log; says every few seconds where it is.
run_stage() {
    local name=$1 log=$logs/$1.log begun=$SECONDS said=$SECONDS status=0
    printf '== %s\n' "$name"
    set -m
    "stage_$name" >"$log" 2>&1 </dev/null &
    job=$!
    set +m
    while kill -0 "$job" 2>/dev/null; do
        sleep 0.5
        if ((SECONDS - said >= 15)); then
            said=$SECONDS
            printf '   %4d s  %s\n' $((SECONDS - begun)) "$(tail -n 1 "$log" | cut -c 1-110)"
        fi
    done
    wait "$job" || status=$?
    job=
    count "$log" "$status"
    if [[ $status == 0 ]]; then
        printf '   ok, %d s\n' $((SECONDS - begun))
    else
        printf '   FAILED (status %d) after %d s; from %s:\n' "$status" $((SECONDS - begun)) "$log"
        grep -nE '(error|warning): |FAILED|undefined reference|^✖|Sanitizer' "$log" | head -n 25 | sed 's/^/   | /'
        printf '   | ... and its end:\n'
        tail -n 60 "$log" | sed 's/^/   | /'
    fi
    return "$status"
}

stop_job() {
    [[ -n $job ]] && kill -TERM -- "-$job" 2>/dev/null
    printf '\nstopped; %d passed, %d failed so far\n' "$passed" "$failed"
    exit 130
}

main() {
    local stages=("$@") stage
    case ${1:-} in
    -h | --help)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
    esac
    [[ ${#stages[@]} == 0 ]] &&
        stages=(build clang format lint unit tsan daemon scenario tls desktop clients fuzz quickstart)
    for stage in "${stages[@]}"; do
        declare -F "stage_$stage" >/dev/null || {
            printf 'there is no stage %s; tests/run.sh --help lists them\n' "$stage" >&2
            exit 2
        }
    done
    trap stop_job INT TERM
    mkdir -p "$logs"
    deploy/setup.sh test || exit 1
    if [[ " ${stages[*]} " != *" build "* ]]; then
        stages=(build "${stages[@]}") # what changed since: nearly nothing to do
    fi
    for stage in "${stages[@]}"; do
        if ! run_stage "$stage" && [[ $stage == build ]]; then
            break # nothing else can run
        fi
    done
    printf 'all stages took %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [[ $failed == 0 ]]
}

main "$@"
