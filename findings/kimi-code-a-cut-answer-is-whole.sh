#!/usr/bin/env bash
# kimi-code 2.1.0 (npm @moonshot-ai/kimi-code), on node 22 (npm node).
#
# When the connection to an OpenAI-compatible model ends in the middle of an answer, without a finish reason and without [DONE],
# `kimi -p` takes the piece for the whole: it is not tried again, the events are those of a good run, and the exit code is 0. Nothing
# in the output tells a cut answer from a short one.
#
# Seen: exit 0, `{"role":"assistant","content":"half a sen"}`, and the `session.resume_hint` that only a good run ends with.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$model" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
cat >model.py <<'END'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Model(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        first = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock-model",
                 "choices": [{"index": 0, "delta": {"role": "assistant", "content": "half a sen"}, "finish_reason": None}]}
        self.wfile.write(b"data: " + json.dumps(first).encode() + b"\n\n")
        self.wfile.flush()
        self.close_connection = True

server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
END
mkfifo port
python3 model.py >port &
model=$!
read -r port <port
npm install --silent --no-audit --no-fund --prefix app node@22 @moonshot-ai/kimi-code@2.1.0 >/dev/null
mkdir -p home/.kimi-code work
cat >home/.kimi-code/config.toml <<END
default_model = "mock"
[providers.mock]
type = "openai"
base_url = "http://127.0.0.1:$port/v1"
api_key = "test-key"
[models.mock]
provider = "mock"
model = "mock-model"
max_context_size = 100000
END
cd work
code=0
env -i PATH="$dir/app/node_modules/node/bin:$PATH" HOME="$dir/home" \
    timeout 120 ../app/node_modules/.bin/kimi --output-format stream-json --prompt=hello >../said </dev/null || code=$?
echo "exit $code"
grep -F '{"role":"assistant","content":"half a sen"}' ../said
grep -o '"type":"session.resume_hint"' ../said
[ "$code" = 0 ]
