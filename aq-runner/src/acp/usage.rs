//! Tokens and money of one prompt, out of the shapes in which agents report them.
//!
//! The protocol says little about its numbers, and agents differ in all of it: whether cached
//! tokens are part of the input, whether thoughts are part of the output, and what the numbers
//! span. A number of unknown meaning is left out.

use serde_json::{Value, json};

/// The part of an agent's work that the `usage` of its answer to a prompt spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerSpan {
    /// This prompt.
    Prompt,
    /// The last call of the model.
    LastCall,
}

/// Agents whose answers were compared with what their model server had counted, by the name in
/// `agentInfo`.
const KNOWN: [(&str, AnswerSpan); 4] = [
    ("@agentclientprotocol/claude-agent-acp", AnswerSpan::Prompt),
    ("Copilot", AnswerSpan::Prompt),
    ("Kilo", AnswerSpan::LastCall),
    ("OpenCode", AnswerSpan::LastCall),
];

/// Everything beside the answer that says what its numbers mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UsageContext<'a> {
    /// The name in `agentInfo`.
    pub(super) agent: &'a str,
    /// The session had prompts before this run.
    pub(super) resumed: bool,
    /// A tool was called: the model was called at least twice.
    pub(super) called_tools: bool,
    /// Tokens in the model's context at the end.
    pub(super) context_used: Option<u64>,
    /// Cost of this run, in US dollars.
    pub(super) cost_usd: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TokenUsage {
    input: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
}

/// The event with the numbers that are known; `None` when there are none.
pub(super) fn usage_event(answer: &Value, context: UsageContext<'_>) -> Option<Value> {
    let tokens = match of_usage(&answer["usage"]) {
        Some(tokens) if spans_run(&answer["usage"], context) => tokens,
        _ if !context.resumed => of_quota(&answer["_meta"]["quota"]),
        _ => TokenUsage::default(),
    };
    if tokens == TokenUsage::default() && context.cost_usd.is_none() {
        return None;
    }
    let mut event = json!({"type": "usage", "spans": "run"});
    for (key, number) in [
        ("input_tokens", tokens.input),
        ("cached_tokens", tokens.cached),
        ("cache_write_tokens", tokens.cache_write),
        ("output_tokens", tokens.output),
        ("reasoning_tokens", tokens.reasoning),
    ] {
        if let Some(number) = number {
            event[key] = number.into();
        }
    }
    if let Some(cost) = context.cost_usd {
        event["cost_usd"] = cost.into();
    }
    Some(event)
}

/// Tests for a `usage` that spans this prompt, and not more or less.
fn spans_run(usage: &Value, context: UsageContext<'_>) -> bool {
    let known = KNOWN.iter().find(|(name, _)| *name == context.agent).map(|(_, span)| *span);
    match known {
        Some(AnswerSpan::Prompt) => true,
        Some(AnswerSpan::LastCall) => !context.called_tools,
        // By the protocol's words it is of all turns, which are one in a fresh session.
        None if context.resumed => false,
        // Several calls have read more than is in the context after the last one.
        None if context.called_tools => {
            let read = ["inputTokens", "cachedReadTokens", "cachedWriteTokens"];
            let read = read.iter().filter_map(|key| usage[key].as_u64());
            let read = read.fold(0, u64::saturating_add);
            context.context_used.is_none_or(|used| read > used)
        }
        None => true,
    }
}

/// The total shows what is part of what.
fn of_usage(usage: &Value) -> Option<TokenUsage> {
    let count = |key: &str| usage[key].as_u64();
    let (input, output) = (count("inputTokens")?, count("outputTokens")?);
    let (read, write) = (count("cachedReadTokens"), count("cachedWriteTokens"));
    let thought = count("thoughtTokens");
    let sum = |parts: &[Option<u64>]| {
        parts.iter().flatten().fold(input.saturating_add(output), |sum, n| sum.saturating_add(*n))
    };
    if sum(&[read, write, thought]) == 0 {
        // No model has answered.
        return None;
    }
    let inside = TokenUsage {
        input: Some(input.saturating_sub(read.unwrap_or_default())),
        cached: read,
        cache_write: None,
        output: Some(output),
        reasoning: None,
    };
    let outside = TokenUsage { input: Some(input), cache_write: write, ..inside };
    let beside = |tokens: TokenUsage| TokenUsage { reasoning: thought, ..tokens };
    let mut found: Option<TokenUsage> = None;
    for (total, tokens) in [
        (sum(&[]), inside),
        (sum(&[thought]), beside(inside)),
        (sum(&[read, write]), outside),
        (sum(&[read, write, thought]), beside(outside)),
    ] {
        let fits = count("totalTokens") == Some(total);
        let same = |found: TokenUsage| plain(found) == plain(tokens);
        if fits && found.is_some_and(|found| !same(found)) {
            found = None;
            break;
        }
        if fits {
            found = found.or(Some(tokens));
        }
    }
    // Without a total that fits, only what is the same in every reading.
    let no_cache = read.unwrap_or_default() == 0 && write.unwrap_or_default() == 0;
    let sure = TokenUsage {
        input: Some(input).filter(|_| no_cache),
        cached: read,
        output: Some(output),
        ..TokenUsage::default()
    };
    Some(found.unwrap_or(sure))
}

