//! YAML text to a tree of values with their places. The only module that touches the YAML crate.
//!
//! The tree is built from parser events as they come, so a hostile file is refused at the event
//! that breaks a limit, before memory is spent on the rest.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_yaml::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span, StrInput};

use crate::Diagnostic;
use crate::boundary::boundary_before;
use crate::diagnostic::{Findings, quoted};

/// Values within values; the deepest known key has 3.
const MAX_DEPTH: usize = 16;

/// Values in one file, those repeated by aliases included. A full list of dependencies has 1,000.
const MAX_NODES: usize = 5_000;

/// Bytes of text in one file, those repeated by aliases included.
const MAX_TEXT: usize = 1 << 20;

/// One value of the file.
#[derive(Clone, Debug)]
pub(crate) struct YamlNode<'a> {
    pub(crate) value: YamlValue<'a>,
    /// Byte offsets in the whole file.
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum YamlValue<'a> {
    Scalar(YamlScalar<'a>),
    List(Vec<YamlNode<'a>>),
    /// Keys are unique.
    Map(Vec<(YamlNode<'a>, YamlNode<'a>)>),
}

#[derive(Clone, Debug)]
pub(crate) struct YamlScalar<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Neither in quotes nor a block: it may be a number, a boolean or nothing.
    pub(crate) plain: bool,
    /// Where the file has the text exactly so, without escapes or folding.
    pub(crate) verbatim_at: Option<usize>,
}

impl YamlNode<'_> {
    /// The text of a map's key; the tree has no other keys.
    pub(crate) fn key_text(&self) -> &str {
        match &self.value {
            YamlValue::Scalar(scalar) => &scalar.text,
            YamlValue::List(_) | YamlValue::Map(_) => "",
        }
    }
}

/// Reads one YAML document that starts at byte `base` of its file; `None` when it has no value.
/// Duplicate keys are reported and skipped, so that reading can go on.
///
/// # Errors
/// The first break of the syntax or of a limit.
pub(crate) fn read<'a>(
    text: &'a str,
    base: usize,
    findings: &mut Findings,
) -> Result<Option<YamlNode<'a>>, Diagnostic> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    // One more than ours, so that the message is ours.
    options.flow_nesting_limit = MAX_DEPTH + 1;
    options.block_nesting_limit = MAX_DEPTH + 1;
    let mut builder = TreeBuilder {
        events: Parser::new_from_str_with_options(text, options),
        text,
        base,
        nodes: 0,
        bytes: 0,
        anchors: HashMap::new(),
        findings,
    };
    builder.document()
}

/// Builds the tree and counts what it costs.
struct TreeBuilder<'a, 'f> {
    events: Parser<'a, StrInput<'a>>,
    text: &'a str,
    base: usize,
    nodes: usize,
    bytes: usize,
    anchors: HashMap<usize, YamlNode<'a>>,
    findings: &'f mut Findings,
}

type Place = Range<usize>;

