#!/usr/bin/env bash
# git 2.39.5 (Debian package 1:2.39.5-0+deb12u3).
#
# In a submodule `git worktree list --porcelain` says that the main worktree is the submodule's git directory,
# `.git/modules/NAME` of the repository above it, and not the directory with the files, which `git rev-parse --show-toplevel`
# names. The branch beside it is right. A program that looks for "the checkout of this branch" by the list, and writes or
# removes files there, is in a directory of git's own.
#
# Seen: the list says `.git/modules/lib` and branch refs/heads/main; rev-parse says `lib`; both end with 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
dir=$(pwd -P)
apt-get -qq download git=1:2.39.5-0+deb12u3 2>/dev/null
dpkg-deb -x git_*.deb root
export HOME=$dir GIT_CONFIG_NOSYSTEM=1 PATH=$dir/root/usr/bin:$PATH GIT_EXEC_PATH=$dir/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
[ "$(git --version)" = "git version 2.39.5" ]
git init -q -b main source
git -C source commit -q --allow-empty -m first
git init -q -b main app
git -C app -c protocol.file.allow=always submodule --quiet add "$dir/source" lib
seen=$(git -C app/lib worktree list --porcelain | grep -v '^HEAD' && git -C app/lib rev-parse --show-toplevel)
printf '%s\n' "$seen"
[ "$seen" = "worktree $dir/app/.git/modules/lib
branch refs/heads/main

$dir/app/lib" ]
