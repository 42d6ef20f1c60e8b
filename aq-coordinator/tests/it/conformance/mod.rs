//! Conditions of every store. Each case gets a new database.

use std::pin::Pin;

use crate::lab::Lab;

mod claims;
mod echoes;
mod forgetting;
mod leases;
mod operator;
mod outages;
mod reads;
mod reports;
mod restores;
mod shadow;
mod submits;

/// A case, by its name.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Lab) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The list of cases, and a test on SQLite for each.
macro_rules! cases {
    ($($room:ident: $($name:ident),+;)+) => {
        /// Every case.
        pub(crate) const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($room), "::", stringify!($name)),
            run: |lab| Box::pin($room::$name(lab)),
        }),+),+];

        mod on_sqlite {
            $($(#[test]
            fn $name() {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    super::$room::$name(crate::lab::Lab::sqlite().await).await;
                });
            })+)+
        }
    };
}

cases! {
    submits: keys_bodies_and_ids, a_key_is_free_in_another_world, superseding_keeps_the_place,
        a_job_that_has_left_the_queue_is_not_superseded, two_coordinators_close_no_cycle,
        everything_submitted_comes_back;
    claims: two_coordinators_grant_a_job_once, a_lost_answer_is_given_again,
        copies_of_a_claim_in_one_batch,
        a_repeated_claim_gets_only_what_is_current, a_plan_of_an_older_version_is_refused,
        a_lock_is_held_once, many_claims_in_one_transaction, claims_race,
        epochs_only_grow;
    leases: a_renewal_holds, late_but_first, late_and_second, late_and_the_lock_is_gone,
        late_in_testing_needs_no_lock, ten_thousand_leases, a_stranger_renews_nothing,
        ten_lost_in_a_row, a_restarted_host_keeps_its_leases, a_job_shipped_is_not_lost;
    outages: nothing_lapses_before_one_lease_time, a_restart_is_an_outage,
        a_start_beside_another_is_none, a_claim_before_the_first_tick,
        a_restored_backup_draws_no_epoch_again, the_clock_goes_backwards, two_start_at_once,
        the_clock_is_the_databases, an_outage_resets_changes;
    restores: hosts_say_what_they_ended, a_database_stays_the_same,
        a_forgotten_key_is_no_second_run, what_nobody_knows_waits, a_restart_is_no_restore,
        a_late_holder_is_in_no_doubt;
    reports: order_and_repetition, exactly_one_ships, ship_is_never_taken_for_old,
        release_is_idempotent, release_after_the_next_grant, locks_are_given_back_at_testing,
        stages_that_cannot_be_reported, checkpoints_go_to_the_next_host,
        a_stale_epoch_changes_nothing,
        events_once_each_and_in_order, events_may_come_after_the_release;
    operator: cancel_what_waits, cancel_what_is_held, cancel_what_is_lapsed, cancel_and_lapse,
        requeue_failed, wishes_that_cannot_be;
    shadow: worlds_do_not_meet, mirrors_are_never_granted, reports_move_only_own_mirrors,
        verdicts_are_counted_once, a_mirror_is_renewed, no_tracker_hears_of_a_mirror;
    reads: pages_by_cursor, changes_by_cursor, factories_and_what_they_hold,
        who_drains_gets_nothing,
        numbers_of_the_fleet, sums_count_each_run_once,
        a_job_with_its_past, the_feed_tells_every_move;
    echoes: steps_of_jobs_with_items_are_news, a_job_that_only_the_coordinator_ends_is_news,
        one_has_the_turn_until_it_ends, what_was_told_is_no_news, a_new_text_may_name_another_item;
    forgetting: the_past_of_ended_jobs_goes, a_forgotten_text_comes_again,
        pasts_go_in_small_batches, hosts_that_are_gone_go, a_reader_hears_of_a_gap;
}
