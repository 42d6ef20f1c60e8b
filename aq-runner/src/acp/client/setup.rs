//! The way to the prompt: capabilities, a session, a model and a mode.

use serde_json::{Value, json};

use super::super::choice::{ChoiceKind, SessionChoice};
use super::super::event::{self, clip, title};
use super::super::failure::CallFailure;
use super::{AcpClient, ClientStage, SessionOpening, VERSION};

impl AcpClient {
    pub(super) fn initialized(&mut self, answer: &Value) {
        let version = &answer["protocolVersion"];
        if version != &json!(VERSION) {
            let version: String = version.to_string().chars().take(50).collect();
            return self.fail(&format!(
                "invalid settings: it speaks version {version} of the Agent Client Protocol, and \
                 aq version {VERSION}; install another version of it"
            ));
        }
        self.capabilities = answer["agentCapabilities"].clone();
        self.auth_methods = answer["authMethods"].clone();
        let info = &answer["agentInfo"];
        title(&info["name"]).clone_into(&mut self.agent);
        if !self.agent.is_empty() {
            self.print(event::agent(&self.agent, title(&info["version"])));
        }
        let Some(session) = self.run.session.clone() else { return self.open(SessionOpening::New) };
        // A resumed session comes without its history, which is of no use here.
        if self.capabilities["sessionCapabilities"]["resume"].is_object() {
            self.open(SessionOpening::Resume);
        } else if self.can_load() {
            self.open(SessionOpening::Load);
        } else {
            self.session_gone(&format!(
                "it cannot go on with a session, and has none of {session}"
            ));
        }
    }

    fn can_load(&self) -> bool {
        self.capabilities["loadSession"] == true
    }

    fn open(&mut self, opening: SessionOpening) {
        let mut params = json!({"cwd": self.run.cwd, "mcpServers": []});
        if opening != SessionOpening::New {
            params["sessionId"] = self.run.session.clone().into();
        }
        self.call(ClientStage::Opening(opening), opening.method(), &params);
    }

    pub(super) fn opened(&mut self, opening: SessionOpening, answer: &Value) {
        let id = match opening {
            SessionOpening::New => answer["sessionId"].as_str(),
            SessionOpening::Resume | SessionOpening::Load => self.run.session.as_deref(),
        };
        let Some(id) = id.filter(|id| !id.is_empty()).map(str::to_owned) else {
            return self.fail("it opened a session without an id");
        };
        self.print(event::session(&id));
        self.session = id;
        // The last one first: a model can bring modes of its own along.
        self.choices = [ChoiceKind::Mode, ChoiceKind::Model]
            .map(|kind| (kind, SessionChoice::of(answer, kind)))
            .into();
        if opening == SessionOpening::Load {
            return self.enter(ClientStage::Replaying);
        }
        self.choose();
    }

    pub(super) fn not_opened(&mut self, opening: SessionOpening, mut failure: CallFailure) {
        const METHOD_NOT_FOUND: i64 = -32601;
        if opening == SessionOpening::Resume
            && failure.code == Some(METHOD_NOT_FOUND)
            && self.can_load()
        {
            return self.open(SessionOpening::Load);
        }
        if opening != SessionOpening::New && failure.lacks_session() {
            return self.session_gone(&failure.text);
        }
        if let (Some(401), Some(ways)) = (failure.status, self.ways_to_sign_in()) {
            failure.text = format!("{}; ways to sign in that it names: {ways}", failure.text);
        }
        self.fail_with(&failure);
    }

    fn ways_to_sign_in(&self) -> Option<String> {
        let method = |method: &Value| {
            let (name, about) = (title(&method["name"]), title(&method["description"]));
            match (name.is_empty(), about.is_empty()) {
                (false, false) => Some(format!("{name} ({about})")),
                (false, true) => Some(name.to_owned()),
                (true, _) => None,
            }
        };
        let methods = self.auth_methods.as_array()?.iter().take(10);
        let names: Vec<String> = methods.filter_map(method).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn session_gone(&mut self, reason: &str) {
        self.print(event::session_gone(reason));
        self.finish(event::result(false, None, Some(reason)), false);
    }

    /// Makes the choices that are left, and goes on to the prompt.
    pub(super) fn choose(&mut self) {
        while let Some((kind, choice)) = self.choices.pop() {
            let wanted = match kind {
                ChoiceKind::Model => self.run.model.clone(),
                ChoiceKind::Mode => self.run.mode.clone(),
            };
            let id = match (&choice, &wanted) {
                (None, None) => continue,
                (Some(choice), None) => choice.current.clone(),
                (Some(choice), Some(wanted)) => match choice.find(wanted) {
                    Some(id) => Some(id.to_owned()),
                    None => return self.not_offered(choice, wanted),
                },
                (None, Some(_)) if kind == ChoiceKind::Mode => {
                    return self.fail("invalid settings: it offers no modes of its sessions");
                }
                (None, Some(_)) => {
                    self.print(event::note(
                        "the agent offers no choice of models over the protocol, and runs with its \
                         own; `model-args` of the engine can pass one on its command line",
                    ));
                    continue;
                }
            };
            let (Some(choice), Some(id)) = (choice, id) else { continue };
            if let Some(model) = choice.recorded(&id).filter(|_| kind == ChoiceKind::Model) {
                self.print(event::model(model));
            }
            if wanted.is_some() && choice.current.as_deref() != Some(&id) {
                let call = choice.call(&self.session, &id);
                return self.call(ClientStage::Choosing(kind), call.method, &call.params);
            }
        }
        self.prompt();
    }

    fn not_offered(&mut self, choice: &SessionChoice, wanted: &str) {
        let (kind, wanted) = (choice.kind.name(), clip(wanted, 200));
        let text =
            format!("invalid settings: {kind} not found: it has no {kind} {wanted}; it has ");
        self.fail(&(text + &choice.listed()));
    }
}
