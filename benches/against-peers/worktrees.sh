#!/usr/bin/env bash
# N jobs in a git repository of 100 files, each with a checkout, a change and a commit of its own; milliseconds a job.
# Beside it what git needs for the same, one after the other and two at a time, and, where AQ_EARLIER names the binary of
# another version, what that one needs. Usage: worktrees.sh [N]
. "$(dirname "$0")/common.sh"
. "$HERE/peers.sh"
N=${1:-40}
size worktree "$N"

cat > "$W/alone" << 'END'
cd "$1" && git worktree add -q -b "job$2" "../trees/job$2" HEAD && cd "../trees/job$2" &&
    echo "$2" > change && git add -A && git commit -qm change
END
alone() { seq "$N" | xargs "-P$1" -n1 sh "$W/alone" "$W/git/repository"; }
# work NAME: MS is how long OF jobs took.
work() {
    local made
    OF=$N
    case $1 in
        git | git-2)
            away "$W/git"; mkdir "$W/git"; repository "$W/git/repository"
            case $1 in git) timed alone 1 ;; *) timed alone 2 ;; esac
            made=$(git -C "$W/git/repository" log --all --oneline --grep change | wc -l) ;;
        aq | aq-earlier)
            local AQ=$AQ
            [ "$1" = aq ] || AQ=$AQ_EARLIER
            aq_hold; away "$W/repository"; repository "$W/repository"; aq_files "$N"
            # shellcheck disable=SC2016 # the job expands it
            sed -i 's/^true$/echo $AQ_JOB_ID > change/' "$W"/aq-jobs/*
            (cd "$W/repository" && "$AQ" --queue "$W/aq" add "$W/aq-jobs" > /dev/null)
            timed aq_release
            made=$(git -C "$W/repository" rev-list --branches='aq/wip/*' --not main | wc -l) ;;
        sloop)
            OF=$((N < 20 ? N : 20)) # a few a second
            sloop_hold; sloop_fill "$OF"
            timed sloop_release
            made=$(git -C "$W/sloop" rev-list --branches='sloop/*' --not main | wc -l)
            sloop_down ;;
    esac
    [ "$made" = "$OF" ] || echo "$1 made $made of $OF commits, and counts by those" >&2
    OF=$((made > 0 ? made : 1))
}
for ((r = 0; r < RUNS; r++)); do
    for p in git git-2 aq ${AQ_EARLIER:+aq-earlier} $(present sloop); do
        [ "$p" != sloop ] || [ "$r" = 0 ] || continue
        work "$p"
        record worktree "$p" "$(share "$MS" "$OF")" ms
    done
done
