#!/usr/bin/env bash
# pi 1.6.0 (npm @earendil-works/pi-coding-agent), on node 22 (npm node).
#
# The same run with the same refused key ends with 1 in `--mode text` and with 0 in `--mode json`. The events say what happened
# (`stopReason` is "error"), and the last one, `agent_settled`, is that of a good run. A program that reads JSON and trusts the exit code
# takes every failure for a success.
#
# Seen: `1 0` for text and json, and `"stopReason":"error"` in the events of the second.
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
        body = json.dumps({"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
END
mkfifo port
python3 model.py >port &
model=$!
read -r port <port
npm install --silent --no-audit --no-fund --prefix app node@22 @earendil-works/pi-coding-agent@1.6.0 >/dev/null
mkdir -p home/.pi/agent work
cat >home/.pi/agent/models.json <<END
{"providers": {"mock": {"baseUrl": "http://127.0.0.1:$port/v1", "api": "openai-completions", "apiKey": "test-key",
  "models": [{"id": "mock-model"}]}}}
END
cd work
pi() {
    echo hello | env -i PATH="$dir/app/node_modules/node/bin:$PATH" HOME="$dir/home" PI_OFFLINE=1 \
        timeout 120 ../app/node_modules/.bin/pi -p --model mock/mock-model --mode "$1"
}
text=0
pi text >../text 2>&1 || text=$?
json=0
pi json >../json 2>&1 || json=$?
echo "$text $json"
grep -o '"stopReason":"error"' ../json | head -1
grep -q '"type":"agent_settled","aborted":false' ../json
[ "$text $json" = "1 0" ]
