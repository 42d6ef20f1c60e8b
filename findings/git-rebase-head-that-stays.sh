#!/usr/bin/env bash
# git 2.47.3.
#
# `REBASE_HEAD` names the commit at which a rebase has stopped. A rebase that was continued and has ended leaves it behind, for good:
# whoever takes it for a rebase that goes on waits for ever. `rebase-merge` and `rebase-apply` go at the end. So does `REBASE_HEAD` of
# the backend `--apply`.
#
# Seen:
#   --merge REBASE_HEAD
#   --apply
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GIT_CONFIG_GLOBAL=/dev/null GIT_EDITOR=true
git init -q -b main
git config user.name a
git config user.email a@example.com
for backend in --merge --apply; do
    echo "1 $backend" >file
    git add file
    git commit -qm base
    git checkout -q -b "side$backend"
    echo 2 >file
    git commit -qam 2
    git checkout -q main
    echo 3 >file
    git commit -qam 3
    if git rebase -q "$backend" main "side$backend" >log 2>&1; then exit 1; fi
    echo 4 >file
    git add file
    git rebase --continue >log 2>&1
    left=$(cd .git && for name in rebase-merge rebase-apply REBASE_HEAD; do if [ -e $name ]; then printf ' %s' $name; fi; done)
    echo "$backend$left"
    rm -f .git/REBASE_HEAD
    git checkout -q main
done | tee seen
diff seen - <<'END'
--merge REBASE_HEAD
--apply
END
