#!/usr/bin/env bash
# git 2.39.5 (Debian package 1:2.39.5-0+deb12u3).
#
# GIT_ALTERNATE_OBJECT_DIRECTORIES lends objects to one command. `git add` and `git commit` under it write no object that the
# lender has, and record nothing of the loan: they end with 0, and the new commit cannot be read once the variable is gone. So a
# program that lets an agent borrow by the variable alone makes a broken repository out of valid commands, and only where the
# agent's file happens to be one that the lender knew.
#
# Seen: commit ends with 0; without the variable `git cat-file -p HEAD:same.txt` ends with 128, HEAD:other.txt with 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq download git=1:2.39.5-0+deb12u3 2>/dev/null
dpkg-deb -x git_*.deb root
export HOME=$dir GIT_CONFIG_NOSYSTEM=1 PATH=$dir/root/usr/bin:$PATH GIT_EXEC_PATH=$dir/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
[ "$(git --version)" = "git version 2.39.5" ]
git init -q lender
echo same >lender/same.txt
git -C lender add same.txt
git init -q borrower
cd borrower
echo same >same.txt
echo other >other.txt
export GIT_ALTERNATE_OBJECT_DIRECTORIES=$dir/lender/.git/objects
git add .
git commit -q -m work
unset GIT_ALTERNATE_OBJECT_DIRECTORIES
read_file() { git cat-file -p "HEAD:$1" >/dev/null 2>&1 && echo "$1 0" || echo "$1 $?"; }
seen=$(read_file same.txt; read_file other.txt)
printf '%s\n' "$seen"
[ "$seen" = $'same.txt 128\nother.txt 0' ]
