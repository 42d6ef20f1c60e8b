# Sourced by the scripts here: each queue under the same five verbs.
#   X_hold       a fresh queue of its own, in which nothing starts
#   X_fill N     N more jobs of `true`, in the quickest way
#   X_add        one more, as a person would
#   X_release    lets them run, two at a time, and comes back when all have ended
#   X_down       ends what was started
# TRACE, when set, is put before every process of a queue that works on its jobs.
TRACE=()
# aside COMMAND...: one that leaves a process behind; who traces would wait for that, too.
aside() { if [ ${#TRACE[@]} = 0 ]; then "$@"; else "${TRACE[@]}" "$@" > /dev/null & fi; }
TSP_MOST=500 # it holds about 1,000, with a process for each

# The jobs are files. What this host has is known before.
aq_hold() {
    away "$W/aq" "$W/aq-jobs"
    "$AQ" --queue "$W/aq" init > /dev/null && "$AQ" --queue "$W/aq" caps > /dev/null 2>&1
    printf -- '---\nengine: shell\nlock: none\n---\ntrue\n' > "$W/one.md"
}
# aq_files N [LINE OF FRONT MATTER]: fills $W/aq-jobs.
aq_files() {
    local i text
    printf -v text -- '---\nengine: shell\nlock: none\n%s---\ntrue\n' "${2+$2$'\n'}"
    away "$W/aq-jobs"; mkdir "$W/aq-jobs"
    for ((i = 0; i < $1; i++)); do printf %s "$text" > "$W/aq-jobs/job$i.md"; done
}
aq_fill() { [ "$1" = 0 ] || { aq_files "$@"; "$AQ" --queue "$W/aq" add "$W/aq-jobs" > /dev/null; }; }
aq_add() { "${TRACE[@]}" "$AQ" --queue "$W/aq" add --again "$W/one.md"; }
aq_release() { "${TRACE[@]}" "$AQ" --queue "$W/aq" run --once --max 2 --quiet; }
aq_down() { :; }

# Two directories of half the jobs, each behind a job that waits for a FIFO: nq runs one at a time.
nq_hold() {
    local side
    nq_down
    for side in 0 1; do
        mkdir "$W/nq$side"; mkfifo "$W/nq-go$side"
        NQDIR=$W/nq$side aside nq -q sh -c "read x < $W/nq-go$side"
    done
    for side in 0 1; do wait_for 10 eval "ls $W/nq$side | grep -q ."; done
    NQ_SIDE=0
}
nq_fill() { local i TRACE=(); for ((i = 0; i < $1; i++)); do nq_add; done; }
nq_add() { NQ_SIDE=$((1 - NQ_SIDE)); NQDIR=$W/nq$NQ_SIDE aside nq -q true; }
nq_release() {
    local side
    # Opened for both, it waits for nobody.
    exec 8<> "$W/nq-go0" 9<> "$W/nq-go1"
    echo >&8; echo >&9
    for side in 0 1; do NQDIR=$W/nq$side nq -w > /dev/null 2>&1; done
    exec 8>&- 9>&-
    rm -f "$W"/nq-go?
}
nq_down() { [ ! -e "$W/nq-go0" ] || nq_release; away "$W"/nq?; }

# A server that the first client starts; each waiting job is a client process.
tsp_hold() {
    tsp_down
    mkdir -p "$W/tsp"; mkfifo "$W/tsp/go"
    export TS_SOCKET=$W/tsp/socket TS_MAXFINISHED=20000
    aside tsp -S 1; wait_for 10 [ -e "$TS_SOCKET" ]
    TSP_SERVER=$(holders tsp TS_SOCKET "$TS_SOCKET" | tail -n 1)
    tsp -n sh -c "read x < $W/tsp/go" > /dev/null
}
tsp_fill() { local i; for ((i = 0; i < $1; i++)); do tsp -n true > /dev/null; done; }
tsp_add() { aside tsp -n true; }
tsp_release() {
    tsp -S 2
    exec 9<> "$W/tsp/go"; echo >&9; rm "$W/tsp/go"
    # The last job may end before one that was started earlier.
    tsp -w; while tsp | grep -qE 'queued|running'; do tsp -w; done
    exec 9>&-
}
tsp_down() {
    [ ! -e "$W/tsp/socket" ] || TS_SOCKET=$W/tsp/socket tsp -K
    if [ -e "$W/tsp/go" ]; then exec 9<> "$W/tsp/go"; echo >&9; exec 9>&-; fi
    away "$W/tsp"
}

pueue_hold() {
    pueue_down
    mkdir "$W/pueue"
    printf 'shared:\n  pueue_directory: %s\n  runtime_directory: %s\n  use_unix_socket: true\nclient: {}\ndaemon: {}\n' \
        "$W/pueue" "$W/pueue" > "$W/pueue.yml"
    pueued_start
    pueue -c "$W/pueue.yml" parallel 2 > /dev/null; pueue -c "$W/pueue.yml" pause --all > /dev/null
}
pueued_start() {
    "${TRACE[@]}" pueued -c "$W/pueue.yml" > /dev/null 2>&1 & PUEUED=$!
    wait_for 20 pueue -c "$W/pueue.yml" status
}
pueued_stop() { pueue -c "$W/pueue.yml" shutdown; wait "$PUEUED"; } > /dev/null 2>&1
# Many are made by copying one in its state file: adding them one by one takes time with the square of their number.
pueue_fill() {
    local i few=$(($1 <= 100 ? $1 : 1))
    for ((i = 0; i < few; i++)); do pueue -c "$W/pueue.yml" add -- true > /dev/null; done
    [ "$few" != "$1" ] || return 0
    pueued_stop
    awk -v n="$1" '{
        from = index($0, "\"0\":") + 4; to = index($0, "},\"groups\":")
        task = substr($0, from, to - from)
        printf "%s", substr($0, 1, from - 5)
        for (i = 0; i < n; i++) { copy = task; sub(/"id":0/, "\"id\":" i, copy); printf "%s\"%d\":%s", i ? "," : "", i, copy }
        print substr($0, to)
    }' "$W/pueue/state.json" > "$W/state" && mv "$W/state" "$W/pueue/state.json"
    pueued_start
}
pueue_add() { "${TRACE[@]}" pueue -c "$W/pueue.yml" add -- true; }
pueue_release() { pueue -c "$W/pueue.yml" start; pueue -c "$W/pueue.yml" wait --quiet; } > /dev/null 2>&1
pueue_down() { [ -z "${PUEUED-}" ] || pueued_stop; PUEUED=; away "$W/pueue"; }

# With a journal and with files for what its jobs print, as aq has them.
hq_hold() {
    hq_down
    mkdir "$W/hq"; export HQ_SERVER_DIR=$W/hq/server
    "${TRACE[@]}" hq server start --host 127.0.0.1 --journal "$W/hq/journal" > "$W/hq/log" 2>&1 & HQ_SERVER=$!
    wait_for 20 hq server info
}
hq_fill() { [ "$1" = 0 ] || hq submit --cwd "$W/hq" --array "1-$1" true > /dev/null 2>&1; }
hq_add() { "${TRACE[@]}" hq submit --cwd "$W/hq" true; }
hq_worker() {
    "${TRACE[@]}" hq worker start --cpus 2 --no-hyper-threading > "$W/hq/worker.log" 2>&1 & HQ_WORKER=$!
    wait_for 20 eval 'hq worker list | grep -q RUNNING'
}
hq_release() { [ -n "${HQ_WORKER-}" ] || hq_worker; hq job wait all > /dev/null 2>&1; }
hq_down() {
    [ -z "${HQ_SERVER-}" ] || { hq server stop; wait "$HQ_SERVER" ${HQ_WORKER:+"$HQ_WORKER"}; } > /dev/null 2>&1
    HQ_SERVER='' HQ_WORKER=''
    away "$W/hq"
}

# It knows no job without a repository, a worktree and a commit. One stage, the agent.
sloop_hold() {
    sloop_down
    repository "$W/sloop"
    (cd "$W/sloop" && sloop init) > /dev/null
    printf 'stages:\n  - name: build\n    action: agent\n' > "$W/sloop/.agents/sloop/flows/default.yaml"
    cat > "$W/sloop/.agents/sloop/config.yaml" << 'END'
version: 1
scheduler: {max_parallel_tasks: 2}
agent:
  default_target: change
  targets:
    change:
      cmd: ["sh", "-c", "echo $$ > change && git add -A && git commit -qm change", "{prompt}"]
END
    git -C "$W/sloop" add -A && git -C "$W/sloop" commit -qm sloop
    SLOOP_N=0
    (cd "$W/sloop" && sloop daemon && sloop pause) > /dev/null
}
sloop_fill() { local i; for ((i = 0; i < $1; i++)); do sloop_add > /dev/null; done; }
sloop_add() {
    local file=.agents/sloop/tickets/job$((SLOOP_N += 1)).md
    printf -- '---\nname: job%s\nblocked_by: []\n---\ntrue\n' "$SLOOP_N" > "$W/sloop/$file"
    cd "$W/sloop" && sloop post "$file"; cd "$W" || exit
}
sloop_release() {
    cd "$W/sloop" && sloop resume > /dev/null; cd "$W" || exit
    POLL=0.2 wait_for 600 sloop_done
}
# A run that it loses sight of is not queued again, and counts as ended.
sloop_done() {
    local state; state=$(cd "$W/sloop" && sloop show --json) &&
        grep -q '"queued_triggers":\[\]' <<< "$state" && grep -q '"tickets":{[^}]*"claimed":0,' <<< "$state"
}
sloop_down() { [ ! -d "$W/sloop" ] || (cd "$W/sloop" && sloop stop --force) > /dev/null 2>&1; away "$W/sloop"; }
ENDS+=(nq_down tsp_down pueue_down hq_down sloop_down)

# repository DIR: of 100 files of 1 KiB in one commit.
repository() {
    local i
    git init -q "$1"; mkdir "$1/src"
    for ((i = 0; i < 100; i++)); do printf '%1023d\n' "$i" > "$1/src/file$i"; done
    git -C "$1" add -A && git -C "$1" commit -qm first
}
# holders PROGRAM NAME VALUE: its processes that have this in their environment, by number.
holders() {
    grep -lzxF "$2=$3" /proc/[0-9]*/environ 2> /dev/null | cut -d/ -f3 | sort -n | while read -r pid; do
        [ "$(cat "/proc/$pid/comm" 2> /dev/null)" != "$1" ] || echo "$pid"
    done
}
