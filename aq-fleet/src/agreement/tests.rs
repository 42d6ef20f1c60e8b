//! The numbers, against values that were worked out in another way, and what counts as a decision.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::ShadowVerdict;
use crate::shadow::{ComparisonLine, ComparisonLog, ShadowReason, read_log};

/// Bounds to 15 places. They are the roots of the quadratic equation `(p - k/n)^2 = z^2 p(1-p)/n`,
/// solved with 50 digits by another program; 81 of 263 and 15 of 148 are the worked examples of
/// Newcombe, Statistics in Medicine 17 (1998), which has 0.2553 to 0.3662 and 0.0624 to 0.1605.
const KNOWN: [(u64, u64, f64, f64); 19] = [
    (0, 1, 0.0, 0.793_450_685_622_763),
    (1, 1, 0.206_549_314_377_237, 1.0),
    (0, 10, 0.0, 0.277_532_799_862_889),
    (10, 10, 0.722_467_200_137_111, 1.0),
    (1, 10, 0.017_876_213_095_073, 0.404_150_026_795_238),
    (5, 10, 0.236_593_090_512_564, 0.763_406_909_487_436),
    (7, 10, 0.396_778_147_461_145, 0.892_208_732_593_699),
    (81, 263, 0.255_288_519_878_274, 0.366_209_576_982_800),
    (15, 148, 0.062_386_399_530_736, 0.160_487_241_723_308),
    (195, 200, 0.942_821_659_593_358, 0.989_275_280_348_239),
    (198, 200, 0.964_278_238_283_823, 0.997_253_341_866_456),
    (199, 200, 0.972_226_295_602_107, 0.999_116_831_284_399),
    (200, 200, 0.981_154_673_622_733, 1.0),
    (200, 201, 0.972_361_796_839_851, 0.999_121_227_864_599),
    (188, 188, 0.979_975_867_342_186, 1.0),
    (189, 189, 0.980_079_704_622_718, 1.0),
    (490, 500, 0.963_579_816_753_121, 0.989_100_816_403_789),
    (495, 500, 0.976_806_900_244_269, 0.995_721_246_103_410),
    (9_900, 10_000, 0.987_853_017_744_885, 0.991_770_663_851_852),
];

#[test]
fn the_interval_is_wilsons() {
    for (k, n, low, high) in KNOWN {
        let got = wilson(k, n);
        let is_near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(is_near(got.low, low) && is_near(got.high, high), "{k} of {n}: {got:?}");
    }
    assert_eq!(wilson(0, 0), RateInterval { low: 0.0, high: 1.0 });
    assert_eq!(wilson(9, 4), wilson(4, 4));
}

/// A log with so many lines of a verdict, each about a snapshot of its own.
fn log(counts: &[(ShadowVerdict, u64)]) -> ComparisonLog {
    let mut lines = Vec::new();
    for &(verdict, count) in counts {
        for _ in 0..count {
            lines.push(line(lines.len() as u64, verdict));
        }
    }
    ComparisonLog { lines, bad: 0 }
}

fn line(snapshot: u64, verdict: ShadowVerdict) -> ComparisonLine {
    let (local, coord, reason) = match verdict {
        ShadowVerdict::Agree => (Some("a"), Some("a"), None),
        ShadowVerdict::Diverge => (Some("a"), Some("b"), Some(ShadowReason::Priority)),
        ShadowVerdict::CoordEmpty => (Some("a"), None, Some(ShadowReason::Lock)),
        ShadowVerdict::LocalEmpty => (None, Some("b"), Some(ShadowReason::Missing)),
        ShadowVerdict::Error => (Some("a"), None, Some(ShadowReason::Unreachable)),
    };
    ComparisonLine {
        ts: jiff::Timestamp::from_second(i64::try_from(snapshot).unwrap()).unwrap(),
        verdict,
        local: local.map(str::to_owned),
        coord: coord.map(str::to_owned),
        reason,
        latency_ms: 1,
        snapshot: format!("{snapshot:016x}").parse().unwrap(),
    }
}