/// Numbers to compare: no number and none are the same.
fn plain(tokens: TokenUsage) -> [u64; 5] {
    let TokenUsage { input, cached, cache_write, output, reasoning } = tokens;
    [input, cached, cache_write, output, reasoning].map(Option::unwrap_or_default)
}

/// Gemini's own field. Its input holds cached tokens and does not say how many, so it stays
/// unknown.
fn of_quota(quota: &Value) -> TokenUsage {
    let output = quota["token_count"]["output_tokens"].as_u64().filter(|&output| output > 0);
    TokenUsage { output, ..TokenUsage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(total: u64, counts: [u64; 5]) -> Value {
        let [input, output, read, write, thought] = counts;
        json!({"usage": {
            "totalTokens": total, "inputTokens": input, "outputTokens": output,
            "cachedReadTokens": read, "cachedWriteTokens": write, "thoughtTokens": thought,
        }})
    }

    fn event(answer: &Value, context: UsageContext<'_>) -> Value {
        usage_event(answer, context).unwrap_or_default()
    }

    fn numbers(event: &Value) -> [Option<u64>; 5] {
        let keys = ["input", "cached", "cache_write", "output", "reasoning"];
        keys.map(|key| event[format!("{key}_tokens")].as_u64())
    }

    #[test]
    fn total_says_what_is_inside() {
        let fresh = UsageContext::default();
        let of = |total, counts| numbers(&event(&answer(total, counts), fresh));
        // Claude, Copilot, opencode.
        let claude = [Some(2468), Some(400), Some(60), Some(112), None];
        assert_eq!(of(3040, [2468, 112, 400, 60, 0]), claude);
        assert_eq!(
            of(2580, [2468, 112, 400, 0, 14]),
            [Some(2068), Some(400), None, Some(112), None]
        );
        let apart = [Some(1034), Some(200), Some(0), Some(49), Some(7)];
        assert_eq!(of(1290, [1034, 49, 200, 0, 7]), apart);
        // Two readings give the same total, and none does.
        assert_eq!(of(117, [100, 10, 7, 0, 7]), [None, Some(7), None, Some(10), None]);
        assert_eq!(of(1, [100, 10, 7, 0, 0]), [None, Some(7), None, Some(10), None]);
        assert_eq!(of(1, [100, 10, 0, 0, 0])[0], Some(100));
        assert_eq!(of(0, [0; 5]), [None; 5]);
    }

    #[test]
    fn numbers_of_the_last_call_alone_are_left_out() {
        let opencode = answer(1290, [1034, 49, 200, 0, 7]);
        let tools =
            UsageContext { called_tools: true, context_used: Some(1234), ..Default::default() };
        for agent in ["OpenCode", "whatever"] {
            assert_eq!(event(&opencode, UsageContext { agent, ..tools }), Value::Null);
            let none = UsageContext { agent, ..UsageContext::default() };
            assert_eq!(event(&opencode, none)["input_tokens"], 1034);
        }
        let whole = answer(2580, [2468, 112, 400, 0, 0]);
        assert_eq!(event(&whole, tools)["output_tokens"], 112);
    }

    #[test]
    fn resumed_numbers_need_a_span() {
        let whole = answer(2580, [2468, 112, 400, 0, 0]);
        let context = |agent| UsageContext {
            agent,
            resumed: true,
            cost_usd: Some(0.5),
            ..UsageContext::default()
        };
        let claude = event(&whole, context("@agentclientprotocol/claude-agent-acp"));
        assert_eq!((&claude["input_tokens"], &claude["cost_usd"]), (&json!(2068), &json!(0.5)));
        let other = json!({"type": "usage", "spans": "run", "cost_usd": 0.5});
        assert_eq!(event(&whole, context("whatever")), other);
    }

    #[test]
    fn gemini_says_only_its_output() {
        let quota = json!({"token_count": {"input_tokens": 2468, "output_tokens": 112}});
        let answer = json!({"stopReason": "end_turn", "_meta": {"quota": quota}});
        let usage = event(&answer, UsageContext::default());
        assert_eq!(numbers(&usage), [None, None, None, Some(112), None]);
        let resumed = UsageContext { resumed: true, ..Default::default() };
        assert_eq!(event(&answer, resumed), Value::Null);
        assert_eq!(event(&json!({"_meta": 5, "usage": "x"}), UsageContext::default()), Value::Null);
    }
}
