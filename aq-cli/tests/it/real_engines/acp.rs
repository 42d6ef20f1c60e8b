//! Agents of the Agent Client Protocol, as engines of `config.yaml`: what docs/acp.md says of each.

use std::fs;

use crate::sandbox::Sandbox;

use super::program::{Engine, Unasked};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcpAgent {
    Claude,
    Copilot,
    Opencode,
    Qwen,
    Kilo,
    KimiCode,
}

impl AcpAgent {
    pub(super) const ALL: [Self; 6] =
        [Self::Claude, Self::Copilot, Self::Opencode, Self::Qwen, Self::Kilo, Self::KimiCode];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude-acp",
            Self::Copilot => "copilot-acp",
            Self::Opencode => "opencode-acp",
            Self::Qwen => "qwen-acp",
            Self::Kilo => "kilo-acp",
            Self::KimiCode => "kimi-code-acp",
        }
    }

    /// The engine whose settings the agent reads, too.
    pub(super) fn headless(self) -> Engine {
        match self {
            Self::Claude => Engine::Claude,
            Self::Copilot => Engine::Copilot,
            Self::Opencode => Engine::Opencode,
            Self::Qwen => Engine::Qwen,
            Self::Kilo => Engine::Kilo,
            Self::KimiCode => Engine::KimiCode,
        }
    }

    /// Its entry in `engines` of `config.yaml`.
    fn entry(self) -> &'static str {
        match self {
            Self::Claude => {
                "yolo-mode: bypassPermissions, safe-mode: default, env: {IS_SANDBOX: '1', \
                 CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION: 'false'}"
            }
            Self::Copilot => "argv: [--acp]",
            Self::Opencode | Self::Kilo | Self::KimiCode => "argv: [acp]",
            Self::Qwen => "argv: [--acp, --auth-type, openai], yolo-mode: yolo",
        }
    }

    /// Makes it an engine of the sandbox's queue.
    pub(super) fn configure(self, sandbox: &Sandbox) {
        let (name, entry) = (self.name(), self.entry());
        let text = format!("engines:\n  {name}: {{protocol: acp, {entry}}}\n");
        fs::write(sandbox.queue("config.yaml"), text).unwrap();
    }

    /// Settings beside those of the headless engine.
    pub(super) fn set_up(self, sandbox: &mut Sandbox) {
        if self == Self::Claude {
            // The price of this model is known to the test.
            sandbox.set("ANTHROPIC_MODEL", "claude-opus-4-8");
        }
    }

    /// Front matter. Only these agents offer the model that the server has.
    pub(super) fn front(self) -> String {
        let model = match self {
            Self::Opencode | Self::Kilo => "model: mock/mock-model\n",
            _ => "",
        };
        format!("engine: {}\n{model}", self.name())
    }

    /// Calls among the last run's whose tokens aq knows.
    pub(super) fn counted(self, calls: usize) -> usize {
        match self {
            Self::Claude | Self::Copilot => calls,
            // Their numbers are those of the last call.
            Self::Opencode | Self::Kilo => usize::from(calls == 1),
            Self::Qwen | Self::KimiCode => 0,
        }
    }

    pub(super) fn unasked(self) -> Unasked {
        match self {
            Self::Opencode | Self::Kilo => Unasked::Runs,
            Self::Copilot | Self::Qwen => Unasked::Stops,
            Self::Claude | Self::KimiCode => Unasked::Refused,
        }
    }

    /// Tests for an agent that reports its tokens when its turn is cancelled.
    pub(super) fn counts_when_cancelled(self) -> bool {
        self == Self::Copilot
    }
}
