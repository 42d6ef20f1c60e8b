#!/usr/bin/env bash
# git-lfs 3.3.0 (Debian package 3.3.0-1+deb12u1) with git 2.39.5 (1:2.39.5-0+deb12u3).
#
# The contents of a branch are uploaded by the hook `pre-push`. A program that pushes without hooks (`--no-verify`, or
# `core.hooksPath` elsewhere) moves the remote's branch and uploads nothing; from then on `git lfs prune` takes the tracking branch
# for proof that the remote has everything. With the usual setting for old commits it removes the only copy of a content, and the
# commit that needs it cannot be checked out anywhere any more. `git lfs prune --verify-remote` does ask.
#
# Seen: after `git push --no-verify` and `git lfs prune` the work tree's repository and the remote have no content.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq download git=1:2.39.5-0+deb12u3 git-lfs=3.3.0-1+deb12u1 2>/dev/null
for deb in *.deb; do dpkg-deb -x "$deb" root; done
export HOME=$dir GIT_CONFIG_NOSYSTEM=1 PATH=$dir/root/usr/bin:$PATH GIT_EXEC_PATH=$dir/root/usr/lib/git-core
[ "$(git --version)" = "git version 2.39.5" ]
git lfs version | grep -q '^git-lfs/3.3.0 '
git config --global user.name a
git config --global user.email a@example.com
git init -q --bare origin.git
git init -q -b main work
cd work
git lfs install --local >/dev/null
git remote add origin "file://$dir/origin.git"
git lfs track '*.bin' >/dev/null
old=$(date -d '40 days ago' +%s)
echo old >a.bin
git add .
GIT_AUTHOR_DATE=$old GIT_COMMITTER_DATE=$old git commit -q -m old
git rm -q a.bin
GIT_AUTHOR_DATE=$old GIT_COMMITTER_DATE=$old git commit -q -m "not needed now"
contents() { echo "$1 $(find "$2" -path '*lfs/objects/*' -type f | wc -l)"; }
seen=$(contents before .git
    git push -q --no-verify origin main
    git lfs prune >/dev/null
    contents after .git
    contents remote ../origin.git)
printf '%s\n' "$seen"
[ "$seen" = $'before 1\nafter 0\nremote 0' ]