fn report(counts: &[(ShadowVerdict, u64)]) -> AgreementReport {
    AgreementReport::of(&log(counts), AgreementBar::default())
}

#[test]
fn ready_needs_decisions_and_rate() {
    for (counts, ready) in [
        (vec![(ShadowVerdict::Agree, 200)], true),
        (vec![(ShadowVerdict::Agree, 199)], false),
        (vec![(ShadowVerdict::Agree, 199), (ShadowVerdict::Diverge, 1)], false),
        (vec![(ShadowVerdict::Agree, 199), (ShadowVerdict::Error, 1)], false),
        (vec![(ShadowVerdict::Agree, 990), (ShadowVerdict::CoordEmpty, 10)], true),
        (vec![(ShadowVerdict::Agree, 500), (ShadowVerdict::LocalEmpty, 500)], false),
        (vec![], false),
    ] {
        let got = report(&counts);
        assert_eq!((got.ready, got.missing.is_empty()), (ready, ready), "{counts:?}: {got:?}");
    }
    let few =
        AgreementReport::of(&log(&[(ShadowVerdict::Agree, 3)]), AgreementBar::new(3, 0.4).unwrap());
    assert!(few.ready, "the bar can be moved");
    assert!(
        !AgreementReport::of(&log(&[]), AgreementBar::new(0, 0.5).unwrap()).ready,
        "nothing is known"
    );
}

#[test]
fn what_is_missing_is_said_in_numbers() {
    let few = report(&[(ShadowVerdict::Agree, 150)]);
    assert_eq!(few.missing[0], ReadinessGap::Decisions { more: 50, min_samples: 200 });
    let ReadinessGap::Rate { min_rate, low, more } = few.missing[1] else { panic!("{few:?}") };
    assert_eq!((min_rate, low, more), (0.98, few.interval.low, Some(39)));
    assert_eq!(
        few.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "50 more decisions, of 200",
            "an agreement rate that is surely 0.98 or more; so far it may be as low as 0.9750; \
             39 more agreements without a disagreement would do",
        ]
    );
    // 188 in a row do not reach 0.98, 189 do: see above.
    let one_off = report(&[(ShadowVerdict::Agree, 199), (ShadowVerdict::Diverge, 1)]);
    assert_eq!(one_off.missing.len(), 1);
    let never = AgreementReport::of(
        &log(&[(ShadowVerdict::Diverge, 1)]),
        AgreementBar::new(1, 1.0).unwrap(),
    );
    assert_eq!(never.missing, [ReadinessGap::Rate { min_rate: 1.0, low: 0.0, more: None }]);
    assert_eq!(
        never.missing[0].to_string(),
        "an agreement rate that is surely 1 or more; so far it may be as low as 0.0000"
    );
}

#[test]
fn decision_counts_once_a_snapshot() {
    use ShadowVerdict::{Agree, CoordEmpty, Diverge, Error, LocalEmpty};
    for (verdicts, expected) in [
        (vec![Agree, Agree, Agree], Agree),
        (vec![Error, Agree], Agree),
        (vec![Agree, Error], Agree),
        (vec![Agree, Diverge, Agree], Diverge),
        (vec![Error, CoordEmpty, Error], CoordEmpty),
        (vec![Diverge, LocalEmpty], LocalEmpty),
        (vec![Error, Error], Error),
    ] {
        let lines: Vec<ComparisonLine> = verdicts.iter().map(|&verdict| line(7, verdict)).collect();
        let repeated = lines.len() as u64 - 1;
        let got = AgreementReport::of(&ComparisonLog { lines, bad: 0 }, AgreementBar::default());
        let counts = [got.agree, got.diverge, got.coord_empty, got.local_empty, got.error];
        let of = [Agree, Diverge, CoordEmpty, LocalEmpty, Error].map(|v| u64::from(v == expected));
        assert_eq!((counts, got.counted, got.repeated), (of, 1, repeated), "{verdicts:?}");
    }
}

