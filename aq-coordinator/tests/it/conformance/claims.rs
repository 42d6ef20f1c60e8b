use std::collections::BTreeMap;
use std::sync::Arc;

use aq_coordinator::store::ClaimPlan;
use aq_fleet::protocol::{Epoch, ReleaseOutcome, RequestId};
use aq_manifest::Stage;

use crate::lab::{LEASE, Lab, claim, factory, plan, release};

pub(crate) async fn two_coordinators_grant_a_job_once(lab: Lab) {
    let second = lab.second();
    for round in 0..20 {
        let job = lab.submit(&format!("job-{round}")).await;
        let (a, b) = (plan(&lab.store, "a", &[job.id]).await, plan(&second, "b", &[job.id]).await);
        let (a, b) = tokio::join!(lab.store.grant(vec![a]), second.grant(vec![b]));
        let (a, b) = (a.unwrap().remove(0).grants, b.unwrap().remove(0).grants);
        assert_eq!(a.len() + b.len(), 1, "round {round}");
        let winner = a.into_iter().chain(b).next().unwrap();
        assert_eq!(lab.row(job.id).await, winner.job);
        assert_eq!(winner.expires_in, LEASE);
    }
}

pub(crate) async fn a_lost_answer_is_given_again(lab: Lab) {
    let jobs = [lab.submit("a").await.id, lab.submit("b").await.id];
    let other = lab.submit("c").await.id;
    let first = plan(&lab.store, "host", &jobs).await;
    assert_eq!(lab.store.granted(first.factory.clone(), first.request.clone()).await, Ok(None));
    let granted = lab.store.grant(vec![first.clone()]).await.unwrap().remove(0);
    assert_eq!(granted.grants.len(), 2);

    // The same claim again, at another coordinator that has planned something else for it.
    lab.pass(LEASE / 4);
    let second = lab.second();
    let mut again = plan(&second, "host", &[other]).await;
    again.request = first.request.clone();
    let answer = second.grant(vec![again]).await.unwrap().remove(0);
    assert!(answer.repeated);
    let rows = |grants: &[aq_coordinator::store::GrantedJob]| {
        grants.iter().map(|grant| grant.job.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&answer.grants), rows(&granted.grants));
    assert_eq!(answer.grants[0].expires_in, LEASE * 3 / 4, "what is left of it");
    assert_eq!(lab.row(other).await.stage, Stage::Inbox);
    let known = second.granted(first.factory.clone(), first.request.clone()).await.unwrap();
    assert_eq!(known, Some(answer.grants));
    lab.turn_back(LEASE);
    let known = second.granted(first.factory, first.request.clone()).await.unwrap().unwrap();
    assert_eq!(known[0].expires_in, LEASE, "the clock may go forward again");
    // Another factory's request of the same name is another one.
    assert_eq!(second.granted(factory("other"), first.request).await, Ok(None));
}

pub(crate) async fn copies_of_a_claim_in_one_batch(lab: Lab) {
    let jobs = [lab.submit("a").await.id, lab.submit("b").await.id];
    let first = plan(&lab.store, "host", &jobs[..1]).await;
    let mut copy = plan(&lab.store, "host", &jobs[1..]).await;
    copy.request = first.request.clone();
    let answers = lab.store.grant(vec![first, copy]).await.unwrap();
    assert_eq!((answers[0].repeated, answers[1].repeated), (false, true));
    assert_eq!(answers[0].grants, answers[1].grants);
    assert_eq!(lab.row(jobs[1]).await.stage, Stage::Inbox);
}

pub(crate) async fn a_repeated_claim_gets_only_what_is_current(lab: Lab) {
    let jobs = [lab.submit("a").await.id, lab.submit("b").await.id];
    let first = plan(&lab.store, "host", &jobs).await;
    let granted = lab.store.grant(vec![first.clone()]).await.unwrap().remove(0).grants;
    let done = release("host", granted[0].job.epoch, ReleaseOutcome::Shipped);
    lab.store.release(jobs[0], done).await.unwrap();
    let answer = lab.store.grant(vec![first.clone()]).await.unwrap().remove(0);
    assert_eq!(answer.grants.iter().map(|grant| grant.job.id).collect::<Vec<_>>(), [jobs[1]]);

    let back = release("host", granted[1].job.epoch, ReleaseOutcome::Requeue);
    lab.store.release(jobs[1], back).await.unwrap();
    let late = lab.store.grant(vec![first]).await.unwrap().remove(0);
    assert!(late.repeated && late.grants.is_empty(), "nobody waits for what a late copy would get");
}

pub(crate) async fn a_plan_of_an_older_version_is_refused(lab: Lab) {
    let job = lab.submit("a").await;
    let old = plan(&lab.store, "host", &[job.id]).await;
    lab.store.submit(crate::lab::rewritten("a"), None).await.unwrap();
    let answer = lab.store.grant(vec![old.clone()]).await.unwrap().remove(0);
    assert!(answer.grants.is_empty() && !answer.repeated);
    // A claim that has got nothing can be planned again.
    let new = ClaimPlan { request: old.request, ..plan(&lab.store, "host", &[job.id]).await };
    assert_eq!(lab.store.grant(vec![new]).await.unwrap()[0].grants.len(), 1);
}

