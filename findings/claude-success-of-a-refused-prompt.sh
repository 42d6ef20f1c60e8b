#!/usr/bin/env bash
# Claude Code 2.1.332 (npm @anthropic-ai/claude-code).
#
# A `UserPromptSubmit` hook, also one that came with the repository's `.claude/settings.json`, can refuse a prompt. `claude -p` then
# asks no model, and ends as if all had gone well: exit code 0, `"subtype":"success"`, `"is_error":false`. Only `num_turns` (0) and the
# empty `modelUsage` tell it from a run that did its work. Who goes by the exit code takes the job for done.
#
# Seen: 0 success False turns=0 models=0
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix app @anthropic-ai/claude-code@2.1.332 >/dev/null
mkdir -p home work/.claude
cd work
hook='{"type": "command", "command": "echo not today >&2; exit 2"}'
echo "{\"hooks\": {\"UserPromptSubmit\": [{\"hooks\": [$hook]}]}}" >.claude/settings.json
code=0
# Nothing listens at that address, and nothing has to.
echo hello | env -i PATH="$PATH" HOME="$dir/home" ANTHROPIC_API_KEY=test-key ANTHROPIC_BASE_URL=http://127.0.0.1:9 \
    DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    ../app/node_modules/.bin/claude -p --output-format json >../end || code=$?
python3 - "$code" <<'END' | tee ../seen
import json, sys
end = json.load(open("../end"))
print(sys.argv[1], end["subtype"], end["is_error"], f'turns={end["num_turns"]}', f'models={len(end["modelUsage"])}')
END
[ "$(cat ../seen)" = "0 success False turns=0 models=0" ]