#[test]
fn where_nobody_had_a_choice_nothing_counts() {
    let nothing = ComparisonLine { local: None, coord: None, ..line(1, ShadowVerdict::Agree) };
    let error = ComparisonLine { local: None, ..line(1, ShadowVerdict::Error) };
    for lines in [vec![nothing.clone()], vec![error.clone(), nothing.clone()], vec![nothing, error]]
    {
        let got = AgreementReport::of(&ComparisonLog { lines, bad: 0 }, AgreementBar::default());
        assert_eq!((got.counted, got.nothing_to_choose, got.rate), (0, 1, None));
    }
}

#[test]
fn reasons_are_counted_and_the_latest_disagreements_shown() {
    let mut log = log(&[
        (ShadowVerdict::Agree, 5),
        (ShadowVerdict::Diverge, 12),
        (ShadowVerdict::CoordEmpty, 2),
        (ShadowVerdict::LocalEmpty, 1),
        (ShadowVerdict::Error, 3),
    ]);
    log.bad = 4;
    let got = AgreementReport::of(&log, AgreementBar::default());
    assert_eq!((got.counted, got.agree, got.error, got.bad_lines), (23, 5, 3, 4));
    assert_eq!(got.reasons, [("lock", 2), ("missing", 1), ("priority", 12)].into());
    assert_eq!(got.error_reasons, [("unreachable", 3)].into());
    let kinds: Vec<ShadowVerdict> = got.latest.iter().map(|shown| shown.verdict).collect();
    let expected =
        [ShadowVerdict::LocalEmpty, ShadowVerdict::CoordEmpty, ShadowVerdict::CoordEmpty];
    assert_eq!((kinds.len(), &kinds[..3]), (10, &expected[..]));
    assert_eq!(got.latest[0].ts, "1970-01-01T00:00:19Z");
}

#[test]
fn as_json_it_has_a_version_and_stable_names() {
    let text = format!("{}\nnonsense\n", line(7, ShadowVerdict::Diverge));
    let got = AgreementReport::of(&read_log(text.as_bytes()), AgreementBar::default());
    let mut json = serde_json::to_value(&got).unwrap();
    let missing = json["missing"].as_array_mut().map(std::mem::take).unwrap();
    assert_eq!(missing[0], json!({ "code": "decisions", "more": 199, "min_samples": 200 }));
    let names: Vec<&String> = missing[1].as_object().unwrap().keys().collect();
    assert_eq!((missing[1]["code"].as_str(), names.len()), (Some("rate"), 4));
    json["interval"]["high"] = json!(0.5);
    assert_eq!(
        json,
        json!({
            "version": 2, "ready": false, "missing": [], "min_samples": 200, "min_rate": 0.98,
            "counted": 1, "agree": 0, "diverge": 1, "coord_empty": 0, "local_empty": 0, "error": 0,
            "rate": 0.0, "interval": { "low": 0.0, "high": 0.5 },
            "reasons": { "priority": 1 }, "error_reasons": {},
            "latest": [{
                "ts": "1970-01-01T00:00:07Z", "verdict": "DIVERGE", "local": "a", "coord": "b",
                "reason": "priority",
            }],
            "nothing_to_choose": 0, "repeated": 0, "bad_lines": 1,
        })
    );
}

#[test]
fn a_bar_is_a_rate() {
    for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(AgreementBar::new(1, bad).unwrap_err().to_string().contains("from 0 to 1"));
    }
    assert!(AgreementBar::new(0, 0.0).is_ok() && AgreementBar::new(u64::MAX, 1.0).is_ok());
}

proptest! {
    #[test]
    fn interval_holds_rate_and_mirrors(n in 1..100_000_u64, part in 0.0..=1.0_f64) {
        #[expect(
            clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "between 0 and n",
        )]
        let k = (n as f64 * part) as u64;
        let RateInterval { low, high } = wilson(k, n);
        let rate = wilson::as_f64(k) / wilson::as_f64(n);
        prop_assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
        let mirrored = wilson(n - k, n);
        prop_assert!((mirrored.low - (1.0 - high)).abs() < 1e-12);
    }
}
