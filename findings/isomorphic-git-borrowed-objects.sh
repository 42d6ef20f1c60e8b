#!/usr/bin/env bash
# isomorphic-git 1.44.19 (npm), with the git on PATH making the repositories.
#
# It reads a repository's own `.git/objects` and nothing else. In a clone that borrows objects (`git clone --shared`,
# `objects/info/alternates`), whose index and branch are all right, `log` and `status` end in "NotFoundError: Could not find
# <commit>". In a linked worktree it looks for branches beside the worktree's `HEAD`, where git has none: `log` fails with "Could
# not find refs/heads/side", and `status` answers "added" for a file that nobody touched. `git repack -a -d` in the
# borrowing clone, which copies what is borrowed, mends the first.
#
# Seen: own: log NotFoundError, status NotFoundError; linked: log NotFoundError, status added; own after the repack: log 1,
# status unmodified.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME=$dir GIT_CONFIG_NOSYSTEM=1
git init -q -b main user
git -C user -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m empty
echo one >user/a.txt
git -C user add a.txt
git -C user -c user.name=a -c user.email=a@example.com commit -q --amend -m first
git clone -q --shared user own
git -C user worktree add -q ../linked -b side
mkdir node
cd node
npm install --silent --no-audit --no-fund --no-save --prefix . isomorphic-git@1.44.19 >/dev/null
cat >ask.js <<'END'
const git = require('isomorphic-git'), fs = require('fs');
const say = async (name, ask) => console.log(name, await ask().catch(e => e.code || e.name));
(async () => {
  const dir = process.argv[2];
  await say('log', async () => (await git.log({ fs, dir })).length);
  await say('status', () => git.status({ fs, dir, filepath: 'a.txt' }));
})();
END
ask() { node ask.js "../$1" | paste -sd, - | sed "s/^/$1: /"; }
seen=$(ask user; ask own; ask linked; git -C ../own repack -adq; ask own)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'END'
user: log 1,status unmodified
own: log NotFoundError,status NotFoundError
linked: log NotFoundError,status added
own: log 1,status unmodified
END