pub(crate) async fn a_lock_is_held_once(lab: Lab) {
    let jobs = [lab.submit_locked("a", "db").await.id, lab.submit_locked("b", "db").await.id];
    let (a, b) = (plan(&lab.store, "a", &[jobs[0]]).await, plan(&lab.store, "b", &[jobs[1]]).await);
    let second = lab.second();
    let (a, b) = tokio::join!(lab.store.grant(vec![a]), second.grant(vec![b]));
    let got = a.unwrap()[0].grants.len() + b.unwrap()[0].grants.len();
    assert_eq!(got, 1, "from two coordinators");

    // In one plan, too.
    let jobs = [lab.submit_locked("c", "x").await.id, lab.submit_locked("d", "x").await.id];
    let answer = claim(&lab.store, "c", &jobs).await;
    assert_eq!(answer.grants.iter().map(|grant| grant.job.id).collect::<Vec<_>>(), [jobs[0]]);
    let (a, b) = (plan(&lab.store, "e", &[jobs[1]]).await, plan(&lab.store, "f", &[jobs[1]]).await);
    let none = lab.store.grant(vec![a, b]).await.unwrap();
    assert!(none.iter().all(|answer| answer.grants.is_empty()));
}

pub(crate) async fn many_claims_in_one_transaction(lab: Lab) {
    let mut jobs = Vec::new();
    for n in 0..30 {
        jobs.push(lab.submit(&format!("job-{n}")).await.id);
    }
    let mut plans = Vec::new();
    for (n, pair) in jobs.chunks(2).enumerate() {
        plans.push(plan(&lab.store, &format!("host-{n}"), pair).await);
    }
    // The same job for two, and a claim with nothing in it.
    plans.push(plan(&lab.store, "late", &jobs[..1]).await);
    plans.push(plan(&lab.store, "empty", &[]).await);
    let answers = lab.store.grant(plans).await.unwrap();
    let got: Vec<usize> = answers.iter().map(|answer| answer.grants.len()).collect();
    assert_eq!(got, [vec![2; 15], vec![0, 0]].concat());
    for (n, answer) in answers[..15].iter().enumerate() {
        let ids: Vec<_> = answer.grants.iter().map(|grant| grant.job.id).collect();
        assert_eq!(ids, jobs[2 * n..2 * n + 2], "in the order of the plan");
    }
}

pub(crate) async fn claims_race(lab: Lab) {
    let mut jobs = Vec::new();
    for n in 0..40 {
        jobs.push(lab.submit_locked(&format!("job-{n}"), &format!("lock-{}", n % 20)).await.id);
    }
    let lab = Arc::new(lab);
    let stores = [Arc::clone(&lab.store), lab.second(), lab.second(), lab.second()];
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (store, mut wanted) = (Arc::clone(&stores[n % 4]), jobs.clone());
            let middle = n * 7 % 40;
            wanted.rotate_left(middle);
            tokio::spawn(async move {
                let name = format!("host-{n}");
                let mut got = Vec::new();
                for _ in 0..3 {
                    got.extend(claim(&store, &name, &wanted[..10]).await.grants);
                }
                got
            })
        })
        .collect();
    let mut holders = BTreeMap::new();
    let mut locks = BTreeMap::new();
    for task in tasks {
        for grant in task.await.unwrap() {
            let lock = grant.job.held_lock.clone().unwrap();
            assert_eq!(holders.insert(grant.job.id, grant.job.epoch), None, "granted twice");
            assert_eq!(locks.insert(lock, grant.job.id), None, "a lock held twice");
        }
    }
    assert_eq!(locks.len(), 20, "every lock found a job");
}

pub(crate) async fn epochs_only_grow(lab: Lab) {
    let job = lab.submit("a").await.id;
    let mut last = Epoch(0);
    for n in 0..8 {
        let granted = lab.grant(&format!("host-{}", n % 3), job).await;
        assert!(granted.job.epoch > last);
        last = granted.job.epoch;
        if n % 2 == 0 {
            let back = release(&format!("host-{}", n % 3), last, ReleaseOutcome::Abandoned);
            lab.store.release(job, back).await.unwrap();
        } else {
            lab.live(LEASE * 2).await;
        }
    }
    let past = lab.store.job(job).await.unwrap().unwrap().value;
    let epochs: Vec<_> = past.grants.iter().map(|grant| grant.epoch).collect();
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
    assert_eq!(past.grants.len(), 8);
    // The last one has lapsed and may come back, so it has not ended.
    assert_eq!(past.job.attempts, 7);
    let requests: std::collections::BTreeSet<RequestId> =
        past.grants.into_iter().map(|grant| grant.request).collect();
    assert_eq!(requests.len(), 8);
}
