#!/usr/bin/env bash
# gemini-cli 0.61.0 (npm @google/gemini-cli).
#
# `gemini -o stream-json` begins with an `init` event that names a `session_id`. When the first call to the model is refused, no such
# session is kept: `--resume` with that id ends with code 42, before anything is asked, and the message sends the reader to a list
# of sessions that is empty. A program that resumes a run which met a limit has to start afresh instead.
#
# Seen: exit 144 after a 400 for the key, then `gemini --resume ID` exits with 42 and says
#   Error resuming session: No previous sessions found for this project.
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
        error = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
        body = json.dumps({"error": error}).encode()
        self.send_response(400)
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
npm install --silent --no-audit --no-fund --prefix app @google/gemini-cli@0.61.0 >/dev/null
mkdir -p home/.gemini work
echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' >home/.gemini/settings.json
cd work
gemini() {
    echo hello | env -i PATH="$PATH" HOME="$dir/home" GEMINI_API_KEY=test-key GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:$port" \
        GEMINI_TELEMETRY_ENABLED=false GEMINI_CLI_TRUST_WORKSPACE=true \
        timeout 120 ../app/node_modules/.bin/gemini -o stream-json "$@"
}
code=0
gemini >../first 2>../said || code=$?
id=$(grep -o '"session_id":"[^"]*"' ../first | head -1 | cut -d'"' -f4)
[ -n "$id" ]
again=0
gemini --resume "$id" >../second 2>../said || again=$?
echo "$code $again"
cat ../second ../said | grep -o 'Error resuming session: No previous sessions found for this project.'
[ "$code $again" = "144 42" ]
