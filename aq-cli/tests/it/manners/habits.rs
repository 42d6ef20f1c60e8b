//! Habits of agents in a repository. Each habit is a few lines of shell at the top of the checkout;
//! `$f` and `$g` are tracked files, `$d` a directory, `$n` a number that no other habit has.

/// Changes of files, with no git.
const OF_FILES: &[&str] = &[
    "new >new-$n.txt",
    "mkdir -p fresh/$n/deep; new >fresh/$n/deep/x.txt",
    "new >>$f",
    "new >$f",
    "rm -f $f",
    "rm -rf $d",
    "mv $d moved-$n",
    "mv $f $g",
    "chmod +x $f",
    "chmod 644 $d/tools/run.sh",
    "rm -f $f; ln -s ../empty $f",
    "rm -f $f; mkdir $f; new >$f/inside.txt",
    "rm -rf $d; new >$d",
    "printf 'one\\r\\n%s\\r\\n' $n >$d/win.bat",
    "printf 'one\\r\\n%s\\n' $n >crlf.raw",
    "printf '%s\\r\\nmixed\\n' $n >>$f",
    "head -c 300000 /dev/urandom >x.bin",
    "new >'odd ü $n \"q\" [a] *.txt'",
    "new >\"$(printf 'line\\nbreak-%s' $n)\"; new >-dash-$n; new >':(exclude)$n'",
    "new >'back\\slash-$n'",
    "mkfifo pipe-$n",
    "mkdir -p build; new >build/$n; new >$n.log; new >kept.log",
    "echo \"ignored-$n.txt\" >>.gitignore; new >ignored-$n.txt",
    "echo '*.txt eol=crlf' >>.gitattributes; new >after-$n.txt",
    "echo '* filter=none diff=none merge=none' >>.gitattributes; new >>$f",
    // The same size and the same time.
    "[ -f $f ] && { sed 's/[0-9a-f]/z/' $f >$f.x; touch -r $f $f.x; \
     cat $f.x >$f; touch -r $f.x $f; rm $f.x; }",
    "rm -f to-dir; mkdir to-dir; new >to-dir/f00.txt",
    "find . -name 'f1*.txt' -not -path './.git/*' | head -40 | while read x; do echo $n >>\"$x\"; \
    done",
];

/// Stashes, commits elsewhere, and what stays unfinished.
const OF_HISTORY: &[&str] = &[
    "new >>$f; g add -A; g commit -qm own-$n",
    "new >>$f; new >loose-$n; g add $f; g commit -qm part-$n",
    "new >>$f; g add $f; new >>$f",
    "g commit -q --amend --allow-empty -m amended-$n",
    "new >>$f; g stash",
    "new >>$f; new >untracked-$n; g stash -u",
    "new >>$f; g stash -a",
    "new >>$f; g stash; g stash pop",
    "new >>$f; g stash; new >>$g; g stash; g stash drop",
    "g reset -q --hard",
    "g reset -q --hard HEAD~1",
    "g reset -q --soft HEAD~1",
    "g reset -q; g checkout -q -- .",
    "g clean -qffdx",
    "new >x-$n; g clean -qffd",
    "g checkout -qb side-$n; new >>$f; g commit -qam side-$n",
    "g checkout -qb side-$n; new >>$f; g commit -qam side-$n; g checkout -q aq/wip/$AQ_JOB_ID",
    "g checkout -qb side-$n; new >>$f",
    "g checkout -q --detach; new >>$f; g commit -qam detached-$n",
    "g checkout -q --detach; new >>$f; g commit -qam detached-$n; new >>$g",
    "g checkout -q --orphan orphan-$n; g rm -rqf --cached .; new >only-$n; g add only-$n; \
    g commit -qm orphan",
    "g checkout -q --orphan orphan-$n; new >only-$n",
    "g checkout -q other; new >>$f",
    "g checkout -q main; new >>$f; g commit -qam on-main-$n",
    "g checkout -q main",
    "g checkout -q HEAD~1; new >>$f",
    "g branch -D aq/wip/$AQ_JOB_ID; g checkout -q --detach; g branch -D aq/wip/$AQ_JOB_ID",
    "g checkout -qb gone-$n; new >>$f; g commit -qam x; g checkout -q aq/wip/$AQ_JOB_ID; \
    g branch -D gone-$n",
    "new >>$f; g tag keep-$n $(git stash create)",
    "g branch -qf c-$n; new >$f; g commit -qam one-$n; g checkout -q c-$n; new >$f; \
    g commit -qam two; g merge side",
    "b=$(git symbolic-ref HEAD); g checkout -qb l-$n; new >$f; g commit -qam l; g checkout -q -; \
     new >$f; g commit -qam r; g merge l-$n",
    "g checkout -qb p-$n; new >$f; g commit -qam l; g checkout -q -; new >$f; g commit -qam r; \
    g rebase p-$n",
    "g checkout -qb q-$n; new >$f; g commit -qam l; g checkout -q -; g rm -qf $f; g commit -qm r; \
    g cherry-pick q-$n",
    "g bisect start HEAD HEAD~1; new >>$f",
    "g revert --no-edit HEAD",
    "g notes add -m note-$n HEAD",
    "g replace HEAD HEAD~1",
    "new >>$f; g commit -qam x; g gc -q --prune=now",
    "g pack-refs --all; g repack -adq",
    "g read-tree --empty",
    "g rm -rq --cached $d",
    "g mv $d renamed-$n",
];

