#!/usr/bin/env bash
# git 2.39.5 (Debian package 1:2.39.5-0+deb12u3).
#
# `git clone --shared` is documented to make a repository that has no objects of its own and borrows those of the source. Of a
# shallow source on the same disk it copies the packs, writes no `objects/info/alternates`, ends with 0 and says nothing of it (of a
# complete source it borrows). Who gives each of a hundred agents such a clone pays for a hundred copies, and who removes the
# copies' need for the source by hand finds nothing to remove.
#
# Seen: of the complete source 0 packs and an alternates file; of the shallow one 1 pack and none; stderr has no warning either time.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq download git=1:2.39.5-0+deb12u3 2>/dev/null
dpkg-deb -x git_*.deb root
export HOME=$dir GIT_CONFIG_NOSYSTEM=1 PATH=$dir/root/usr/bin:$PATH GIT_EXEC_PATH=$dir/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
[ "$(git --version)" = "git version 2.39.5" ]
git init -q -b main complete
for text in first second third; do git -C complete commit -q --allow-empty -m "$text"; done
git clone -q --depth 1 "file://$PWD/complete" shallow
for source in complete shallow; do
    git clone --shared "$source" "of-$source" 2>said
    if grep -v -e '^Cloning into' -e '^done\.$' said >&2; then exit 1; fi
    packs=$(find "of-$source/.git/objects/pack" -name '*.pack' | wc -l)
    borrows=no
    if [ -e "of-$source/.git/objects/info/alternates" ]; then borrows=yes; fi
    echo "$source packs=$packs borrows=$borrows"
done >seen
cat seen
[ "$(cat seen)" = $'complete packs=0 borrows=yes\nshallow packs=1 borrows=no' ]
