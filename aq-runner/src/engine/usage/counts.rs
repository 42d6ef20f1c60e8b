//! The numbers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Usage of tokens and money. A number that nobody said is absent; none is ever made up.
///
/// The fields are called as they are in meta. Where vendors count differently, this is how it is
/// made even: `input_tokens` never holds cached ones; `output_tokens` is the vendor's own number,
/// which holds the reasoning for claude, codex and copilot and does not for gemini and opencode
/// (there it is in `reasoning_tokens`, as far as they say it).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTokens {
    /// Tokens read by the model and not served from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens read from the vendor's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens written to the vendor's cache, where it counts them beside the input (claude,
    /// opencode). Elsewhere they are part of `input_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens that the model wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Tokens of reasoning, where the vendor counts them beside the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// The sum of input and output without cached ones, where only the sum is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Money, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Read out of text that was written for people (`usage_estimated`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl RunTokens {
    /// Tests for usage of which not one number is known.
    pub fn is_empty(&self) -> bool {
        let Self { estimated: _, cost_usd, .. } = self;
        cost_usd.is_none() && self.tokens_of().iter().all(Option::is_none)
    }

    /// Tests for known numbers that are all zero, of tokens at least one.
    pub(in crate::engine) fn is_zero(&self) -> bool {
        let mut tokens = self.tokens_of().into_iter().flatten().peekable();
        tokens.peek().is_some()
            && tokens.all(|count| count == 0)
            && self.cost_usd.is_none_or(|usd| usd <= 0.0)
    }

    /// Everything that counts against a budget of tokens: what was read and written, less what came
    /// out of a cache. `None` when nothing of it is known.
    pub fn tokens(&self) -> Option<u64> {
        let [input, _, writes, output, reasoning, total] = self.tokens_of();
        let known = [input, writes, output, reasoning, total];
        let sum = known.into_iter().flatten().fold(0, u64::saturating_add);
        known.iter().any(Option::is_some).then_some(sum)
    }

    fn tokens_of(&self) -> [Option<u64>; 6] {
        [
            self.input_tokens,
            self.cached_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.total_tokens,
        ]
    }

    fn combined(
        &self,
        other: &Self,
        tokens: impl Fn(Option<u64>, Option<u64>) -> Option<u64>,
        cost: impl Fn(Option<f64>, Option<f64>) -> Option<f64>,
    ) -> Self {
        Self {
            input_tokens: tokens(self.input_tokens, other.input_tokens),
            cached_tokens: tokens(self.cached_tokens, other.cached_tokens),
            cache_write_tokens: tokens(self.cache_write_tokens, other.cache_write_tokens),
            output_tokens: tokens(self.output_tokens, other.output_tokens),
            reasoning_tokens: tokens(self.reasoning_tokens, other.reasoning_tokens),
            total_tokens: tokens(self.total_tokens, other.total_tokens),
            cost_usd: cost(self.cost_usd, other.cost_usd),
            estimated: self.estimated || other.estimated,
        }
    }

    /// Both together. What only one knows counts as it is.
    pub(in crate::engine) fn plus(&self, other: &Self) -> Self {
        self.combined(
            other,
            |a, b| match (a, b) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            },
            |a, b| match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
        )
    }

    /// These less a part of them.
    pub(in crate::engine) fn minus(&self, part: &Self) -> Self {
        self.combined(
            part,
            |all, part| Some(all?.saturating_sub(part.unwrap_or_default())),
            |all, part| Some((all? - part.unwrap_or_default()).max(0.0)),
        )
    }

    /// These numbers, and those of `other` where there are none here.
    pub(in crate::engine) fn or(&self, other: &Self) -> Self {
        self.combined(other, Option::or, Option::or)
    }

    /// Returns the usage on top of `earlier`. A number that was not known then is not known now. A
    /// total that has become smaller was started anew, and is all of this run.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let smaller = self
            .tokens_of()
            .into_iter()
            .zip(earlier.tokens_of())
            .any(|(now, then)| now.is_some() && now < then);
        if smaller {
            return self.clone();
        }
        self.combined(
            earlier,
            |now, then| Some(now?.saturating_sub(then?)),
            |now, then| Some((now? - then?).max(0.0)),
        )
    }
}

/// A count of tokens: whole, not negative, and no more than can be summed up safely.
pub(in crate::engine) fn tokens(value: &Value) -> Option<u64> {
    /// Beyond this, it is no count of tokens.
    const MAX: u64 = 1 << 50;
    let count = value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..1e15).contains(f))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range, as just checked"
        )]
        Some(float as u64)
    });
    count.filter(|&count| count <= MAX)
}

/// An amount of money in US dollars: finite and not negative.
pub(in crate::engine) fn dollars(value: &Value) -> Option<f64> {
    value.as_f64().filter(|amount| amount.is_finite() && (0.0..1e9).contains(amount))
}

/// The input without the cached part that a vendor counts in it.
pub(in crate::engine) fn without(input: Option<u64>, cached: Option<u64>) -> Option<u64> {
    Some(input?.saturating_sub(cached.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(input: u64, cached: u64, output: u64) -> RunTokens {
        RunTokens {
            input_tokens: Some(input),
            cached_tokens: Some(cached),
            output_tokens: Some(output),
            ..RunTokens::default()
        }
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let total = RunTokens { cost_usd: Some(0.5), ..usage(30, 3, 9) };
        let since = total.since(&usage(10, 1, 4));
        assert_eq!(since, usage(20, 2, 5));
        assert_eq!(total.since(&RunTokens::default()), RunTokens::default());
        assert!(RunTokens::default().is_empty() && !total.is_empty());
        assert_eq!((RunTokens::default().tokens(), total.tokens()), (None, Some(39)));
    }

    #[test]
    fn a_total_that_fell_was_started_anew() {
        assert_eq!(usage(5, 9, 9).since(&usage(10, 1, 4)), usage(5, 9, 9));
    }

    #[test]
    fn only_whole_and_possible_numbers_are_counts() {
        for (value, want) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!(0), Some(0)),
            (json!(7.5), None),
            (json!(-7), None),
            (json!("7"), None),
            (json!(u64::MAX), None),
            (json!(null), None),
        ] {
            assert_eq!(tokens(&value), want, "{value}");
        }
        assert_eq!((dollars(&json!(0.25)), dollars(&json!(-1))), (Some(0.25), None));
    }
}
