#!/usr/bin/env bash
# Claude Code 2.1.276 and 2.1.277 (npm @anthropic-ai/claude-code).
#
# `claude -p --output-format json` ends with `total_cost_usd`, `modelUsage` and `usage`. After `--resume` all three were of this run up
# to 2.1.276. Since 2.1.277 the first two are of the whole session and `usage` is still of this run, under the same names, with nothing
# in the output that says so. Who adds up the runs of a session counts the first one again with each further run.
#
# Seen, for two runs with one call of the same size each:
#   2.1.276 first 1000 0.0045, resumed 1000 0.0045
#   2.1.277 first 1000 0.0045, resumed 2000 0.0090
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$model" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
# A model that says "hi" for 1000 tokens in and 100 out.
cat >model.py <<'END'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer("text/plain", "")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        usage = {"input_tokens": 1000, "output_tokens": 100}
        message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [], "usage": usage}
        text = {"type": "text", "text": ""}
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": text},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 100}},
            {"type": "message_stop"},
        ]
        self.answer("text/event-stream", "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events))

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
END
mkfifo port
python3 model.py >port &
model=$!
read -r port <port
for version in 2.1.276 2.1.277; do
    mkdir -p $version/home
    npm install --silent --no-audit --no-fund --prefix $version @anthropic-ai/claude-code@$version >/dev/null
    claude() {
        echo hello | env -i PATH="$PATH" HOME="$dir/$version/home" ANTHROPIC_API_KEY=test-key DISABLE_AUTOUPDATER=1 \
            ANTHROPIC_BASE_URL="http://127.0.0.1:$port" CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
            $version/node_modules/.bin/claude -p --output-format json --model claude-sonnet-4-5 "$@"
    }
    claude >first
    claude --resume "$(python3 -c 'import json; print(json.load(open("first"))["session_id"])')" >resumed
    python3 - $version <<'END'
import json, sys
def said(name):
    end = json.load(open(name))
    return f'{name} {sum(m["inputTokens"] for m in end["modelUsage"].values())} {end["total_cost_usd"]:.4f}'
print(sys.argv[1], said("first") + ",", said("resumed"))
END
done | tee seen
diff seen - <<'END'
2.1.276 first 1000 0.0045, resumed 1000 0.0045
2.1.277 first 1000 0.0045, resumed 2000 0.0090
END
