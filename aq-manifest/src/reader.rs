//! The means of reading any kind of value: shapes of values, and findings that name the key.

use std::time::Duration;

use crate::boundary::boundary_before;
use crate::diagnostic::{Findings, quoted};
use crate::suggest::{alternatives, nearest};
use crate::yaml::{YamlNode, YamlScalar, YamlValue};
use crate::{Diagnostic, Severity, parse_duration};

/// Reads values below one key.
pub(crate) struct ValueReader<'f> {
    key: &'f str,
    /// Messages do not repeat the value: it may be a secret, and messages are kept and passed on.
    secret: bool,
    findings: &'f mut Findings,
}

/// Shape of a value, by the core schema of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScalarShape {
    Nothing,
    Bool(bool),
    Number,
    /// Neither of those and not in quotes.
    Word,
    /// In quotes, or a block.
    Quoted,
    List,
    Map,
}

impl<'f> ValueReader<'f> {
    pub(crate) fn new(key: &'f str, findings: &'f mut Findings) -> Self {
        Self { key, secret: false, findings }
    }

    /// Reads values that may be secrets, below `key`.
    pub(crate) fn for_secrets<'r>(&'r mut self, key: &'r str) -> ValueReader<'r> {
        ValueReader { key, secret: true, findings: self.findings }
    }

    pub(crate) fn key(&self) -> &str {
        self.key
    }

    /// Text that YAML takes for text.
    pub(crate) fn text<'n>(&mut self, node: &'n YamlNode<'_>, expected: &str) -> Option<&'n str> {
        match (shape(node), &node.value) {
            (ScalarShape::Word | ScalarShape::Quoted, YamlValue::Scalar(scalar)) => {
                Some(&scalar.text)
            }
            (ScalarShape::Bool(_) | ScalarShape::Number, YamlValue::Scalar(scalar)) => {
                let help = format!("put it in quotes: \"{}\"", scalar.text);
                self.wrong_type(node, expected, Some(help));
                None
            }
            _ => {
                self.wrong_type(node, expected, None);
                None
            }
        }
    }

