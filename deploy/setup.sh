#!/usr/bin/env bash
# Installs what Jackdaw needs on Debian 12 and is missing: setup.sh [run|test]
#
#   run   what deploy/run.sh needs: compiler, libraries, Redis, and the chat page's library from npm
#   test  also what tests/run.sh needs: clang, linters, PostgreSQL, Chromium, client libraries
#
# Safe to call again at any time: it looks first and does nothing when nothing is missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

run_packages=(
    ca-certificates gcc libc6-dev cmake ninja-build pkg-config python3
    libuv1-dev libnng-dev libwebsockets-dev libwebsockets-evlib-uv libhiredis-dev libexpat1-dev
    libidn-dev libidn2-dev libssl-dev libinih-dev libjansson-dev libsqlite3-dev libpq-dev libcmocka-dev
    redis-server
)
test_packages=(
    clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck ccache git openssl
    postgresql chromium fonts-dejavu-core procps nftables iproute2
    testssl.sh python3-slixmpp python3-aioxmpp libstrophe-dev go-sendxmpp profanity finch tmux
)

say() {
    printf 'setup: %s\n' "$*"
}

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# The packages of the list that are not installed, one a line.
missing() {
    local package state
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
        [[ $state == ii* ]] || printf '%s\n' "$package"
    done
}

# Node.js from wherever it came, if it is new enough and has npm.
has_node() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null
}

as_root() {
    if [[ $(id -u) == 0 ]]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail "packages must be installed, and that takes root: run deploy/setup.sh as root once"
    fi
}

install_packages() {
    local -a wanted
    mapfile -t wanted < <(missing "$@")
    has_node || wanted+=(nodejs npm)
    if [[ ${#wanted[@]} == 0 ]]; then
        say "all Debian packages are there"
        return
    fi
    command -v apt-get >/dev/null ||
        fail "this is not Debian; install what these packages hold, then run again:" "${wanted[*]}"
    say "installing ${#wanted[@]} Debian packages: ${wanted[*]}"
    say "reading the package lists …"
    as_root apt-get -q update >"$log" 2>&1 ||
        fail "apt-get update failed; its last lines:" "$(tail -5 "$log")" \
            "Check the network and /etc/apt/sources.list, then run this again."
    say "installing (this takes minutes the first time; details in $log) …"
    as_root apt-get -q -y install --no-install-recommends "${wanted[@]}" >>"$log" 2>&1 ||
        fail "apt-get install failed; its last lines:" "$(tail -8 "$log")" \
            "Mend what it says (\"apt-get -f install\" often helps), then run this again."
    say "installed"
}

# npm ci in folder $1, unless what is there was made from the same lock file.
npm_install() {
    local folder=$1 stamp=$1/node_modules/.jackdaw-lock
    if cmp -s "$folder/package-lock.json" "$stamp"; then
        return
    fi
    say "fetching from npm what $(basename "$folder") needs …"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        fail "npm could not fetch the packages named in $folder/package.json." \
            "Check that npm reaches its registry (npm ping), then run this again."
    cp "$folder/package-lock.json" "$stamp"
}

# What a browser loads of the packages in "browserBundles" of folder $1: their dist/, in vendor/. Not as
# dependencies: what those are built from is not wanted, and some name parts of themselves in ways that
# older npm cannot install.
# shellcheck disable=SC2016  # JavaScript has ${} too
npm_bundles() {
    local folder=$1 name version to
    while read -r name version; do
        to=$folder/vendor/$name
        [[ $(cat "$to/.version" 2>/dev/null) == "$version" ]] && continue
        say "fetching $name $version for the browser …"
        rm -rf "$to"
        mkdir -p "$to"
        (cd "$to" && npm pack --silent "$name@$version" >/dev/null && tar -xzf ./*.tgz --strip-components=1 package/dist) ||
            fail "npm could not fetch $name@$version." \
                "Check that npm reaches its registry (npm ping), then run this again."
        rm -f "$to"/*.tgz
        echo "$version" >"$to/.version"
    done < <(node -p 'Object.entries(JSON.parse(require("fs").readFileSync(process.argv[1])).browserBundles)
        .map(([name, version]) => `${name} ${version}`).join("\n")' "$folder/package.json")
}

# The one foreign file of the chat page, copied to where the edge serves it.
vendor_web() {
    local to=$root/services/web/vendor
    npm_install "$root/deploy/web"
    mkdir -p "$to"
    cp "$root/deploy/web/node_modules/strophe.js/dist/strophe.umd.min.js" \
        "$root/deploy/web/node_modules/strophe.js/LICENSE.txt" "$to/"
    say "the chat page has its library"
}

main() {
    local group=${1:-run}
    log=$root/build/setup.log
    mkdir -p "$root/build"
    case $group in
    run)
        install_packages "${run_packages[@]}"
        ;;
    test)
        install_packages "${run_packages[@]}" "${test_packages[@]}"
        npm_install "$root/tests/clients"
        npm_bundles "$root/tests/clients"
        ;;
    *)
        fail "usage: deploy/setup.sh [run|test]"
        ;;
    esac
    vendor_web
}

main "$@"
