#!/usr/bin/env bash
# What a landing of the merge train costs, in a repository of 10,000 files: N small jobs in testing/ with `ship: merge` and a
# check of the target, beside `git merge --no-ff` and the same check in one checkout, one after the other. Both sides have the
# same merges to make, in turns, in ROUNDS rounds. First, and not timed, the runs of git are counted: of a job that changes
# one file, from its add to its end in testing/, and of a landing. Usage: landings.sh [N]
# Fails where a landing costs more than LIMIT times the bare commands (default: no limit), or runs git more often than
# MOST_GITS_JOB and MOST_GITS_LANDING say.
# shellcheck disable=SC2317 # counted, quiet and timed call what they are told
. "$(dirname "$0")/../against-peers/common.sh"
N=${1:-200} FILES=${FILES:-10000} ROUNDS=${ROUNDS:-5}
LIMIT=${LIMIT:-} MOST_GITS_JOB=${MOST_GITS_JOB:-4}
# Git before 2.41 is asked for the attributes of the target in two more.
MOST_GITS_LANDING=${MOST_GITS_LANDING:-$(git --attr-source=HEAD --version > /dev/null 2>&1 && echo 8 || echo 10)}
REPOSITORY=$W/repository BARE=$W/bare QUEUE=$W/aq
size landing "$N"

quiet() { "$@" > /dev/null || { echo "$* ended with $?" >&2; exit 1; }; }
aq() { quiet "$AQ" --queue "$QUEUE" "$@"; }

# A check that reads every file.
make_repository() {
    local dir
    mkdir "$REPOSITORY"
    for ((dir = 0; dir < 100; dir++)); do mkdir "$REPOSITORY/dir-$dir"; done
    (cd "$REPOSITORY" && seq 0 $((FILES - 1)) | awk '{ f = "dir-" $1 % 100 "/file-" $1; print $1 > f; close(f) }')
    printf '#!/bin/sh\nfind dir-* -type f -exec cat {} + | wc -l\n' > "$REPOSITORY/check"
    chmod +x "$REPOSITORY/check"
    quiet git -C "$REPOSITORY" init -q
    quiet git -C "$REPOSITORY" add -A
    quiet git -C "$REPOSITORY" commit -q -m first
    quiet git clone -q "$REPOSITORY" "$BARE"
    aq init
    quiet "$AQ" --queue "$QUEUE" caps 2>&1
    printf 'ship: merge\nmerge: {verify: ./check}\n' > "$QUEUE/config.yaml"
}

# build COUNT: as many more jobs, each with a new file and a changed one, until they are in testing/.
MADE=0
build() {
    local i id
    away "$W/jobs"; mkdir "$W/jobs"
    BUILT=()
    for ((i = 0; i < $1; i++)); do
        id=job$MADE
        printf -- '---\nengine: shell\nlock: none\n---\necho new > dir-%d/new-%d; echo changed > dir-%d/file-%d\n' \
            $((MADE % 100)) "$MADE" $((MADE % 100)) $((MADE % FILES)) > "$W/jobs/$id.md"
        BUILT+=("$id"); MADE=$((MADE + 1))
    done
    (cd "$REPOSITORY" && aq add "$W/jobs")
    aq run --once --max 2 --quiet
}
train() { "$AQ" --queue "$QUEUE" run --once --ship --quiet; }
merges() {
    local id
    for id in "${BUILT[@]}"; do
        git merge -q --no-ff -m "aq: $id" "origin/aq/wip/$id" && ./check || return
    done
}
checks() { local id; for id in "${BUILT[@]}"; do ./check; done; }
# landed COMMIT...: that many jobs are merged since.
landed() {
    local count
    count=$(git -C "$1" log --first-parent --oneline "$2..main" | wc -l)
    [ "$count" = "${#BUILT[@]}" ] || { echo "$1 has $count of ${#BUILT[@]} merges" >&2; exit 1; }
}

# A git that says when it is run.
make_counter() {
    local real
    real=$(type -P git)
    mkdir "$W/counter"
    printf '#!/bin/sh\necho "$*" >> %s/gits\nexec %s "$@"\n' "$W" "$real" > "$W/counter/git"
    chmod +x "$W/counter/git"
}
# counted COMMAND...: GITS is how often it has git run.
counted() {
    : > "$W/gits"
    PATH=$W/counter:$PATH "$@" > /dev/null 2>&1
    # Once for a loop, not for a job.
    GITS=$(grep -vcx -e --version "$W/gits")
}

make_repository
make_counter
# What is remembered from job to job, and the checkout of the train, are there from then on.
build 2; quiet train
build 1
counted build "$((N < 20 ? N : 20))"
record gits-job aq "$(share "$GITS" "${#BUILT[@]}")" runs
GITS_JOB=$GITS JOBS=${#BUILT[@]}
[ -z "${SHOW_GITS-}" ] || sed -E 's/^.*hook\.pre-auto-gc\.enabled=false //' "$W/gits" | cut -c -120 | head -n "$SHOW_GITS"
counted train
record gits-landing aq "$(share "$GITS" "$((JOBS + 1))")" runs
GITS_LANDING=$GITS
rm -rf "$QUEUE"/work/job*
[ -z "${SHOW_GITS-}" ] || sed -E 's/^.*hook\.pre-auto-gc\.enabled=false //' "$W/gits" | cut -c -120 | head -n "$SHOW_GITS"

OURS=0 THEIRS=0
for ((r = 0; r < ROUNDS; r++)); do
    build $(((N + ROUNDS - 1) / ROUNDS))
    start=$(git -C "$REPOSITORY" rev-parse main)
    quiet git -C "$BARE" fetch -q origin '+refs/heads/*:refs/remotes/origin/*'
    cd "$BARE" && quiet git reset -q --hard "$start" && quiet git status
    for who in $([ $((r % 2)) = 0 ] && echo aq git || echo git aq); do
        case $who in
            aq) timed train; landed "$REPOSITORY" "$start" ;;
            git) timed merges; landed "$BARE" "$start" ;;
        esac
        record landing "$who" "$(share "$MS" "${#BUILT[@]}")" ms
        case $who in aq) OURS=$(awk "BEGIN { print $OURS + $MS }") ;; git) THEIRS=$(awk "BEGIN { print $THEIRS + $MS }") ;; esac
    done
    # 10,000 files each.
    rm -rf "$QUEUE"/work/job*
    timed checks
    record landing check "$(share "$MS" "${#BUILT[@]}")" ms
done
RATIO=$(awk "BEGIN { printf \"%.2f\", $OURS / $THEIRS }")
record landing-ratio aq "$RATIO" times
over() { awk "BEGIN { exit !($1 > $2) }"; }
failed=0
if over "$GITS_JOB" "$MOST_GITS_JOB * $JOBS"; then
    echo "$JOBS jobs ran git $GITS_JOB times, more than $MOST_GITS_JOB each" >&2; failed=1
fi
if over "$GITS_LANDING" "$MOST_GITS_LANDING * ($JOBS + 1)"; then
    echo "$((JOBS + 1)) landings ran git $GITS_LANDING times, more than $MOST_GITS_LANDING each" >&2; failed=1
fi
if [ -n "$LIMIT" ] && over "$RATIO" "$LIMIT"; then
    echo "a landing costs $RATIO times the bare commands, more than $LIMIT" >&2; failed=1
fi
exit $failed
