//! The measures that are counted by day.

use aq_runner::insights::InsightsGroup;

use crate::output::insights::{dollars, tokens};

/// One plot by day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlotMeasure {
    Cost,
    Output,
    Input,
    Cached,
    CacheWrites,
    Reasoning,
}

impl PlotMeasure {
    pub(super) const ALL: [Self; 6] =
        [Self::Cost, Self::Output, Self::Input, Self::Cached, Self::CacheWrites, Self::Reasoning];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Cost => "Cost by day and engine",
            Self::Output => "Output tokens by day and engine",
            Self::Input => "Input tokens by day and engine, not cached",
            Self::Cached => "Cached input tokens by day and engine",
            Self::CacheWrites => "Input tokens written to a cache by day and engine",
            Self::Reasoning => "Reasoning tokens beside the output by day and engine",
        }
    }

    /// Names it in ids.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Cost => "cost_usd",
            Self::Output => "output_tokens",
            Self::Input => "input_tokens",
            Self::Cached => "cached_tokens",
            Self::CacheWrites => "cache_write_tokens",
            Self::Reasoning => "reasoning_tokens",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "it is drawn, or rounded for people")]
    pub(super) fn of(self, group: &InsightsGroup) -> Option<f64> {
        let count = match self {
            Self::Cost => return group.cost_usd,
            Self::Output => group.output_tokens,
            Self::Input => group.input_tokens,
            Self::Cached => group.cached_tokens,
            Self::CacheWrites => group.cache_write_tokens,
            Self::Reasoning => group.reasoning_tokens,
        };
        count.map(|count| count as f64)
    }

    /// As `aq insights` writes it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts came from whole numbers, and the cast saturates"
    )]
    pub(super) fn text(self, value: Option<f64>, estimated: bool) -> String {
        let guess = if estimated { "~" } else { "" };
        match self {
            Self::Cost => dollars(value, guess),
            _ => tokens(value.map(|value| value as u64), guess),
        }
    }

    /// A number beside an axis, whose steps are round.
    pub(super) fn tick(self, value: f64) -> String {
        let (value, unit) = match value {
            1e9.. => (value / 1e9, "G"),
            1e6..1e9 => (value / 1e6, "M"),
            1e3..1e6 => (value / 1e3, "k"),
            _ => (value, ""),
        };
        let number = format!("{value:.3}");
        let number = number.trim_end_matches('0').trim_end_matches('.');
        if self == Self::Cost { format!("${number}{unit}") } else { format!("{number}{unit}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(PlotMeasure::Cost.tick(0.25), "$0.25");
        assert_eq!(PlotMeasure::Input.tick(0.0), "0");
        assert_eq!(PlotMeasure::Output.tick(1_500_000.0), "1.5M");
        assert_eq!(PlotMeasure::Cached.tick(20_000.0), "20k");
    }
}