    /// Text, also where it looks like a number or a boolean: what is written is what is meant.
    pub(crate) fn any_scalar<'n>(
        &mut self,
        node: &'n YamlNode<'_>,
        expected: &str,
    ) -> Option<&'n str> {
        let text = self.scalar(node);
        if text.is_none() {
            self.wrong_type(node, expected, None);
        }
        text
    }

    pub(crate) fn scalar<'n>(&self, node: &'n YamlNode<'_>) -> Option<&'n str> {
        match &node.value {
            YamlValue::Scalar(scalar) if shape(node) != ScalarShape::Nothing => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a scalar that is in no quotes.
    pub(crate) fn plain<'n>(&self, node: &'n YamlNode<'_>) -> Option<&'n str> {
        match &node.value {
            YamlValue::Scalar(YamlScalar { text, plain: true, .. }) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self, node: &YamlNode<'_>) -> Option<bool> {
        match shape(node) {
            ScalarShape::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self, node: &YamlNode<'_>) -> Option<f64> {
        let number = (shape(node) == ScalarShape::Number)
            .then(|| self.plain(node)?.parse::<f64>().ok().filter(|n| n.is_finite()))
            .flatten();
        if number.is_none() {
            self.wrong_type(node, "a number", None);
        }
        number
    }

    pub(crate) fn duration(&mut self, node: &YamlNode<'_>) -> Option<Duration> {
        let text = self.any_scalar(node, "a duration such as `45m`")?;
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let help = "write a duration such as `90s`, `45m`, `2h`, `1d` or `1h30m`";
                self.error_within(node, error.at, error.problem(), help);
                None
            }
        }
    }

    /// The values of the named fields of a map; others are warned about.
    pub(crate) fn fields<'n, 't, const N: usize>(
        &mut self,
        node: &'n YamlNode<'t>,
        names: [&str; N],
        help: &str,
    ) -> Option<[Option<&'n YamlNode<'t>>; N]> {
        let YamlValue::Map(entries) = &node.value else {
            self.wrong_type(node, "a map", Some(help.into()));
            return None;
        };
        let mut fields = [None; N];
        for (key, value) in entries {
            match names.iter().position(|&name| name == key.key_text()) {
                Some(n) => fields[n] = Some(value),
                None => self.unknown_key(key, &names, None),
            }
        }
        Some(fields)
    }

    /// Checks that the text is one line that is neither empty nor too long.
    pub(crate) fn check_line(&mut self, node: &YamlNode<'_>, text: &str, most: usize) -> bool {
        if text.trim().is_empty() {
            self.error(node, "is empty", Some("give a value or remove it".into()));
            return false;
        }
        if let Some(at) = text.find(char::is_control) {
            self.error_within(node, at, "holds a control character", "write it on one line");
            return false;
        }
        self.check_length(node, text, most)
    }

    pub(crate) fn check_length(&mut self, node: &YamlNode<'_>, text: &str, most: usize) -> bool {
        if text.len() > most {
            self.error(node, &format!("has {} bytes, at most {most}", text.len()), None);
        }
        text.len() <= most
    }

    pub(crate) fn wrong_type(&mut self, node: &YamlNode<'_>, expected: &str, help: Option<String>) {
        let found = match (shape(node), &node.value) {
            (ScalarShape::Nothing, _) => "nothing".to_owned(),
            (ScalarShape::Bool(_), _) => "a boolean".to_owned(),
            (ScalarShape::Word | ScalarShape::Number, _) if self.secret => "text".to_owned(),
            (ScalarShape::Word, YamlValue::Scalar(scalar)) => quoted(&scalar.text),
            (ScalarShape::Number, YamlValue::Scalar(scalar)) => {
                format!("the number {}", quoted(&scalar.text))
            }
            (ScalarShape::List, _) => "a list".to_owned(),
            (ScalarShape::Map, _) => "a map".to_owned(),
            _ => "text in quotes".to_owned(),
        };
        let help = match shape(node) {
            ScalarShape::Nothing => Some("give a value or remove the key".to_owned()),
            _ => help,
        };
        let message = format!("`{}`: expected {expected}, found {found}", self.key);
        self.push(Severity::Error, node, message, help);
    }

    pub(crate) fn unknown_word<'w>(
        &mut self,
        node: &YamlNode<'_>,
        text: &str,
        what: &str,
        words: impl Iterator<Item = &'w str> + Clone,
    ) {
        let help = match nearest(text, words.clone()) {
            Some(word) => format!("did you mean `{word}`? It can be {}", alternatives(words)),
            None => format!("write {}", alternatives(words)),
        };
        let message = format!("`{}`: {} is not a known {what}", self.key, quoted(text));
        self.push(Severity::Error, node, message, Some(help));
    }

    /// Warns about a key that nothing reads; `meant` is what it is called here, where that is
    /// known.
    pub(crate) fn unknown_key(&mut self, key: &YamlNode<'_>, known: &[&str], meant: Option<&str>) {
        if self.findings.is_full(Severity::Warning) {
            return;
        }
        let name = key.key_text();
        let place = if self.key.is_empty() { String::new() } else { format!("`{}`: ", self.key) };
        let near = meant.or_else(|| nearest(name, known.iter().copied()));
        let help = match near {
            Some(known) => format!("did you mean `{known}`?"),
            None if known.len() <= 4 => {
                format!("it can hold {}", alternatives(known.iter().copied()))
            }
            None => "it has no effect; the JSON Schema lists the known keys".to_owned(),
        };
        let message = format!("{place}unknown key {}", quoted(name));
        self.push(Severity::Warning, key, message, Some(help));
    }

    pub(crate) fn error(&mut self, node: &YamlNode<'_>, problem: &str, help: Option<String>) {
        self.push(Severity::Error, node, self.about(node, problem), help);
    }

    pub(crate) fn warning(&mut self, node: &YamlNode<'_>, problem: &str, help: Option<String>) {
        self.push(Severity::Warning, node, self.about(node, problem), help);
    }

    /// An error at the byte `at` of a scalar's text.
    pub(crate) fn error_within(
        &mut self,
        node: &YamlNode<'_>,
        at: usize,
        problem: &str,
        help: &str,
    ) {
        let span = match &node.value {
            YamlValue::Scalar(YamlScalar { text, verbatim_at: Some(start), .. }) => {
                let at = boundary_before(text, at);
                let len = text[at..].chars().next().map_or(0, char::len_utf8);
                start + at..start + at + len
            }
            _ => node.span.clone(),
        };
        let message = match self.scalar(node) {
            Some(text) => format!("`{}`: in {}: {problem}", self.key, quoted(text)),
            None => format!("`{}`: {problem}", self.key),
        };
        self.findings.push(Diagnostic::error(span, message).with_help(help));
    }

    /// "`key`: `value` is ...", or without the value where it has no short form.
    fn about(&self, node: &YamlNode<'_>, problem: &str) -> String {
        let subject = match &node.value {
            YamlValue::Scalar(_) if self.secret => "the value".to_owned(),
            YamlValue::Scalar(scalar) if scalar.text.is_empty() => "the text".to_owned(),
            YamlValue::Scalar(scalar) => quoted(&scalar.text),
            YamlValue::List(_) => "the list".to_owned(),
            YamlValue::Map(_) => "the map".to_owned(),
        };
        format!("`{}`: {subject} {problem}", self.key)
    }

    fn push(
        &mut self,
        severity: Severity,
        node: &YamlNode<'_>,
        message: String,
        help: Option<String>,
    ) {
        self.findings.push(Diagnostic { severity, message, span: node.span.clone(), help });
    }
}

fn shape(node: &YamlNode<'_>) -> ScalarShape {
    match &node.value {
        YamlValue::List(_) => ScalarShape::List,
        YamlValue::Map(_) => ScalarShape::Map,
        YamlValue::Scalar(scalar) if !scalar.plain => ScalarShape::Quoted,
        YamlValue::Scalar(scalar) => match &*scalar.text {
            "" | "~" | "null" | "Null" | "NULL" => ScalarShape::Nothing,
            "true" | "True" | "TRUE" => ScalarShape::Bool(true),
            "false" | "False" | "FALSE" => ScalarShape::Bool(false),
            text if is_number(text) => ScalarShape::Number,
            _ => ScalarShape::Word,
        },
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let based = |prefix, radix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.parse::<f64>().is_ok();
    let special = matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    decimal || special || based("0x", 16) || based("0o", 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_have_the_types_of_the_core_schema() {
        for number in ["0", "-1", "+12", "1.5", ".5", "1.", "1e3", "0x1F", "0o17", "-.inf", ".NaN"]
        {
            assert!(is_number(number), "{number}");
        }
        for text in ["", "-", ".", "1_000", "1h", "0x", "inf", "nan", "0o8", "1.2.3", "e3", "..1"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