impl<'a> TreeBuilder<'a, '_> {
    fn document(&mut self) -> Result<Option<YamlNode<'a>>, Diagnostic> {
        let mut root = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_none() => {}
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) => {
                    return Err(Diagnostic::error(place, "a second YAML document starts here")
                        .with_help("a file has one; remove the `...` or `---` before this"));
                }
                event => root = Some(self.node(event, place, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Diagnostic> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let place = self.place(&span);
                match event.tag() {
                    Some(tag) => {
                        let place = span.tag_span().map_or(place, |span| self.place(&span));
                        Err(refuse_tag(&tag.original(), place))
                    }
                    None => Ok((event, place)),
                }
            }
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                let at = boundary_before(self.text, at);
                // The parser blames the start of the text that runs into the character.
                let culprit = match error.kind() {
                    ErrorKind::TabInPlainScalar => Some('\t'),
                    ErrorKind::UnexpectedCharacter { character } => Some(*character),
                    _ => None,
                };
                let ahead = culprit.and_then(|c| self.text[at..].find(c)).unwrap_or(0);
                Err(syntax_error(error.kind(), self.base + at + ahead))
            }
            // The parser always ends with `StreamEnd`, after which nothing here asks for more.
            None => Ok((Event::StreamEnd, self.base..self.base)),
        }
    }

    fn place(&self, span: &Span) -> Place {
        let range = span.byte_range().unwrap_or(0..0);
        self.base + range.start..self.base + range.end.max(range.start)
    }

    fn node(
        &mut self,
        event: Event<'a>,
        place: Place,
        depth: usize,
    ) -> Result<YamlNode<'a>, Diagnostic> {
        if depth > MAX_DEPTH {
            return Err(too_deep(place));
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Scalar(text, style, ..) => self.scalar(text, style, place),
            Event::SequenceStart(..) => self.list(&place, depth)?,
            Event::MappingStart(..) => self.map(&place, depth)?,
            Event::Alias(id) => self.alias(id, place)?,
            _ => return Err(Diagnostic::error(place, "a value is expected here")),
        };
        self.charge(&node, &node.span)?;
        if let Some(id) = anchor {
            self.charge_copy(&node, &node.span)?;
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, text: Cow<'a, str>, style: ScalarStyle, place: Place) -> YamlNode<'a> {
        let quote =
            usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        let start = place.start + quote;
        let here = self.text.get(start - self.base..).unwrap_or_default();
        let verbatim_at = here.starts_with(&*text).then_some(start);
        let plain = style == ScalarStyle::Plain;
        YamlNode { value: YamlValue::Scalar(YamlScalar { text, plain, verbatim_at }), span: place }
    }

    fn list(&mut self, start: &Place, depth: usize) -> Result<YamlNode<'a>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(YamlNode {
                    value: YamlValue::List(items),
                    span: self.cover(start, &place),
                });
            }
            items.push(self.node(event, place, depth + 1)?);
        }
    }

    fn map(&mut self, start: &Place, depth: usize) -> Result<YamlNode<'a>, Diagnostic> {
        let mut entries = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                let entries = self.without_duplicates(entries);
                return Ok(YamlNode {
                    value: YamlValue::Map(entries),
                    span: self.cover(start, &place),
                });
            }
            let key = self.node(event, place, depth + 1)?;
            match &key.value {
                YamlValue::Scalar(YamlScalar { text, plain: true, .. }) if text == "<<" => {
                    return Err(Diagnostic::error(key.span, "merge keys (`<<`) are not supported")
                        .with_help("write the keys out, or put them into a profile"));
                }
                YamlValue::Scalar(_) => {}
                YamlValue::List(_) | YamlValue::Map(_) => {
                    return Err(Diagnostic::error(key.span, "a key must be plain text"));
                }
            }
            let (event, place) = self.next()?;
            entries.push((key, self.node(event, place, depth + 1)?));
        }
    }

    /// Reports keys that were there before, and keeps the first of each.
    fn without_duplicates(&mut self, entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
        let mut seen = HashSet::with_capacity(entries.len());
        let repeated: HashSet<usize> = entries
            .iter()
            .filter(|(key, _)| !seen.insert(key.key_text()))
            .map(|(key, _)| {
                let message = format!("the key {} is given twice", quoted(key.key_text()));
                let finding = Diagnostic::error(key.span.clone(), message);
                self.findings.push(finding.with_help("keep one of them"));
                key.span.start
            })
            .collect();
        entries.into_iter().filter(|(key, _)| !repeated.contains(&key.span.start)).collect()
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<YamlNode<'a>, Diagnostic> {
        // Taken out while it is paid for, which must come before it is copied.
        let Some(target) = self.anchors.remove(&id) else {
            return Err(Diagnostic::error(place, "the alias stands inside of what it repeats"));
        };
        self.charge_copy(&target, &place)?;
        let copy = target.value.clone();
        self.anchors.insert(id, target);
        Ok(YamlNode { value: copy, span: place })
    }

    /// Counts a copy of a whole tree, to be made at `place`.
    fn charge_copy(&mut self, node: &YamlNode<'a>, place: &Place) -> Result<(), Diagnostic> {
        self.charge(node, place)?;
        match &node.value {
            YamlValue::Scalar(_) => Ok(()),
            YamlValue::List(items) => {
                items.iter().try_for_each(|item| self.charge_copy(item, place))
            }
            YamlValue::Map(entries) => entries.iter().try_for_each(|(key, value)| {
                self.charge_copy(key, place)?;
                self.charge_copy(value, place)
            }),
        }
    }

    /// Counts one value against the limits of the file.
    fn charge(&mut self, node: &YamlNode<'a>, place: &Place) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if let YamlValue::Scalar(scalar) = &node.value {
            self.bytes += scalar.text.len();
            if scalar.text.contains('\0') {
                let message = "the text holds a NUL character";
                return Err(Diagnostic::error(place.clone(), message));
            }
        }
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values, repeats included");
            return Err(Diagnostic::error(place.clone(), message));
        }
        if self.bytes > MAX_TEXT {
            let message = format!("the text is longer than {MAX_TEXT} bytes, repeats included");
            return Err(Diagnostic::error(place.clone(), message));
        }
        Ok(())
    }

    /// From the start of a collection to its end, less the space behind it.
    fn cover(&self, start: &Place, end: &Place) -> Place {
        let (from, to) = (start.start - self.base, end.end - self.base);
        let len = self.text.get(from..to).map_or(0, |text| text.trim_end().len());
        start.start..start.start + len
    }
}

type Entry<'a> = (YamlNode<'a>, YamlNode<'a>);

/// A tag changes how a value is read, and in a requirement it is usually a forgotten quote.
fn refuse_tag(tag: &str, place: Place) -> Diagnostic {
    Diagnostic::error(place, format!("{} is a YAML tag; job files use none", quoted(tag)))
        .with_help("put text that starts with `!` in quotes")
}

/// The parser's error, and for what people often get wrong, what to write instead.
fn syntax_error(kind: &ErrorKind, at: usize) -> Diagnostic {
    let (message, help) = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabInIndentation => {
            ("a tab cannot indent YAML".to_owned(), "indent with spaces")
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("a quote is not closed".to_owned(), "end the text with the quote that it starts with")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("`{open}` is not closed"), "add the bracket that closes it")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a `:` cannot stand here".to_owned(),
            "put text that holds `: ` in quotes; if it starts a key, end the text, quote or \
             bracket that stands before it",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("this line has no `:`".to_owned(), "write `key: value`, with a space after the colon")
        }
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => (
            format!("the control character U+{:04X} cannot stand here", u32::from(*character)),
            "remove it",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("{} cannot start a value", quoted(character.encode_utf8(&mut [0; 4]))),
            "put the text in quotes",
        ),
        ErrorKind::UnknownAnchor => {
            ("the alias repeats nothing".to_owned(), "put text that starts with `*` in quotes")
        }
        ErrorKind::RecursionLimitExceeded => {
            return too_deep(at..at);
        }
        other => {
            return Diagnostic::error(at..at, format!("this is not YAML: {other}"));
        }
    };
    Diagnostic::error(at..at, message).with_help(help)
}

fn too_deep(place: Place) -> Diagnostic {
    Diagnostic::error(place, format!("values are nested more than {MAX_DEPTH} deep"))
}
