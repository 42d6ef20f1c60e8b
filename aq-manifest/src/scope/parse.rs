//! Reading a glob: its braces are written out, as a shell does it, and each of the results is read
//! part by part.

use std::iter::Peekable;
use std::str::Chars;

use super::pattern::{GlobPattern, PatternPart, PatternSymbol};

/// Braces can nest.
const MAX_BRACES: usize = 16;
/// So many globs may one with braces mean.
const MAX_PATTERNS: usize = 256;

/// The problem, and the text to write instead.
pub(super) type Mistake = (String, &'static str);

const UNCLOSED: &str =
    "close every `[` and `{`, and put `\\` before a character that is meant as it is";

/// Reads a glob.
pub(super) fn patterns(glob: &str) -> Result<Vec<GlobPattern>, Mistake> {
    if glob.matches('{').count() > MAX_BRACES {
        return Err((format!("has more than {MAX_BRACES} `{{`"), "write several globs"));
    }
    let mut reader = GlobReader { rest: glob.chars().peekable() };
    let mut patterns = Vec::new();
    for text in reader.alternatives(false)? {
        patterns.extend(pattern(&text)?);
    }
    if patterns.is_empty() {
        return Err(("matches no path".into(), "write `**` for everything"));
    }
    Ok(patterns)
}

/// A piece of a glob without braces.
#[derive(Clone, Debug)]
enum GlobToken {
    Slash,
    /// A character that has a `\` before it.
    Escaped(char),
    Symbol(PatternSymbol),
}

type TextKind = Vec<GlobToken>;

struct GlobReader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl GlobReader<'_> {
    /// Reads to the end, or inside of braces to the `,` or `}` that ends the alternative.
    fn alternatives(&mut self, inside: bool) -> Result<Vec<TextKind>, Mistake> {
        let mut texts = vec![TextKind::new()];
        loop {
            let token = match self.rest.peek() {
                None if inside => return Err(no_glob("a `{` is not closed")),
                None => return Ok(texts),
                Some('}' | ',') if inside => return Ok(texts),
                Some('}') => return Err(no_glob("a `}` closes nothing")),
                Some('{') => {
                    self.rest.next();
                    texts = joined(&texts, &self.group()?)?;
                    continue;
                }
                Some(_) => self.token()?,
            };
            texts.iter_mut().for_each(|text| text.push(token.clone()));
        }
    }

    /// Reads what is between braces.
    fn group(&mut self) -> Result<Vec<TextKind>, Mistake> {
        if self.rest.peek() == Some(&'}') {
            return Err(no_glob("there is nothing in `{}`"));
        }
        let mut texts = Vec::new();
        loop {
            texts.extend(self.alternatives(true)?);
            if texts.len() > MAX_PATTERNS {
                return Err(too_many());
            }
            if self.rest.next() == Some('}') {
                return Ok(texts);
            }
        }
    }

    fn token(&mut self) -> Result<GlobToken, Mistake> {
        let symbol = match self.rest.next() {
            Some('/') => return Ok(GlobToken::Slash),
            Some('\\') => {
                return match self.rest.next() {
                    None => Err(no_glob("it ends in `\\`")),
                    Some('/') => Ok(GlobToken::Slash),
                    Some(c) => Ok(GlobToken::Escaped(c)),
                };
            }
            Some('?') => PatternSymbol::Any,
            Some('*') => PatternSymbol::Star,
            Some('[') => self.class()?,
            Some(c) => PatternSymbol::Literal(c),
            None => return Err(no_glob("it ends too soon")),
        };
        Ok(GlobToken::Symbol(symbol))
    }

    /// Reads a class from behind its `[`. A `]` is one of its characters where it is the first.
    fn class(&mut self) -> Result<PatternSymbol, Mistake> {
        let negated = self.rest.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut ranges: Vec<(char, char)> = Vec::new();
        loop {
            let first = match self.class_character()? {
                (']', false) if !ranges.is_empty() => {
                    return Ok(PatternSymbol::Class { negated, ranges });
                }
                ('[', false) if self.rest.peek() == Some(&':') => {
                    let problem = no_glob("it has a class by name, `[:`").0;
                    return Err((problem, "write its characters, such as `[a-z]`"));
                }
                (c, _) => c,
            };
            let mut ahead = self.rest.clone();
            // A `-` at the end of the class is a character.
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            let last = if is_range {
                self.rest.next();
                self.class_character()?.0
            } else {
                first
            };
            if first > last {
                return Err((
                    no_glob(&format!("the range {first}-{last} is empty")).0,
                    "write the lower character first",
                ));
            }
            ranges.push((first, last));
        }
    }

    /// A character of a class, and whether it has a `\` before it.
    fn class_character(&mut self) -> Result<(char, bool), Mistake> {
        let (c, escaped) = match self.rest.next() {
            Some('\\') => (self.rest.next(), true),
            c => (c, false),
        };
        match c {
            None => Err(no_glob("a `[` is not closed")),
            Some('/') => Err((no_glob("a `/` is between `[` and `]`").0, UNCLOSED)),
            Some(c) => Ok((c, escaped)),
        }
    }
}

