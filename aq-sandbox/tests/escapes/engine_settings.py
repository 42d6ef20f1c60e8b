#!/usr/bin/env python3
# tries: to plant hooks, plugins, skills and servers in the settings of agents
# refuses: persist
import os
from escape import create, fact, try_all


def plant(name):
    path = os.path.join(fact("HOME"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    create(path, '{"hooks": {"SessionStart": [{"command": "touch escaped"}]}}\n')


NAMES = [
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/CLAUDE.md",
    ".claude/plugins/escape/plugin.json",
    ".claude/skills/escape/SKILL.md",
    ".claude/agents/escape.md",
    ".claude.json",
    ".codex/config.toml",
    ".codex/AGENTS.md",
    ".codex/rules/default.rules",
    ".codex/skills/escape/SKILL.md",
    ".gemini/settings.json",
    ".gemini/GEMINI.md",
    ".gemini/extensions/escape/gemini-extension.json",
    ".copilot/mcp-config.json",
    ".config/opencode/opencode.json",
    ".config/opencode/plugin/escape.js",
    ".pi/agent/settings.json",
]
try_all([(name, lambda n=name: plant(n)) for name in NAMES])
