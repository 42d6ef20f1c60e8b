//! An answer with a long list, which is written by several threads, each into a buffer of its own.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Map, Serializer, Value};

/// The beginning of a line within one object or list, and within two.
const FIRST: &[u8] = b"\n  ";
const SECOND: &[u8] = b"\n    ";

/// Appends a value that is so deep in others, as [`serde_json::to_writer_pretty`] prints it there.
fn write_at(depth: usize, value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut formatter = PrettyFormatter::new();
    for _ in 0..depth {
        formatter.begin_array(&mut io::sink())?;
    }
    value.serialize(&mut Serializer::with_formatter(out, formatter))?;
    Ok(())
}

/// Appends an item of the list to those that are there.
pub(super) fn write_item(value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(SECOND);
    write_at(2, value, out)
}

/// Writes an object whose key `list` has the items of these pieces, in their order.
pub(super) fn write_object(
    object: &Map<String, Value>,
    list: &str,
    pieces: &[Vec<u8>],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut part = Vec::new();
    for (at, (key, value)) in object.iter().enumerate() {
        part.push(if at == 0 { b'{' } else { b',' });
        part.extend_from_slice(FIRST);
        serde_json::to_writer(&mut part, key)?;
        part.extend_from_slice(b": ");
        if key == list {
            out.write_all(&part)?;
            write_list(pieces, out)?;
            part.clear();
        } else {
            write_at(1, value, &mut part)?;
        }
    }
    part.extend_from_slice(b"\n}\n");
    out.write_all(&part)
}

fn write_list(pieces: &[Vec<u8>], out: &mut impl Write) -> io::Result<()> {
    let mut mark: &[u8] = b"[";
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        out.write_all(mark)?;
        out.write_all(piece)?;
        mark = b",";
    }
    match mark {
        b"[" => out.write_all(b"[]"),
        _ => out.write_all(&[FIRST, b"]"].concat()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The same answer in pieces and as a whole.
    #[test]
    fn pieces_print_as_a_whole() {
        let items =
            [json!({ "a": [], "b": { "c": [1, {}] } }), json!(null), json!([[2]]), json!(3)];
        for sizes in [&[][..], &[0, 0], &[1], &[1, 3], &[2, 0, 2]] {
            let mut left = items.iter();
            let mut pieces = Vec::new();
            let mut all = Vec::new();
            for &size in sizes {
                let mut piece = Vec::new();
                for item in left.by_ref().take(size) {
                    write_item(item, &mut piece).unwrap();
                    all.push(item.clone());
                }
                pieces.push(piece);
            }
            let answer = json!({ "a\"": { "x": [1] }, "list": all, "z": true });
            let mut out = Vec::new();
            write_object(answer.as_object().unwrap(), "list", &pieces, &mut out).unwrap();
            let whole = serde_json::to_string_pretty(&answer).unwrap() + "\n";
            assert_eq!(String::from_utf8(out).unwrap(), whole);
        }
    }
}
