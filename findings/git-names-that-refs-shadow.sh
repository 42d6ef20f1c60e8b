#!/usr/bin/env bash
# git 2.39.5 (Debian package 1:2.39.5-0+deb12u3).
#
# A tool that keeps refs of its own beside a branch of the same ending, such as `refs/tool/job` beside `refs/heads/tool/job`, makes
# commands disagree about what `tool/job` is: `git log` and `git merge` take the tool's ref, `git switch` takes the branch. All end
# with 0; the words are a warning, "refname 'tool/job' is ambiguous", and `git merge` merges the work that nobody sees on
# the branch.
#
# Seen: `git log -1 --format=%s tool/job` says "hidden", `git switch tool/job` is at "shown", `git merge tool/job` brings "hidden".
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq download git=1:2.39.5-0+deb12u3 2>/dev/null
dpkg-deb -x git_*.deb root
export HOME=$dir GIT_CONFIG_NOSYSTEM=1 PATH=$dir/root/usr/bin:$PATH GIT_EXEC_PATH=$dir/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
[ "$(git --version)" = "git version 2.39.5" ]
git init -q -b main r
cd r
git commit -q --allow-empty -m first
git branch tool/job
for text in shown hidden; do
    commit=$(git commit-tree -p main -m $text "main^{tree}")
    if [ "$text" = shown ]; then ref=refs/heads/tool/job; else ref=refs/tool/job; fi
    git update-ref "$ref" "$commit"
done
seen=$(git log -1 --format=%s tool/job 2>/dev/null
    git switch -q tool/job 2>/dev/null && git log -1 --format=%s HEAD
    git switch -q main && git merge -q tool/job 2>said && git log -1 --format=%s HEAD)
printf '%s\n' "$seen"
grep "refname 'tool/job' is ambiguous" said
[ "$seen" = $'hidden\nshown\nhidden' ]
