//! `feedback-template` of a profile: text with placeholders.

use crate::kinds::{TextKind, ValueKind};
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// Text that explains to a further attempt why the last one failed.
///
/// `{class}`, `{attempt}`, `{exit}` and `{output}` mean what is known of that. `{{` and `}}`
/// are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackTemplate {
    pieces: Vec<TemplatePiece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePiece {
    Text(String),
    Placeholder(String),
}

/// A placeholder that does not exist, or a brace that opens or closes none.
struct TemplateFault {
    at: usize,
    problem: String,
}

impl FeedbackTemplate {
    /// Names of the placeholders, without their braces.
    pub const PLACEHOLDERS: [&str; 4] = ["class", "attempt", "exit", "output"];

    /// Reads the value of the key; faults are reported at their place.
    pub(crate) fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<Self> {
        let text = TextKind::read(node, reader)?;
        match Self::parse(&text) {
            Ok(template) => Some(template),
            Err(TemplateFault { at, problem }) => {
                let help = "the placeholders are {class}, {attempt}, {exit} and {output}; \
                            write {{ and }} for braces";
                reader.error_within(node, at, &problem, help);
                None
            }
        }
    }

    /// The text with each placeholder replaced, once: braces in a value stay as they are.
    pub fn render(&self, value: impl Fn(&str) -> String) -> String {
        let piece = |piece: &TemplatePiece| match piece {
            TemplatePiece::Text(text) => text.clone(),
            TemplatePiece::Placeholder(name) => value(name),
        };
        self.pieces.iter().map(piece).collect()
    }

    fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            plain += &text[at..at + found];
            at += found;
            let brace = &text[at..=at];
            if text[at + 1..].starts_with(brace) {
                plain += brace;
                at += 2;
                continue;
            }
            let rest = &text[at + 1..];
            let end = rest.find('}').filter(|_| brace == "{");
            let Some(end) = end else {
                return Err(TemplateFault { at, problem: format!("this `{brace}` stands alone") });
            };
            let name = &rest[..end];
            if !Self::PLACEHOLDERS.contains(&name) {
                let name: String = name.chars().take(40).collect();
                let problem = format!("there is no placeholder {{{name}}}");
                return Err(TemplateFault { at, problem });
            }
            pieces.push(TemplatePiece::Text(std::mem::take(&mut plain)));
            pieces.push(TemplatePiece::Placeholder(name.to_owned()));
            at += end + 2;
        }
        plain += &text[at..];
        pieces.push(TemplatePiece::Text(plain));
        Ok(Self { pieces })
    }
}

#[cfg(test)]
mod tests {
    use crate::parse_profile;

    #[test]
    fn placeholders_are_replaced_once() {
        let source = "feedback-template: \"{{x}} {class} {output}!\"\n";
        let parsed = parse_profile("p", source);
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        let template = parsed.profile.feedback_template.unwrap();
        let value = |name: &str| format!("<{name} {{class}}>");
        assert_eq!(template.render(value), "{x} <class {class}> <output {class}>!");
    }

    #[test]
    fn bad_placeholders_are_named_with_their_place() {
        for (text, at, problem) in [
            ("a {klass}", 2, "there is no placeholder {klass}"),
            ("a {class", 2, "this `{` stands alone"),
            ("ab} {class}", 2, "this `}` stands alone"),
            ("é {}", 3, "there is no placeholder {}"),
        ] {
            let source = format!("feedback-template: {text:?}\n").replace("\\u{e9}", "é");
            let parsed = parse_profile("p", &source);
            let [found] = &parsed.diagnostics[..] else { panic!("{:?}", parsed.diagnostics) };
            assert!(found.message.contains(problem), "{}", found.message);
            assert_eq!(found.span.start, "feedback-template: \"".len() + at, "{text}");
        }
    }
}
