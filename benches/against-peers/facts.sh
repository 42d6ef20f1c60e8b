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
version aq "$(numbered "$AQ" --version)"
for p in ninja nq tsp parallel hq pueue sloop strace; do
    if ! have "$p"; then printf '#\tmissing\t%s\n' "$p" >> "$RESULTS"; continue; fi
    case $p in
        ninja | parallel | hq | pueue | sloop | strace) version "$p" "$(numbered "$p" --version)" ;;
        tsp) version task-spooler "$(numbered tsp -V)" ;;
        nq) version nq "$(dpkg-query -W -f '${Version}' nq 2> /dev/null)" ;;
    esac
done
version git "$(numbered git --version)"
