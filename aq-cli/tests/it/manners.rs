//! Agents of bad manners in a real repository: they stash, commit elsewhere, nest repositories,
//! plant hooks, flags and settings, break or remove `.git`, and kill themselves, all at random.
//! After each job every change of content that the agent left is on the job's branch or named in
//! `left_out`, and everything of the user's is as it was, byte by byte.

mod habits;
mod oracle;
mod user;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::dice::{Dice, seed};
use crate::sandbox::Sandbox;
use habits::{BEGIN, ENDS, HABITS, KEEP};
use oracle::Ended;
pub(crate) use user::{Content, of_user, tree};
use user::{DIRS, User, files};

/// Habits of one attempt, at most.
const MOST: u64 = 8;
/// Jobs in one repository.
const JOBS: usize = 3;

/// Repositories, each with [`JOBS`] jobs: 40 in `./test --long`.
fn rounds() -> u64 {
    std::env::var("AQ_MANNERS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// The deeds of an agent in one attempt.
fn attempt(dice: &mut Dice, number: &mut u32) -> String {
    let mut text = String::new();
    for _ in 0..=dice.roll(MOST) {
        let kind = HABITS[dice.index(HABITS.len())];
        let habit = kind[dice.index(kind.len())];
        *number += 1;
        let file =
            |dice: &mut Dice| format!("d{:02}/f{:02}.txt", dice.index(DIRS), dice.index(files()));
        let (f, g, d) = (file(dice), file(dice), dice.index(DIRS));
        writeln!(text, "cd \"$TOP\"; f={f} g={g} d=d{d:02} n={number}\n{habit}").unwrap();
    }
    text + KEEP + ENDS[dice.index(ENDS.len())] + "\n"
}

fn script(sandbox: &Sandbox, dice: &mut Dice, attempts: usize) -> String {
    let out = sandbox.path("out");
    let mut number = 0;
    let mut text =
        format!("OUT={}; MODULE={}\n{BEGIN}", out.display(), sandbox.path("module").display());
    text += "[ $AQ_ATTEMPT != 1 ] || git -c core.quotePath=false ls-files -t | sed -n 's/^S //p' \
        >$OUT/$AQ_JOB_ID.hidden\n";
    for n in 1..=attempts {
        let does = attempt(dice, &mut number);
        write!(text, "if [ $AQ_ATTEMPT = {n} ]; then\n{does}fi\n").unwrap();
    }
    text
}

/// One repository with its jobs.
fn round(seed: u64) {
    let mut dice = Dice::new(seed);
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("out")).unwrap();
    let user = User::new(&sandbox, &mut dice);
    let before = of_user(&sandbox.work());
    let mut stories = Vec::new();
    for n in 0..JOBS {
        let job = format!("job-{n}");
        let attempts = 1 + dice.index(2);
        let body = script(&sandbox, &mut dice, attempts);
        sandbox.add(&job, &format!("retry: {{max: {attempts}, backoff: 0s}}"), &body);
        stories.push((job, body));
    }
    let (code, said) = sandbox.code(&["run", "--once", "--quiet", "--max", "2"]);
    assert!(code <= 1, "AQ_CHAOS_SEED={seed}: {said}");
    for (job, story) in &stories {
        let story = format!("AQ_CHAOS_SEED={seed}\n{story}");
        Ended { sandbox: &sandbox, user: &user, job, story: &story }.check();
    }
    let after = of_user(&sandbox.work());
    let all = before.keys().chain(after.keys());
    let changed: Vec<&PathBuf> = all.filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "AQ_CHAOS_SEED={seed}: the user's: {changed:?}");
    let (sound, words) = user.try_git(&sandbox.work(), &["fsck", "--no-dangling"]);
    assert!(sound, "AQ_CHAOS_SEED={seed}: {words}");
    assert!(!sandbox.path("out/hook-ran").exists(), "AQ_CHAOS_SEED={seed}: aq ran a hook");
    assert_eq!(sandbox.agents(), [], "AQ_CHAOS_SEED={seed}");
}

#[test]
fn bad_manners_lose_no_work() {
    let first = seed();
    for n in 0..rounds() {
        // Dice take odd seeds.
        round(first + 2 * n);
    }
}
