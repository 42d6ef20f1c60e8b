//! Facts of each real program: how it is led to the model server, and what it makes of an answer.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::model_server::{Fault, USAGE};
use crate::sandbox::Sandbox;

use super::acp::AcpAgent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Claude,
    Codex,
    Gemini,
    Copilot,
    Opencode,
    Qwen,
    Kilo,
    Pi,
    KimiCode,
    Cline,
    Vibe,
    Droid,
    Acp(AcpAgent),
}

/// Fate of a shell command for which nobody gave permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unasked {
    /// It runs, within bounds or without.
    Runs,
    /// It is refused, and the refusal is counted.
    Refused,
    /// It is refused, and the agent stops: the job fails.
    Stops,
    /// It does not run, and nothing says so; mostly the model is not even offered the tool.
    Unsaid,
}

/// The key that no vendor would take.
pub(super) const KEY: &str = "test-key";

/// Price of one call of `claude`: its price list at $5, $0.50, $6.25 and $25 a million tokens.
pub(super) const CLAUDE_CALL_USD: f64 = 0.007_857_5;

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Copilot => "copilot",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Kilo => "kilo",
            Self::Pi => "pi",
            Self::KimiCode => "kimi-code",
            Self::Cline => "cline",
            Self::Vibe => "vibe",
            Self::Droid => "droid",
            Self::Acp(agent) => agent.name(),
        }
    }

    /// The two that start within a second and have a setting not to try again by themselves.
    pub(super) fn is_quick(self) -> bool {
        matches!(self, Self::Claude | Self::Codex)
    }

    /// A time limit that leaves this program time to start, twice over on a busy machine.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::Claude | Self::Codex => "15s",
            Self::Gemini | Self::Copilot | Self::Pi => "30s",
            Self::Kilo | Self::Acp(AcpAgent::Kilo) => "75s",
            _ => "45s",
        }
    }

    /// The same for a program that tries again, and reports it only when it has given up.
    pub(super) fn limit_of_tries(self) -> &'static str {
        match self {
            Self::Cline | Self::KimiCode | Self::Droid | Self::Kilo | Self::Acp(_) => "110s",
            _ => self.limit(),
        }
    }

    /// Tests for tries without end that show no reason: only a time limit ends
    /// that, and the job is to blame for what its vendor does.
    pub(super) fn tries_in_silence(self, fault: Fault) -> bool {
        match self {
            Self::Qwen | Self::Vibe => true,
            Self::Droid => matches!(fault, Fault::Broken | Fault::Overloaded),
            _ => false,
        }
    }

    /// Tests for a way to the model that shows a plan's limit.
    pub(super) fn has_plans(self) -> bool {
        self.is_quick()
    }

    /// Front matter that leads the engine to the server.
    pub(super) fn front(self, url: &str) -> String {
        let model = match self {
            // Without retries of its own and without what it fetches elsewhere.
            Self::Codex => {
                return format!(
                    "engine: codex\nmodel: mock\nargs:\n\
                     - -c\n- features.plugins=false\n\
                     - -c\n- model_provider=\"mock\"\n\
                     - -c\n- 'model_providers.mock={{name=\"mock\",base_url=\"{url}/v1\",\
                     wire_api=\"responses\",env_key=\"MOCK_API_KEY\",request_max_retries=0,\
                     stream_max_retries=0}}'\n"
                );
            }
            // The price of this model is known to the program.
            Self::Claude => "claude-opus-4-8",
            Self::Gemini => "gemini-2.5-flash",
            Self::Copilot => "gpt-4.1",
            Self::Opencode | Self::Kilo => "mock/mock-model",
            Self::Pi => "mock/mock-model",
            Self::Droid => "custom:mock-0",
            Self::Qwen | Self::KimiCode | Self::Cline | Self::Vibe => "",
            Self::Acp(agent) => return agent.front(),
        };
        let model = if model.is_empty() { String::new() } else { format!("model: {model:?}\n") };
        format!("engine: {}\n{model}", self.name())
    }

    /// Settings in the environment and in the test's own home.
    pub(super) fn set_up(self, sandbox: &mut Sandbox, url: &str) {
        if let Self::Acp(agent) = self {
            agent.set_up(sandbox);
            return agent.headless().set_up(sandbox, url);
        }
        let home = sandbox.path("HOME");
        let api = format!("{url}/v1");
        let mut set = |variables: &[(&str, &str)]| {
            for &(name, value) in variables {
                sandbox.set(name, value);
            }
        };
        match self {
            Self::Claude => set(&[
                ("ANTHROPIC_BASE_URL", url),
                ("ANTHROPIC_API_KEY", KEY),
                ("CLAUDE_CODE_MAX_RETRIES", "0"),
            ]),
            Self::Codex => set(&[("MOCK_API_KEY", KEY)]),
            Self::Gemini => {
                set(&[("GOOGLE_GEMINI_BASE_URL", url), ("GEMINI_API_KEY", KEY)]);
                let settings = json!({
                    "security": { "auth": { "selectedType": "gemini-api-key" } },
                    "privacy": { "usageStatisticsEnabled": false },
                });
                write(&home.join(".gemini/settings.json"), &settings.to_string());
            }
            Self::Copilot => set(&[
                ("COPILOT_OFFLINE", "true"),
                ("COPILOT_AUTO_UPDATE", "false"),
                ("COPILOT_PROVIDER_BASE_URL", &api),
                ("COPILOT_PROVIDER_API_KEY", KEY),
                ("COPILOT_MODEL", "gpt-4.1"),
            ]),
            Self::Opencode | Self::Kilo => {
                let prefix = if self == Self::Kilo { "KILO" } else { "OPENCODE" };
                let variable = |name: &str| format!("{prefix}_{name}");
                for name in ["MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS"] {
                    set(&[(&variable(&format!("DISABLE_{name}")), "1")]);
                }
                set(&[(&variable("CONFIG_CONTENT"), &opencode_settings(&api))]);
                set(&[("KILO_DISABLE_CODEBASE_INDEXING", "1")]);
            }
            Self::Qwen => {
                set(&[
                    ("OPENAI_API_KEY", KEY),
                    ("OPENAI_BASE_URL", &api),
                    ("OPENAI_MODEL", "mock-model"),
                ]);
                // Other agents of its own would take the model's answers.
                let off =
                    json!({ "enableManagedAutoMemory": false, "enableManagedAutoDream": false });
                let settings =
                    json!({ "memory": off, "ui": { "enableFollowupSuggestions": false } });
                write(&home.join(".qwen/settings.json"), &settings.to_string());
            }
            Self::Pi => {
                set(&[("PI_OFFLINE", "1"), ("PI_TELEMETRY", "0")]);
                let provider = json!({
                    "baseUrl": api, "api": "openai-completions", "apiKey": KEY,
                    "models": [{ "id": "mock-model" }],
                });
                let models = json!({ "providers": { "mock": provider } });
                write(&home.join(".pi/agent/models.json"), &models.to_string());
                let settings = json!({ "defaultProvider": "mock", "defaultModel": "mock-model" });
                write(&home.join(".pi/agent/settings.json"), &settings.to_string());
            }
            Self::KimiCode => set(&[
                ("KIMI_MODEL_NAME", "mock-model"),
                ("KIMI_MODEL_API_KEY", KEY),
                ("KIMI_MODEL_PROVIDER_TYPE", "openai"),
                ("KIMI_MODEL_BASE_URL", &api),
                ("KIMI_MODEL_MAX_CONTEXT_SIZE", "128000"),
                ("KIMI_CODE_NO_AUTO_UPDATE", "1"),
            ]),
            Self::Cline => {
                let settings = json!({
                    "provider": "openai-compatible", "apiKey": KEY, "model": "mock-model",
                    "baseUrl": api,
                });
                let provider = json!({
                    "settings": settings, "updatedAt": "2026-01-01T00:00:00.000Z",
                    "tokenSource": "manual",
                });
                let all = json!({
                    "version": 1, "lastUsedProvider": "openai-compatible", "modes": {},
                    "providers": { "openai-compatible": provider },
                });
                write(&home.join(".cline/data/settings/providers.json"), &all.to_string());
            }
            Self::Vibe => {
                set(&[("MOCK_API_KEY", KEY)]);
                let settings = format!(
                    "active_model = \"mock\"\nenable_telemetry = false\n\
                     enable_update_checks = false\nenable_auto_update = false\n\
                     [[providers]]\nname = \"mock\"\napi_base = \"{api}\"\n\
                     api_key_env_var = \"MOCK_API_KEY\"\n\
                     [[models]]\nname = \"mock-model\"\nprovider = \"mock\"\nalias = \"mock\"\n"
                );
                write(&home.join(".vibe/config.toml"), &settings);
            }
            Self::Droid => {
                let model = json!({
                    "model": "mock-model", "id": "custom:mock-0", "index": 0,
                    "displayName": "mock", "baseUrl": api, "apiKey": KEY,
                    "provider": "generic-chat-completion-api", "maxOutputTokens": 4096,
                });
                let settings = json!({ "customModels": [model] });
                write(&home.join(".factory/settings.json"), &settings.to_string());
                set(&[("FACTORY_API_KEY", "fk-test-key")]);
            }
            Self::Acp(_) => unreachable!("it has the settings of another engine"),
        }
    }

    /// Requests of this program beside the model, to hosts that it cannot reach here.
    pub(super) fn asks_elsewhere(self) -> &'static [&'static str] {
        match self {
            Self::Claude | Self::Codex => &[],
            // None of them has a setting for all that it looks for.
            _ => &["CONNECT ", "GET http", "POST http"],
        }
    }

    /// New input, cached and output tokens of one call as meta should have them.
    pub(super) fn truth(self) -> [u64; 3] {
        let input = USAGE.input - USAGE.cached;
        match self {
            // The new input of Anthropic's calls is without what was cached.
            Self::Claude => [USAGE.input, USAGE.cached, USAGE.output],
            // These name the reasoning beside the output.
            Self::Opencode | Self::Kilo => [input, USAGE.cached, USAGE.output - USAGE.reasoning],
            Self::Acp(agent) => agent.headless().truth(),
            _ => [input, USAGE.cached, USAGE.output],
        }
    }

    /// Cache-written and reasoning tokens of one call, where they are counted beside the others.
    pub(super) fn truth_beside(self) -> [u64; 2] {
        match self {
            Self::Claude => [USAGE.cache_write, 0],
            Self::Gemini | Self::Opencode | Self::Kilo => [0, USAGE.reasoning],
            Self::Acp(agent) => agent.headless().truth_beside(),
            _ => [0, 0],
        }
    }

    /// Calls among those of one run whose tokens aq knows.
    pub(super) fn counted(self, calls: usize) -> usize {
        match self {
            Self::Acp(agent) => agent.counted(calls),
            _ => calls,
        }
    }

    /// Tests for numbers of a run that was killed.
    pub(super) fn counts_when_killed(self) -> bool {
        match self {
            Self::Acp(agent) => agent.counts_when_cancelled(),
            _ => !matches!(self, Self::KimiCode | Self::Droid | Self::Vibe),
        }
    }

    /// Tests for a session that a further attempt goes on with.
    pub(super) fn resumes(self) -> bool {
        !matches!(self, Self::Cline | Self::Droid)
    }

    pub(super) fn unasked(self) -> Unasked {
        match self {
            Self::Gemini | Self::Qwen | Self::Cline | Self::Vibe => Unasked::Unsaid,
            Self::Copilot => Unasked::Refused,
            Self::Acp(agent) => agent.unasked(),
            _ => Unasked::Runs,
        }
    }
}

fn opencode_settings(api: &str) -> String {
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible", "name": "mock",
        "options": { "baseURL": api, "apiKey": KEY },
        "models": { "mock-model": { "name": "mock-model" } },
    });
    let settings = json!({
        "provider": { "mock": provider }, "model": "mock/mock-model",
        "small_model": "mock/mock-model", "autoupdate": false, "share": "disabled",
    });
    settings.to_string()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