fn no_glob(why: &str) -> Mistake {
    (format!("is no glob: {why}"), UNCLOSED)
}

fn too_many() -> Mistake {
    (format!("stands for more than {MAX_PATTERNS} globs"), "write several globs")
}

/// Each text with each of the ends.
fn joined(texts: &[TextKind], ends: &[TextKind]) -> Result<Vec<TextKind>, Mistake> {
    if texts.len() * ends.len() > MAX_PATTERNS {
        return Err(too_many());
    }
    let with_ends = |text: &TextKind| {
        let text = text.clone();
        ends.iter().map(move |end| [text.as_slice(), end.as_slice()].concat())
    };
    Ok(texts.iter().flat_map(with_ends).collect())
}

/// Reads a glob whose braces are written out. `None`: it is empty, and no path is.
fn pattern(text: &TextKind) -> Result<Option<GlobPattern>, Mistake> {
    match text.first() {
        None => return Ok(None),
        Some(GlobToken::Slash | GlobToken::Symbol(PatternSymbol::Literal('~'))) => {
            return Err(leaves());
        }
        Some(GlobToken::Symbol(PatternSymbol::Literal('!'))) => {
            return Err((
                "starts with `!`, which excludes nothing here".into(),
                "list what is allowed; write `\\!` for a name that starts so",
            ));
        }
        Some(_) => {}
    }
    let mut parts = Vec::new();
    for tokens in text.split(|token| matches!(token, GlobToken::Slash)) {
        parts.extend(part(tokens)?);
    }
    // `dir/` is what is below it; `.` and `./` are the whole repository.
    if parts.is_empty() || matches!(text.last(), Some(GlobToken::Slash)) {
        parts.push(PatternPart::Tree);
    }
    Ok(Some(GlobPattern::new(parts)))
}

/// Reads what is between two `/`. `None`: it means the directory before it.
fn part(tokens: &[GlobToken]) -> Result<Option<PatternPart>, Mistake> {
    let symbols: Vec<PatternSymbol> = tokens
        .iter()
        .map(|token| match token {
            GlobToken::Symbol(symbol) => symbol.clone(),
            GlobToken::Escaped(c) => PatternSymbol::Literal(*c),
            GlobToken::Slash => PatternSymbol::Literal('/'),
        })
        .collect();
    match symbols.as_slice() {
        [] | [PatternSymbol::Literal('.')] => Ok(None),
        [PatternSymbol::Literal('.'), PatternSymbol::Literal('.')] => Err(leaves()),
        [PatternSymbol::Star, PatternSymbol::Star] => Ok(Some(PatternPart::Tree)),
        some if some
            .windows(2)
            .any(|two| matches!(two, [PatternSymbol::Star, PatternSymbol::Star])) =>
        {
            Err((
                "has a `**` beside other characters".into(),
                "write `*` for characters of one name; `**` stands alone between two `/`, as in \
             `**/*.rs`",
            ))
        }
        _ => Ok(Some(PatternPart::Name(symbols))),
    }
}

fn leaves() -> Mistake {
    ("leaves the repository".into(), "write a path relative to the repository's root")
}
