//! Settings of every run of git, so that it does the same whatever the user or an agent has
//! configured.

/// Settings of each call, which win over all files.
pub(super) const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    // The commit's text is UTF-8, and git would reject an odd line ending instead of saving it.
    "i18n.commitEncoding=utf-8",
    "core.safecrlf=false",
    // A file that changed is a change, whatever was assumed of it.
    "core.ignoreStat=false",
    // Many jobs of one repository write refs at once. Less than the limit of a run, so that git can
    // still say which lock it was.
    "core.filesRefLockTimeout=30000",
    "core.packedRefsTimeout=30000",
    "reftable.lockTimeout=30000",
    // Merges are the same whatever is set.
    "merge.renames=true",
    "merge.directoryRenames=conflict",
    "merge.renormalize=false",
    "merge.conflictStyle=merge",
    "diff.renameLimit=0",
    // An index in two files could not be copied.
    "core.splitIndex=false",
];

/// Events for which a newer git runs hooks by its configuration, whatever `core.hooksPath` says
/// (seen with 2.55). `hook.<event>.enabled` turns all of an event off, whoever named them.
pub(super) const HOOK_EVENTS: &[&str] = &[
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-merge-commit",
    "post-merge",
    "post-checkout",
    "post-index-change",
    "reference-transaction",
    "pre-push",
    "post-rewrite",
    "pre-auto-gc",
];

/// Variables that send git to another repository, or make it print otherwise. `git rev-parse
/// --local-env-vars` names most; its `GIT_CONFIG*` are left, because a container may have put
/// `safe.directory` there.
pub(crate) const REPOSITORY_VARIABLES: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];
