//! The fleet: this host's part in it, and what its coordinator says. All of that comes from other
//! machines.

mod agreement;

use aq_caps::CapabilityToken;
use aq_fleet::protocol::{FactoryView, FleetStats, GivenReason, JobSummary};
use aq_manifest::{Stage, format_duration};
use aq_runner::run::{
    AgreementBar, AgreementReport, FleetOverview, FleetPart, FleetSettings, fleet_part,
    shadow_report,
};
use axum::extract::State;
use maud::{Markup, html};

use super::brief::count;
use super::coordinator::FleetPageState;
use super::error::PageError;
use super::guard::PageViewer;
use super::page::{self, DashboardPage};
use super::state::QueueDashboard;
use crate::output::fleet::{age, in_doubt, remark};
use crate::output::style::plain;

/// Of anything in a list: hosts, capabilities of one, jobs.
const MOST: usize = 500;

/// The facts that this host knows by itself.
struct HostFacts {
    part: Result<Option<FleetPart>, String>,
    shadow: Result<Option<AgreementReport>, String>,
}

/// `GET /fleet`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
) -> Result<Markup, PageError> {
    let own = dashboard
        .in_turn(&dashboard.costly, |dashboard| {
            let part = fleet_part(Some(&dashboard.queue), &dashboard.environment);
            let shadow = shadow_report(&dashboard.queue, AgreementBar::default());
            Ok(HostFacts {
                part: part.map_err(|e| e.to_string()),
                shadow: shadow.map_err(|e| e.to_string()),
            })
        })
        .await?;
    let seen = match FleetSettings::read(&dashboard.environment) {
        Ok(Some(settings)) => Some(dashboard.coordinator.look(settings).await),
        // What is wrong with them is in `part`, too.
        Ok(None) | Err(_) => None,
    };
    let body = html! {
        main.numbers data-poll[seen.is_some()] {
            h1 { "Fleet" }
            (this_host(&own.part))
            @if let Some(seen) = &seen { (coordinator(seen)) }
            (agreement::shadow(&own.shadow))
        }
    };
    let assets = ["numbers.css", "numbers.js"];
    Ok(page::page("Fleet", DashboardPage::Fleet, &viewer, &assets, &body))
}

fn this_host(part: &Result<Option<FleetPart>, String>) -> Markup {
    html! {
        @match part {
            Ok(Some(part)) => p {
                "This host is " strong { (part.factory) } ". The fleet is " (part.switches) ". "
                @match part.unsent {
                    0 => { "All that happened here is told." }
                    unsent => {
                        span.warn { "Reports of " (count(unsent, "job")) " wait to be sent." }
                    }
                }
            }
            Ok(None) => p.notice {
                "This host is in no fleet. "
                code { "AQ_FLEET=1" }
                " joins one, with "
                code { "AQ_FLEET_URL" }
                " and "
                code { "AQ_FLEET_TOKEN" }
                " in the environment of "
                code { "aq run" }
                " and "
                code { "aq dashboard" }
                "."
            }
            Err(problem) => p.problem.words role="alert" { (plain(problem)) }
        }
    }
}

fn tile(name: &str, value: &str, more: Option<&str>) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd { (value) @if let Some(more) = more { span.more { (more) } } }
        }
    }
}

fn coordinator(seen: &FleetPageState) -> Markup {
    html! {
        h2 { "The coordinator" }
        @if let Some(silent) = seen.silent {
            p.problem role="alert" {
                "The coordinator has not answered for "
                (format_duration(std::time::Duration::from_secs(silent.as_secs())))
                ". It is still being asked; jobs on this host go on without it."
            }
        }
        @match &seen.last {
            None if seen.silent.is_none() => p.notice {
                "The coordinator is being asked. This page shows its answer within seconds; \
                without a script, load it again."
            }
            None => {}
            Some(last) => {
                @if seen.is_asked || seen.silent.is_some() {
                    p.faint { "Its last answer is " (last.at.elapsed().as_secs()) "s old." }
                }
                @match &last.fleet {
                    Ok(fleet) => (overview(fleet)),
                    Err(problem) => p.problem.words role="alert" {
                        "It cannot be asked: " (plain(problem))
                    },
                }
            }
        }
    }
}

