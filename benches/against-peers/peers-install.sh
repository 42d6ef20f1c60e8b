#!/usr/bin/env bash
# The queues that aq is compared with, in the versions that it was compared with: Debian's as root with apt-get,
# the others into DIR/bin, where the scripts here look for them. Nothing else of the system changes.
# HyperQueue is built from its repository, or from a checkout that HQ_SOURCE names.
# Usage: peers-install.sh [DIR]   (default: `peers` in the target directory)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=$(realpath -m "${1:-${PEERS_DIR:-${CARGO_TARGET_DIR:-$HERE/../../target}/peers}}")
PUEUE=4.0.4 SLOOP=0.6.0 HQ=v0.26.2
HQ_REPOSITORY=https://github.com/It4innovations/hyperqueue
export CARGO_TARGET_DIR=$DIR/build
mkdir -p "$DIR"

packages=()
for pair in ninja:ninja-build nq:nq tsp:task-spooler parallel:parallel strace:strace; do
    command -v "${pair%%:*}" > /dev/null || packages+=("${pair#*:}")
done
if [ ${#packages[@]} != 0 ]; then
    echo "== ${packages[*]}"
    if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
        apt-get -qq update && apt-get -qq install -y --no-install-recommends "${packages[@]}"
    else
        echo "only root can, with apt-get: apt-get install ${packages[*]}"
    fi
fi
# install NAME ARGUMENTS...: when DIR has it not yet in this version.
install() {
    local name=$1; shift
    if [ -x "$DIR/bin/$name" ] && [ "$(cat "$DIR/$name.installed" 2> /dev/null)" = "$*" ]; then return; fi
    echo "== $name"
    if cargo install --quiet --locked --root "$DIR" --force "$@"; then echo "$*" > "$DIR/$name.installed"; fi
}
install pueue "pueue@$PUEUE"
install sloop "sloop-daemon@$SLOOP"
# Without the solver that wants cmake and a C++ compiler.
hq=(--no-default-features --features 'jemalloc,microlp')
if [ -n "${HQ_SOURCE-}" ]; then
    install hq --path "$HQ_SOURCE/crates/hyperqueue" "${hq[@]}"
else
    install hq --git "$HQ_REPOSITORY" --tag "$HQ" hyperqueue "${hq[@]}"
fi
rm -rf "$DIR/build"
PATH=$DIR/bin:$PATH
for name in ninja nq tsp parallel pueue hq sloop; do
    command -v "$name" || echo "$name is not there, and will be left out"
done