/// Flags, rules, settings, hooks, locks, and a repository that is not one any more.
const OF_RULES: &[&str] = &[
    "g update-index --assume-unchanged $f; new >>$f",
    "g update-index --skip-worktree $f; new >>$f",
    "g update-index --skip-worktree $f; rm -f $f",
    "git ls-files -z | xargs -0 git update-index --assume-unchanged; new >>$f; rm -f $g",
    "echo 'new-*' >>.git/info/exclude; new >new-$n.txt",
    "g config core.excludesFile /dev/stdin; echo '*' >.git/all; g config core.excludesFile \
    .git/all; new >e-$n",
    "echo '*.txt -text -diff' >>.git/info/attributes; printf 'a\\r\\n%s\\n' $n >>$f",
    "g config core.fileMode false; chmod +x $f",
    "g config core.symlinks false; rm -f $d/link; ln -s f01.txt $d/link",
    "g config core.autocrlf true; new >>$f; g add -A",
    "g config core.autocrlf input; printf '%s\\r\\n' $n >>$f; g add -A; g commit -qm crlf",
    "g config core.ignoreStat true; new >>$f; g add -A",
    "g config core.checkStat minimal; g config core.trustctime false; new >>$f",
    "g config core.bare true; new >>$f",
    "g config core.worktree /nowhere; new >>$f",
    "g config core.ignoreCase true; new >CASE-$n; new >case-$n",
    "g config core.splitIndex true; g update-index --split-index; new >>$f; g add -A",
    "g config core.untrackedCache true; g status; new >uc-$n",
    "g config core.fsmonitor true; new >>$f",
    "g config core.quotePath false; g config core.precomposeUnicode true; new >ü-$n",
    "g config core.safecrlf true; g config core.eol crlf; printf '%s\\r\\n' $n >>$f",
    "g config core.repositoryFormatVersion 99; new >>$f",
    "g config extensions.noSuch true; g config core.repositoryFormatVersion 1; new >>$f",
    "echo '[nonsense' >>.git/config; new >>$f",
    "g config filter.evil.clean 'echo gone'; g config filter.evil.required true; echo '*.txt \
     filter=evil' >.git/info/attributes; echo '*.txt filter=evil' >>.gitattributes; new >>$f",
    "g config user.name ''; g config user.useConfigOnly true; new >>$f",
    "g config status.showUntrackedFiles no; g config diff.ignoreSubmodules all; new >s-$n",
    "g sparse-checkout set d00 d05; new >>d00/f09.txt",
    "g sparse-checkout set --no-cone '/*' '!/d1*'; new >$f; new >d12-$n",
    "g sparse-checkout set d02; new >d30/f01.txt; mkdir -p d31; new >d31/n-$n",
    "g sparse-checkout disable; new >>d39/f01.txt",
    "for h in pre-commit post-commit post-checkout reference-transaction post-index-change; \
     do printf '#!/bin/sh\\n[ \"$AQ_ATTEMPT\" ] || touch %s/hook-ran\\nexit 1\\n' $OUT \
     >.git/hooks/$h; chmod +x .git/hooks/$h; done; new >>$f",
    "g config core.hooksPath .git/evil; mkdir -p .git/evil; new >>$f",
    "touch .git/index.lock .git/HEAD.lock .git/config.lock .git/refs/heads/main.lock; new >>$f",
    "mkdir -p .git/refs/heads/aq/wip; touch .git/refs/heads/aq/wip/$AQ_JOB_ID.lock; new >>$f",
    "echo nonsense >.git/index; new >>$f",
    "rm -f .git/index; new >>$f",
    "echo nonsense >.git/HEAD; new >>$f",
    "echo 'ref: refs/heads/no/such' >.git/HEAD; new >>$f",
    "rm -f .git/objects/info/alternates; new >>$f",
    "rm -rf .git/refs .git/packed-refs; new >>$f",
    "rm -rf .git; new >>$f",
    "rm -rf .git; new >>$f; g init -q; g add -A; g commit -qm fresh",
    "mv .git .gone-$n; new >>$f; echo 'gitdir: /nowhere' >.git; rm -rf .gone-$n",
    "git rev-parse HEAD~1 >.git/shallow; new >>$f",
    "mkdir -p .git/info; echo \"$(git rev-parse HEAD)\" >.git/info/grafts; new >>$f",
];