fn overview(fleet: &FleetOverview) -> Markup {
    let FleetStats {
        factories_alive, factories_known, queue, held, oldest_wait_ms, agreement, ..
    } = &fleet.stats;
    let waiting = queue.iter().filter(|depth| depth.stage == Stage::Inbox);
    let waiting: u64 = waiting.map(|depth| depth.jobs).fold(0, u64::saturating_add);
    let free = fleet.factories.iter().filter(|host| host.alive && !host.draining);
    let (free, slots) = free.fold((0_u64, 0_u64), |(free, slots), host| {
        (free + u64::from(host.free), slots + u64::from(host.capacity))
    });
    let oldest = oldest_wait_ms.map(|ms| format!("the oldest for {}", age(ms)));
    html! {
        dl.tiles #fleet-stats {
            (tile("Hosts alive", &format!("{factories_alive} of {factories_known}"), None))
            (tile("Free slots", &format!("{free} of {slots}"), Some("on hosts that take jobs")))
            (tile("Jobs held", &held.to_string(), None))
            (tile("Jobs waiting", &waiting.to_string(), oldest.as_deref()))
        }
        @if let Some(words) = in_doubt(&fleet.stats) {
            p.problem.words { (page::with_code(&words)) }
        }
        h2 { "Hosts" }
        @if fleet.factories.is_empty() { p.faint { "No host has registered yet." } }
        ul.hosts { @for one in fleet.factories.iter().take(MOST) { (host(one)) } }
        (left_out(fleet.factories.len()))
        h2 { "Jobs" }
        @if fleet.jobs.is_empty() {
            p.faint { "No job is under way or waits." }
        } @else {
            div.scroll tabindex="0" { table #fleet-jobs {
                thead {
                    tr {
                        @for name in ["job", "stage", "priority", "host", "epoch", "age", ""] {
                            th scope="col" { (name) }
                        }
                    }
                }
                tbody {
                    @for (summary, why) in fleet.jobs.iter().take(MOST) {
                        (job(summary, why.as_ref()))
                    }
                }
            } }
            (left_out(fleet.jobs.len()))
            @if fleet.more { p.faint { "... and more; the coordinator's API pages through them." } }
        }
        @if let Some(told) = agreement { (agreement::told(told)) }
    }
}

fn left_out(count: usize) -> Markup {
    html! { @if count > MOST { p.faint { "... and " (count - MOST) " more" } } }
}

fn host(host: &FactoryView) -> Markup {
    let capabilities: Vec<String> =
        host.capabilities.iter().take(MOST).map(CapabilityToken::to_string).collect();
    html! {
        li.host.gone[!host.alive].draining[host.draining] {
            h3 { (host.factory_id) }
            p {
                @if host.alive { span.good { "alive" } } @else { span.bad { "silent" } }
                ", seen " (age(host.seen_ms_ago)) " ago"
                @if host.draining { ", takes no more jobs" }
            }
            p {
                (host.free) " of " (host.capacity) " slots free, holds "
                (count(host.holds.len(), "lease"))
            }
            p.faint { (plain(&host.host)) ", aq " (plain(&host.version)) }
            @if !capabilities.is_empty() {
                details id={ "host-" (host.factory_id) } {
                    summary { (host.capabilities.len()) " capabilities" }
                    @for token in &capabilities { span.token { (plain(token)) } " " }
                }
            }
        }
    }
}

fn job(job: &JobSummary, why: Option<&GivenReason>) -> Markup {
    let class = if job.lapsed {
        "bad"
    } else if job.cancel {
        "warn"
    } else {
        ""
    };
    html! {
        tr {
            th scope="row" { (job.name) }
            td { (job.stage) }
            td { (job.priority) }
            td { @match &job.holder { Some(holder) => (holder), None => "-" } }
            td { (job.epoch) }
            td { (age(job.age_ms)) }
            td { span class=(class) { (page::with_code(&remark(job, why))) } }
        }
    }
}
