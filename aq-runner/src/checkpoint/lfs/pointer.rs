//! The text that is in a commit in the place of a large file. Anybody can have written it.

/// Pointers have fewer bytes than this.
pub(super) const MAX_POINTER: usize = 1024;
/// First lines of pointers: that of today, and two older ones.
const VERSIONS: [&str; 3] = [
    "version https://git-lfs.github.com/spec/v1",
    "version https://hawser.github.com/spec/v1",
    "version http://git-media.io/v/2",
];
const DIGITS: usize = 64;

/// The name and the size of a content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LfsPointer {
    oid: String,
    size: u64,
}

impl LfsPointer {
    /// Reads the text of a file; `None` when it is no pointer.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_POINTER {
            return None;
        }
        let mut lines = str::from_utf8(text).ok()?.trim().lines();
        let version = lines.next()?;
        let mut lines = lines.skip_while(|line| line.starts_with("ext-"));
        let oid = lines.next()?.strip_prefix("oid sha256:")?;
        let size = lines.next()?.strip_prefix("size ")?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_whole = VERSIONS.contains(&version)
            && oid.len() == DIGITS
            && oid.bytes().all(is_digit)
            && size.bytes().all(|byte| byte.is_ascii_digit())
            && lines.next().is_none();
        let size = size.parse().ok()?;
        is_whole.then(|| Self { oid: oid.to_owned(), size })
    }

    /// The SHA-256 of the content: 64 digits in lower case.
    pub(super) fn oid(&self) -> &str {
        &self.oid
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";

    fn text(oid: &str, size: &str) -> String {
        format!("{}\noid sha256:{oid}\nsize {size}\n", VERSIONS[0])
    }

    #[test]
    fn pointers_are_told_from_other_texts() {
        let pointer = LfsPointer::parse(text(OID, "4").as_bytes()).unwrap();
        assert_eq!((pointer.oid(), pointer.size()), (OID, 4));
        let extended = text(OID, "4").replace("oid", &format!("ext-0-foo sha256:{OID}\noid"));
        assert_eq!(LfsPointer::parse(extended.as_bytes()), Some(pointer.clone()));
        assert_eq!(LfsPointer::parse(text(OID, "4").trim_end().as_bytes()), Some(pointer));
        for bad in [
            String::new(),
            VERSIONS[0].to_owned(),
            text(&OID.to_uppercase(), "4"),
            text(&OID[1..], "4"),
            text("../../../../../../../../../../../../../../../../../../../../../etc", "4"),
            text(OID, "-4"),
            text(OID, "+4"),
            text(OID, ""),
            text(OID, "99999999999999999999999"),
            text(OID, "4") + "more 1\n",
            text(OID, "4").replace("spec/v1", "spec/v9"),
            text(OID, "4") + &" ".repeat(MAX_POINTER),
        ] {
            assert_eq!(LfsPointer::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(LfsPointer::parse(b"\xff\xfe"), None);
    }
}
