#!/usr/bin/env bash
# qwen-code 0.24.4 (npm @qwen-code/qwen-code), on node 22 (npm node).
#
# `qwen --output-format stream-json` prints events in the shape of Claude Code's, with the same names for numbers of usage, and two of
# them mean something else: `input_tokens` holds the cached ones, which Claude counts beside it, and the numbers of a `result` are
# those of all runs of the session once it is resumed. Read as Claude's, cached tokens are counted twice, and every further run
# counts the ones before again.
#
# Seen, with 1000 tokens of input, 200 of them cached, and 50 of output in each call: `"input_tokens":1000` beside
# `"cache_read_input_tokens":200` in a message; the second run's result has more than the first one's, though each made one turn.
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
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock-model"}
        said = {"index": 0, "delta": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
                 "prompt_tokens_details": {"cached_tokens": 200}}
        for event in ({**chunk, "choices": [said]}, {**chunk, "choices": [], "usage": usage}):
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
END
mkfifo port
python3 model.py >port &
model=$!
read -r port <port
npm install --silent --no-audit --no-fund --prefix app node@22 @qwen-code/qwen-code@0.24.4 >/dev/null
mkdir -p home work
cd work
qwen() {
    echo hello | env -i PATH="$dir/app/node_modules/node/bin:$PATH" HOME="$dir/home" OPENAI_API_KEY=test-key \
        OPENAI_BASE_URL="http://127.0.0.1:$port/v1" OPENAI_MODEL=mock-model \
        timeout 120 ../app/node_modules/.bin/qwen --output-format stream-json --yolo "$@"
}
qwen >../first 2>/dev/null
id=$(grep -o '"session_id":"[^"]*"' ../first | head -1 | cut -d'"' -f4)
qwen --resume "$id" >../second 2>/dev/null
grep '"type":"assistant"' ../first | grep -o '"input_tokens":1000,"output_tokens":50,"cache_read_input_tokens":200' | head -1
total() { grep '"type":"result"' "$1" | grep -o '"input_tokens":[0-9]*' | cut -d: -f2; }
first=$(total ../first)
second=$(total ../second)
echo "first $first, second $second"
[ "$second" -gt "$first" ]
