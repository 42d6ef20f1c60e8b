//! Words of each command for a person.

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

#[test]
fn init_add_and_check() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    let good = sandbox.write("good", "priority: high", "true");
    let odd = sandbox.write("odd", "priorty: high", "true");
    let bad = sandbox.write("bad", "timeout: 5\npriority: urgent", "true");
    let none = sandbox.write("none", "engine: codex", "true");
    std::fs::write(&none, "---\nengine: clade\n---\nhi\n").unwrap();
    let [good, odd, bad, none] = [&good, &odd, &bad, &none].map(|path| path.to_str().unwrap());

    assert_snapshot!(sandbox.says(&["init"]), @r#"there is already a queue at DIR/queue"#);
    assert_snapshot!(sandbox.says(&["add", good]), @r#"added good"#);
    assert_snapshot!(sandbox.says(&["add", good, odd]), @r#"
    DIR/good.md is the file of good (inbox); --again adds it once more
    added odd
    ! warning: unknown key `priorty`
    !  --> DIR/odd.md:4:1
    !   |
    ! 4 | priorty: high
    !   | ^^^^^^^
    !   |
    !   = help: did you mean `priority`?
    "#);
    assert_snapshot!(sandbox.says(&["add", good, bad]), @r#"
    ! error: `timeout`: in `5`: the last number has no unit
    !  --> DIR/bad.md:4:11
    !   |
    ! 4 | timeout: 5
    !   |           ^
    !   |
    !   = help: write a duration such as `90s`, `45m`, `2h`, `1d` or `1h30m`
    !
    ! error: `priority`: `urgent` is not a known priority
    !  --> DIR/bad.md:5:11
    !   |
    ! 5 | priority: urgent
    !   |           ^^^^^^
    !   |
    !   = help: write `low`, `medium`, `high` or `critical`
    exit 2
    "#);
    assert_snapshot!(sandbox.says(&["add", none]), @r#"
    added none
    ! warning: none cannot run here: there is no engine "clade" (did you mean claude?); known
    ~ are claude, cline, codex, copilot, devin, droid, gemini, kilo, kimi-code, opencode, pi,
    ~ qwen, shell, vibe. More can be described in config.yaml
    "#);
    assert_snapshot!(sandbox.says(&["add", "missing.md"]), @r#"
    ! error: there is no file missing.md
    exit 2
    "#);
    assert_snapshot!(sandbox.says(&["add", good, "--name", "x/y"]), @r#"
    ! error: --name "x/y" cannot be a job's id: a job id has only letters, digits,
    ~ `.`, `_` and `-`, not '/'
    exit 2
    "#);
    assert_snapshot!(sandbox.says(&["check", good, odd, "missing.md"]), @r#"
    DIR/good.md: ok
    warning: unknown key `priorty`
     --> DIR/odd.md:4:1
      |
    4 | priorty: high
      | ^^^^^^^
      |
      = help: did you mean `priority`?
    DIR/odd.md: ok
    error: there is no file missing.md
    exit 2
    "#);
}

#[test]
fn keys_and_circles() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    let [a, a2, b, c] = [
        ("a", "idempotency-key: k", "echo 1"),
        ("a2", "idempotency-key: k", "echo 2"),
        ("b", "idempotency-key: b\ndeps: [c]", "true"),
        ("c", "idempotency-key: c\ndeps: [b]", "true"),
    ]
    .map(|(name, front, body)| sandbox.write(name, front, body).to_str().unwrap().to_owned());

    assert_snapshot!(sandbox.says(&["add", &a]), @r#"added a"#);
    assert_snapshot!(sandbox.says(&["add", &a]), @r#"a is there already, in inbox/"#);
    assert_snapshot!(sandbox.says(&["add", &a, &a2]), @r#"
    ! error: DIR/a2.md: the idempotency key "k" is also that of DIR/a.md; give
    ~ each job a key of its own
    exit 4
    "#);
    assert_snapshot!(sandbox.says(&["add", &a2]), @r#"added a2 in place of a"#);
    assert_snapshot!(sandbox.says(&["run", "--once"]), @r#"
    ✓ a2  testing
    1 done
    "#);
    assert_snapshot!(sandbox.says(&["add", &a]), @r#"
    ! error: DIR/a.md: the idempotency key "k" belongs to job a2 in testing/, whose file is
    ~ another; use a new key, or the same file
    exit 4
    "#);
    assert_snapshot!(sandbox.says(&["add", &b, &c]), @r#"
    ! error: DIR/b.md: the dependencies go round in a circle: b -> c -> b; take
    ~ one of them out of `deps`
    exit 4
    "#);
}

#[test]
fn the_life_of_jobs() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    DIR/queue · no run loop; `aq run` starts one
    empty: `aq add FILE` adds a job
    "#);
    assert_snapshot!(
        sandbox.says(&["run", "--once"]),
        @r#"nothing to run; `aq status` shows what waits for what"#,
    );
    sandbox.add("good", "priority: high", "echo hello");
    sandbox.add("human", "review-policy: human\nverify: echo checked", "true");
    sandbox.add("again", "retry: {max: 2, backoff: 1h}", "exit 3");
    sandbox.add("slow", "timeout: 1s\npriority: low", "sleep 100");
    sandbox.add("gpu", "capabilities: [gpu>=2]", "true");
    sandbox.add("waits", "deps: [nowhere]", "true");
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    DIR/queue · no run loop; `aq run` starts one
    6 inbox

    JOB    STAGE  PRIORITY  PROFILE  ENGINE  AGE  TRIES
    good   inbox  high      -        shell   0s   0      next
    human  inbox  medium    -        shell   0s   0      no free slot
    again  inbox  medium    -        shell   0s   0/2    no free slot
    gpu    inbox  medium    -        shell   0s   0      needs gpu>=2
    slow   inbox  low       -        shell   0s   0      no free slot
    waits  inbox  medium    -        shell   0s   0      waiting on nowhere (no such job)
    "#);
    assert_snapshot!(
        sandbox.says(&["why", "good"]), @r#"good (in inbox/) would start now; `aq run` starts it"#,
    );
    assert_snapshot!(
        sandbox.says(&["why", "human"]), @r#"human (in inbox/) does not run: no free slot"#,
    );
    assert_snapshot!(sandbox.says(&["logs", "good"]), @r#"! good has printed nothing yet"#);

    // The one in backoff would keep `--once` waiting for an hour.
    assert_snapshot!(sandbox.says(&["stop", "again"]), @r#"again is stopped; it had not started"#);
    assert_snapshot!(sandbox.says(&["run", "--once"]), @r#"
    ✗ gpu  failed: this host lacks gpu>=2
    ✓ good  testing
    ? human  waits for review
    ✗ slow  timeout: timed out after 1s
    2 done, 2 failed, 1 waiting (`aq status` says for what)
    exit 1
    "#);
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    DIR/queue · no run loop; `aq run` starts one
    1 inbox · 1 review · 1 testing · 3 failed

    JOB    STAGE    PRIORITY  PROFILE  ENGINE  AGE  TRIES
    waits  inbox    medium    -        shell   0s   0      waiting on nowhere (no such job)
    human  review   medium    -        shell   0s   1      waits for you: aq promote, ship or reject
    good   testing  high      -        shell   0s   1      not verified; `aq ship` accepts it
    slow   failed   low       -        shell   0s   1      timeout: timed out after 1s
    gpu    failed   medium    -        shell   0s   0      capability mismatch:
    ~ this host lacks gpu>=2
    again  failed   medium    -        shell   0s   0/2    stopped: stopped by a
    ~ person before it started

    last 24h: 2 good, 3 failed · median AGE
    "#);
    assert_snapshot!(
        sandbox.says(&["why", "good"]),
        @r#"good (in testing/) is not verified; `aq ship good` accepts it"#,
    );
    assert_snapshot!(sandbox.says(&["why", "human"]), @r#"
    human (in review/) waits for you: `aq promote human`, `aq ship human` or `aq reject human`
    "#);
    assert_snapshot!(sandbox.says(&["why", "slow"]), @r#"
    slow (in failed/) ended: timeout: timed out after 1s; `aq logs slow` has more, `aq
    ~ requeue slow` runs it again
    "#);
    assert_snapshot!(sandbox.says(&["logs", "slow"]), @r#"
    --- aq TIME attempt 1 of 1, engine shell, in DIR/work
    --- aq TIME ended 1 process that it had left running
    --- aq TIME TIMED OUT after 1s
    --- aq TIME failed: timeout: timed out after 1s
    "#);
    assert_snapshot!(sandbox.says(&["logs", "good", "-n", "1"]), @r#"hello"#);
    assert_snapshot!(sandbox.says(&["promote", "human"]), @r#"human is in testing/"#);
    assert_snapshot!(sandbox.says(&["ship", "human", "good"]), @r#"
    human is shipped
    good is shipped
    "#);
    assert_snapshot!(sandbox.says(&["reject", "human"]), @r#"
    ! error: job human is in shipped/, and reject needs it in review/ or testing/
    exit 4
    "#);
    assert_snapshot!(sandbox.says(&["requeue", "gpu"]), @r#"gpu is back in the inbox"#);
    assert_snapshot!(sandbox.says(&["recover"]), @r#"nothing to recover"#);
    assert_snapshot!(
        sandbox.says(&["clean"]), @r#"nothing to put away: at most 50 jobs have finished"#,
    );
    assert_snapshot!(
        sandbox.says(&["clean", "--keep", "0"]),
        @r#"moved the logs and records of 4 finished jobs to DIR/queue/.archive/TIME"#,
    );
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    DIR/queue · no run loop; `aq run` starts one
    2 inbox · 2 shipped · 2 failed

    JOB    STAGE    PRIORITY  PROFILE  ENGINE  AGE  TRIES
    gpu    inbox    medium    -        shell   0s   0      needs gpu>=2
    waits  inbox    medium    -        shell   0s   0      waiting on nowhere (no such job)
    slow   failed   -         -        -       -    0      its record is put away
    again  failed   -         -        -       -    0      its record is put away
    human  shipped  -         -        -       -    0
    good   shipped  -         -        -       -    0

    last 24h: 2 good, 2 failed · median AGE
    "#);
    assert_snapshot!(sandbox.says(&["why", "good"]), @r#"good (in shipped/) is shipped"#);
    assert_snapshot!(sandbox.says(&["stop"]), @r#"no run loop is at work"#);
    assert_snapshot!(sandbox.says(&["stop", "--all"]), @r#"
    no run loop is at work
    no job was running
    "#);
}

#[test]
fn a_second_loop_is_told_of_the_first() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    sandbox.add("long", "", "sleep 100");
    let mut first = sandbox.start_loop(&[]);
    sandbox.wait_for_stage("long", "building");
    assert_snapshot!(sandbox.says(&["run"]), @r#"
    ! error: a run loop is at work on this queue already: process PID, since LOCAL
    ~ TIME; `aq stop` ends it
    exit 4
    "#);
    assert_snapshot!(sandbox.says(&["stop", "long"]), @r#"long is stopped"#);
    assert_snapshot!(sandbox.says(&["stop"]), @r#"stopped the run loop (process PID)"#);
    crate::sandbox::wait_child(&mut first);
    assert_eq!(sandbox.folders("long"), ["failed"]);
}

#[test]
fn backoff_is_told_in_times_that_people_read() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    sandbox.add("again", "retry: {max: 2, backoff: 1h}", "exit 3");
    let mut first = sandbox.start_loop(&[]);
    crate::sandbox::wait_for("the end of the attempt", || {
        !sandbox.meta_value("again", "next_eligible").is_empty()
            && sandbox.folders("again") == ["inbox"]
    });
    assert_snapshot!(
        sandbox.says(&["why", "again"]), @r#"again (in inbox/) does not run: backoff until TIME"#,
    );
    sandbox.ok(&["stop"]);
    crate::sandbox::wait_child(&mut first);
    let job = sandbox.json(&["why", "again", "--json"]);
    assert_eq!(job["reason"]["code"], "backoff");
    assert_eq!(job["reason"]["until"], sandbox.meta_value("again", "next_eligible"));
}

#[test]
fn settings_and_hosts() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    std::fs::write(sandbox.queue("config.yaml"), "max: two\n").unwrap();
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    ! error: DIR/queue/config.yaml:1:6: expected a whole number, 0 or more
    exit 2
    "#);
    std::fs::write(sandbox.queue("config.yaml"), "").unwrap();
    assert_snapshot!(sandbox.says(&["profiles"]), @r#"there is no profile in DIR/queue/profiles"#);
    std::fs::write(sandbox.queue("profiles/careful.yaml"), "persona: Take care.\n").unwrap();
    std::fs::write(sandbox.queue("profiles/wrong.yaml"), "deps: [a]\n").unwrap();
    assert_snapshot!(sandbox.says(&["profiles"]), @r#"
    careful  Take care.
    error: a profile cannot give `deps`: it tells one job from the others
     --> DIR/queue/profiles/wrong.yaml:1:1
      |
    1 | deps: [a]
      | ^^^^
      |
      = help: write it into the job file
    exit 2
    "#);
    let mut engines = sandbox.aq(&["engines"]);
    let engines = engines.env("PATH", "/nowhere").env("CODEX_BIN", "/nowhere/codex");
    assert_snapshot!(crate::told::told(engines).out, @r#"
    ENGINE     VERSION  CLASSES        PROGRAM        NAMED BY
    claude     -        agentic-coder  not installed  CLAUDE_BIN
    cline      -        -              not installed  CLINE_BIN
    codex      -        agentic-coder  see below      CODEX_BIN
    copilot    -        chat-coder     not installed  COPILOT_BIN
    devin      -        agentic-coder  not installed  DEVIN_BIN
    droid      -        -              not installed  DROID_BIN
    gemini     -        agentic-coder  not installed  GEMINI_BIN
    kilo       -        -              not installed  KILO_BIN
    kimi-code  -        -              not installed  KIMI_CODE_BIN
    opencode   -        agentic-coder  not installed  OPENCODE_BIN
    pi         -        -              not installed  PI_BIN
    qwen       -        -              not installed  QWEN_BIN
    shell      -        -              /bin/sh        SHELL_BIN
    vibe       -        -              not installed  VIBE_BIN
    ✗ codex: CODEX_BIN names /nowhere/codex,
    ~ which is not an executable file; mend the path or the file
    "#);
}

#[test]
fn files_that_cannot_be_jobs_are_shown() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    std::fs::write(sandbox.queue("inbox/my job.md"), "x").unwrap();
    assert_snapshot!(sandbox.says(&["status"]), @r#"
    DIR/queue · no run loop; `aq run` starts one
    empty: `aq add FILE` adds a job

    ! inbox/my job.md is left alone: a job is a file NAME.md, with letters, digits,
    ~ `.`, `_` and `-` in NAME
    "#);
}

#[test]
fn without_a_queue_the_way_to_one_is_told() {
    let sandbox = Sandbox::new();
    let _steady = sandbox.steady();
    let mut anywhere = std::process::Command::new(env!("CARGO_BIN_EXE_aq"));
    let status = sandbox.clean(&mut anywhere).env("AQ_QUEUE", "").arg("status");
    assert_snapshot!(crate::told::told(status).err, @r#"
    error: there is no queue: no .aq/ here or above, and none at DIR/home/.local/share/aq; `aq
    ~ init` makes one here, --queue names another
    "#);
    assert_snapshot!(sandbox.says(&["status", "--queue", "/nowhere"]), @r#"
    ! error: there is no queue at /nowhere; `aq init /nowhere` makes one
    exit 3
    "#);
}
