//! The server itself, asked as agents ask it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Answer, Fault, ModelServer, USAGE};

/// The paths of the four APIs, in one piece and streamed, and a call that offers a shell tool.
fn apis() -> [(&'static str, &'static str, Value); 4] {
    let schema = json!({
        "type": "object", "properties": { "command": { "type": "string" } },
        "required": ["command", "why"],
    });
    let shell = json!({ "name": "bash", "input_schema": schema, "parameters": schema });
    [
        ("/v1/messages", "/v1/messages", json!({ "tools": [shell] })),
        ("/v1/responses", "/v1/responses", json!({ "tools": [shell] })),
        (
            "/v1/chat/completions",
            "/v1/chat/completions",
            json!({ "tools": [{ "type": "function", "function": shell }] }),
        ),
        (
            "/v1beta/models/m:generateContent",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            json!({ "tools": [{ "functionDeclarations": [shell] }] }),
        ),
    ]
}

/// The status and the text of the answer to one request.
fn post(server: &ModelServer, path: &str, body: &Value) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
    (status, text.to_owned())
}

#[test]
fn every_api_speaks_and_runs_commands() {
    let server = ModelServer::start();
    for (whole, streamed, call) in apis() {
        for (path, stream) in [(whole, false), (streamed, true)] {
            let mut call = call.clone();
            call["stream"] = json!(stream);
            server.will([Answer::Say("good words"), Answer::Run("touch it".to_owned())]);
            for wanted in ["good words", "touch it"] {
                let (status, text) = post(&server, path, &call);
                assert_eq!(status, 200, "{path}");
                assert!(text.contains(wanted), "{path}: {text}");
                assert!(text.contains(&USAGE.input.to_string()), "{path}: {text}");
                assert!(text.contains(&USAGE.cached.to_string()), "{path}: {text}");
                assert_eq!(text.contains("data: {"), stream, "{path}: {text}");
            }
        }
    }
    server.assert_all_said();
    assert_eq!(server.calls().len(), 16);
}

#[test]
fn cut_stream_has_no_end() {
    let server = ModelServer::start();
    for (_, path, mut call) in apis() {
        call["stream"] = json!(true);
        server.will([Answer::Cut, Answer::HangUp]);
        let (status, text) = post(&server, path, &call);
        assert_eq!(status, 200);
        assert!(text.contains("so far"), "{path}: {text}");
        for end in ["message_stop", "response.completed", "[DONE]", "\"STOP\""] {
            assert!(!text.contains(end), "{path}: {text}");
        }
        assert_eq!(post(&server, path, &call), (0, String::new()));
    }
    server.assert_all_said();
}

#[test]
fn every_api_has_errors() {
    let server = ModelServer::start();
    let faults = [
        (Fault::WrongKey, [401, 401, 401, 400]),
        (Fault::TooMany { retry_after_s: 7 }, [429; 4]),
        (Fault::NoCredit, [400, 429, 429, 429]),
        (Fault::UsedUp { until: 1_800_000_000 }, [429; 4]),
        (Fault::Broken, [500; 4]),
        (Fault::Overloaded, [529, 503, 503, 503]),
        (Fault::TooLong, [400; 4]),
    ];
    for (fault, statuses) in faults {
        server.always(Answer::Fail(fault));
        for ((path, _, call), wanted) in apis().into_iter().zip(statuses) {
            let (status, text) = post(&server, path, &call);
            assert_eq!(status, wanted, "{fault:?} {path}");
            let body: Value = serde_json::from_str(&text).unwrap();
            assert!(body["error"]["message"].is_string(), "{text}");
        }
    }
}

#[test]
fn a_call_without_tools_takes_no_answer() {
    let server = ModelServer::start();
    server.will([Answer::Say("the work")]);
    for (path, _, call) in apis() {
        assert!(post(&server, path, &json!({})).1.contains("A title"), "{path}");
        if path.ends_with("/responses") {
            assert!(post(&server, path, &call).1.contains("the work"));
        }
    }
    server.assert_all_said();
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn what_it_does_not_know_is_a_surprise() {
    let server = ModelServer::start();
    server.tolerate(&["POST /known"]);
    assert_eq!(post(&server, "/known/path", &Value::Null).0, 404);
    assert_eq!(server.surprises(), [""; 0]);
    assert_eq!(post(&server, "/other", &Value::Null).0, 404);
    server.will([Answer::Say("unsaid")]);
    assert_eq!(server.surprises(), ["nobody asked for Say(\"unsaid\")", "POST /other"]);
    let (_, _, call) = &apis()[0];
    server.will([]);
    assert_eq!(post(&server, "/v1/messages", call).0, 200);
    assert_eq!(post(&server, "/v1/messages", call).0, 400);
    assert!(server.surprises()[1].starts_with("no answer for {"));
}
