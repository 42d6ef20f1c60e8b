//! Agreement of the coordinator's decisions with those of this host.

use aq_fleet::protocol::ShadowAgreement;
use aq_runner::run::AgreementReport;
use maud::{Markup, html};

use crate::dashboard::brief::count;
use crate::output::agreement::{meaning, percent};
use crate::output::style::plain;

/// The findings of this host's shadow.
pub(super) fn shadow(report: &Result<Option<AgreementReport>, String>) -> Markup {
    html! {
        h2 { "Shadow agreement" }
        @match report {
            Ok(Some(report)) => (found(report)),
            Ok(None) => p.faint {
                "Nothing was compared yet: a loop does with "
                code { "AQ_FLEET=1 AQ_FLEET_ROUTE=0 AQ_FLEET_SHADOW=1" }
                "."
            }
            Err(problem) => p.problem.words role="alert" { (plain(problem)) }
        }
    }
}

fn found(report: &AgreementReport) -> Markup {
    html! {
        div #shadow {
            p {
                @if report.ready {
                    strong.good { "Ready" } ": the coordinator decides as this host does."
                }
                @else { strong.warn { "Not ready" } }
                " " (count(report.counted, "decision")) " compared"
                @if let Some(rate) = report.rate {
                    ", " (percent(rate)) " agree (95 % sure: " (percent(report.interval.low)) " to "
                    (percent(report.interval.high)) ")"
                }
                "."
            }
            @if !report.missing.is_empty() {
                ul {
                    @for missing in &report.missing {
                        li { "missing: " (plain(&missing.to_string())) }
                    }
                }
            }
            div.scroll tabindex="0" { table {
                thead {
                    tr {
                        th scope="col" { "verdict" }
                        th.number scope="col" { "decisions" }
                        th scope="col" { "" }
                    }
                }
                tbody {
                    @for (verdict, count) in report.counts() {
                        tr {
                            th scope="row" { (verdict.as_str()) }
                            td.number { (count) }
                            td { (meaning(verdict)) }
                        }
                    }
                }
            } }
            @for (what, reasons) in
                [("Disagreements", &report.reasons), ("Errors", &report.error_reasons)] {
                @if !reasons.is_empty() {
                    p {
                        (what) " by reason: "
                        @for (n, (reason, count)) in reasons.iter().enumerate() {
                            @if n > 0 { ", " } (reason) " " (count)
                        }
                    }
                }
            }
            @if !report.latest.is_empty() {
                details #shadow-latest {
                    summary { "The last disagreements" }
                    div.scroll tabindex="0" { table {
                        thead {
                            tr {
                                @for name in ["time", "verdict", "here", "coordinator", "reason"] {
                                    th scope="col" { (name) }
                                }
                            }
                        }
                        tbody { @for one in &report.latest {
                            tr {
                                td { (plain(&one.ts)) }
                                td { (one.verdict.as_str()) }
                                td { (plain(one.local.as_deref().unwrap_or("-"))) }
                                td { (plain(one.coord.as_deref().unwrap_or("-"))) }
                                td { (one.reason.unwrap_or("-")) }
                            }
                        } }
                    } }
                }
            }
            @if report.bad_lines > 0 {
                p.faint { "Of the log, " (count(report.bad_lines, "line")) " cannot be read." }
            }
        }
    }
}

/// The reports of all shadows to the coordinator.
pub(super) fn told(told: &ShadowAgreement) -> Markup {
    html! {
        p.faint {
            "Shadows of all hosts have told it: " (told.agree) " agree, " (told.diverge)
            " diverge, " (told.coord_empty)
            " where it picked none, " (told.local_empty) " where the host picked none, "
            (told.error) " errors."
        }
    }
}
