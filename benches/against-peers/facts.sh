#!/usr/bin/env bash
# What the results were measured on and with, as lines of RESULTS; those that begin with `#` are no measurements.
. "$(dirname "$0")/common.sh"

version() { # NAME VERSION
    [ -z "$2" ] || printf '#\tversion\t%s\t%s\n' "$1" "$2" >> "$RESULTS"
}
# The first number in what it prints.
numbered() { "$@" 2>&1 | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1; }
system=$(. /etc/os-release 2> /dev/null && echo "${PRETTY_NAME-}")
printf '#\tmachine\t%s\t%s cores\t%s\tLinux %s\t%s\tload %s before\n' "$(date -u +%F)" "$(nproc)" "${system:-Linux}" \
    "$(uname -r | cut -d- -f1)" "$(df --output=fstype "$W" | tail -n 1)" "$(cut -d' ' -f1 /proc/loadavg)" >> "$RESULTS"
version aq "$(numbered "$AQ" --version) ($(git -C "$HERE" describe --always --dirty 2> /dev/null))"
while read -r p name; do
    if ! have "$p"; then printf '#\tmissing\t%s\n' "$name" >> "$RESULTS"; continue; fi
    case $p in
        tsp) version "$name" "$(numbered tsp -V)" ;;
        nq) version "$name" "$(dpkg-query -W -f '${Version}' nq 2> /dev/null)" ;;
        *) version "$name" "$(numbered "$p" --version)" ;;
    esac
done << 'END'
ninja ninja
tsp task-spooler
nq nq
hq HyperQueue
pueue pueue
parallel GNU parallel
sloop sloop
git git
strace strace
END