/// Repositories inside, and worktrees.
const OF_NESTING: &[&str] = &[
    "g init -q in-$n; new >in-$n/x",
    "g init -q in-$n; new >in-$n/x; g -C in-$n add -A; g -C in-$n commit -qm inner",
    "g init -q build/in-$n; new >build/in-$n/x",
    "g init -q $d; new >$d/x-$n",
    "g clone -q . clone-$n",
    "g clone -q . clone-$n; new >clone-$n/x; g -C clone-$n add -A; g -C clone-$n commit -qm inner",
    "g init -q --bare bare-$n.git",
    "g worktree add -q wt-$n -b wt-$n; new >wt-$n/w-$n",
    "g worktree add -q wt-$n -b wt-$n; new >wt-$n/w; g -C wt-$n add -A; g -C wt-$n commit -qm w",
    "g worktree add -q --detach wt-$n; new >wt-$n/w; g -C wt-$n add -A; g -C wt-$n commit -qm w",
    "g worktree add -q $OUT/wt-$AQ_JOB_ID-$n -b out-$n; new >$OUT/wt-$AQ_JOB_ID-$n/w",
    "g submodule --quiet update --init mod",
    "g submodule --quiet update --init mod; new >>mod/m.txt",
    "g submodule --quiet update --init mod; new >>mod/m.txt; g -C mod commit -qam inner",
    "g submodule --quiet update --init mod; g mv mod moved-mod-$n",
    "g submodule --quiet update --init mod; g submodule deinit -qf mod; g rm -qf mod",
    "rm -rf mod .gitmodules",
    "rm -rf mod; new >mod",
    "g submodule --quiet add \"$MODULE\" mod-$n",
    "mkdir -p mod; new >mod/inside-$n",
    "g init -q one-$n; g init -q one-$n/two; new >one-$n/two/x",
    "mkdir -p s-$n/.git; new >s-$n/x",
    "mkdir -p s-$n; echo 'gitdir: ../.git' >s-$n/.git; new >s-$n/x",
    "mkdir -p s-$n; echo 'gitdir: /nowhere' >s-$n/.git; new >s-$n/x",
];

/// All habits; the first are the commonest.
pub(crate) const HABITS: [&[&str]; 5] = [OF_FILES, OF_HISTORY, OF_FILES, OF_RULES, OF_NESTING];

/// The end of an agent.
pub(crate) const ENDS: [&str; 4] = ["exit 0", "exit 0", "exit 3", "kill -9 $$"];

/// The beginning of a script. `new` prints a line that nobody else has written.
pub(crate) const BEGIN: &str = r#"TOP=$PWD
exec 2>>$OUT/said-$AQ_JOB_ID
g() { timeout 20 git -c user.name=Bot -c user.email=bot@example.com "$@" >/dev/null; }
new() { echo "work of $AQ_JOB_ID $AQ_ATTEMPT $n $f"; }
"#;

/// Keeps the checkout as the agent leaves it.
pub(crate) const KEEP: &str = "cd \"$TOP\"; cp -a \"$TOP\" $OUT/$AQ_JOB_ID.$AQ_ATTEMPT\n";
