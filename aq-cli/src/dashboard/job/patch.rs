//! A patch as git prints it, taken apart into files.

/// The longest line that is shown, in bytes.
const LINE: usize = 2_000;

/// The largest file that is compared line by line, in bytes. Git says of a larger one that it is
/// binary.
pub(super) const LARGEST: u64 = 16_000_000;

/// The changes of one file of a patch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FilePatch {
    /// As git writes it, with its quotes.
    pub(super) name: String,
    pub(super) what: &'static str,
    pub(super) added: usize,
    pub(super) removed: usize,
    /// Lines of one kind that follow one another.
    pub(super) blocks: Vec<PatchBlock>,
    /// Lines that are not in `blocks`.
    pub(super) left_out: usize,
    lines: usize,
}

/// Lines of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatchBlock {
    pub(super) kind: PatchLineKind,
    pub(super) text: String,
}

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchLineKind {
    Added,
    Removed,
    Same,
    /// Where in the file.
    Place,
    /// Said by git about the file.
    About,
}

impl PatchLineKind {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Same => "same",
            Self::Place => "place",
            Self::About => "about",
        }
    }
}

impl FilePatch {
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    fn push(&mut self, kind: PatchLineKind, line: &str, most: usize) {
        if self.lines >= most {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        if self.blocks.last().is_none_or(|block| block.kind != kind) {
            self.blocks.push(PatchBlock { kind, text: String::new() });
        }
        if let Some(block) = self.blocks.last_mut() {
            let shown = &line[..line.floor_char_boundary(LINE)];
            block.text.push_str(shown);
            if shown.len() < line.len() {
                block.text.push_str(&format!(" … {} more bytes", line.len() - shown.len()));
            }
            block.text.push('\n');
        }
    }
}

/// The files of a patch. Of each at most `of_each` lines are kept, and of all together `of_all`;
/// the counts are of all lines. What is inside a hunk is separated from what git says by the hunk's
/// own counts: a removed line can look like a head.
pub(super) fn files(patch: &str, of_each: usize, of_all: usize) -> Vec<FilePatch> {
    let mut found: Vec<FilePatch> = Vec::new();
    let mut left = of_all;
    // Lines of the old and the new file that the hunk still has.
    let (mut old, mut new) = (0_u64, 0_u64);
    for line in patch.split_terminator('\n') {
        if old == 0 && new == 0 && line.starts_with("diff --git ") {
            left = left.saturating_sub(found.last().map_or(0, FilePatch::lines));
            let name = name_of(line).to_owned();
            found.push(FilePatch { name, what: "changed", ..FilePatch::default() });
            continue;
        }
        let Some(file) = found.last_mut() else { continue };
        let most = of_each.min(left);
        if old > 0 || new > 0 {
            let kind = match line.as_bytes().first() {
                Some(b'+') => PatchLineKind::Added,
                Some(b'-') => PatchLineKind::Removed,
                // "No newline at end of file".
                Some(b'\\') => PatchLineKind::About,
                _ => PatchLineKind::Same,
            };
            file.added += usize::from(kind == PatchLineKind::Added);
            file.removed += usize::from(kind == PatchLineKind::Removed);
            old = old.saturating_sub(u64::from(matches!(
                kind,
                PatchLineKind::Removed | PatchLineKind::Same
            )));
            new = new.saturating_sub(u64::from(matches!(
                kind,
                PatchLineKind::Added | PatchLineKind::Same
            )));
            file.push(kind, line, most);
        } else if let Some(counts) = hunk(line) {
            (old, new) = counts;
            file.push(PatchLineKind::Place, line, most);
        } else {
            about(file, line, most);
        }
    }
    found
}

fn about(file: &mut FilePatch, line: &str, most: usize) {
    if let Some(name) = line.strip_prefix("+++ ").or_else(|| line.strip_prefix("--- ")) {
        // A name that the first line does not show clearly, because it has spaces.
        if name != "/dev/null" {
            file.name = without_side(name.trim_end_matches('\t')).to_owned();
        }
    } else if line.starts_with("new file") {
        file.what = "new";
    } else if line.starts_with("deleted file") {
        file.what = "deleted";
    } else if let Some(from) = line.strip_prefix("rename from ") {
        file.what = "renamed";
        file.push(PatchLineKind::About, &format!("renamed from {from}"), most);
    } else if let Some(to) = line.strip_prefix("rename to ") {
        file.name = to.to_owned();
    } else if line.starts_with("Binary files ") && line.ends_with(" differ") {
        file.push(PatchLineKind::About, "binary, or larger than 16 MB", most);
    } else if !line.starts_with("index ") {
        file.push(PatchLineKind::About, line, most);
    }
}

/// The name in `diff --git a/NAME b/NAME`: both are the same but for renames, which say it again.
fn name_of(line: &str) -> &str {
    let names = line.strip_prefix("diff --git ").unwrap_or(line);
    let half = names.len() / 2;
    let second = names.get(half + 1..).filter(|_| names.as_bytes().get(half) == Some(&b' '));
    without_side(second.unwrap_or(names))
}

/// A name without `a/` or `b/` before it.
fn without_side(name: &str) -> &str {
    let side =
        |name: &'_ str| name.strip_prefix("a/").or_else(|| name.strip_prefix("b/")).map(str::len);
    match side(name) {
        Some(length) => &name[name.len() - length..],
        None => name,
    }
}

/// The counts of `@@ -1,5 +1,7 @@`.
fn hunk(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("@@ ")?.split(' ');
    let mut count = |sign: char| {
        let place = words.next()?.strip_prefix(sign)?;
        place.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok())
    };
    Some((count('-')?, count('+')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "diff --git a/a b.txt b/a b.txt\nindex 1..2 100644\n--- a/a b.txt\t\n\
        +++ b/a b.txt\t\n\
        @@ -1,4 +1,3 @@ fn main\n same\n--- removed, and looks like a head\n\
        -diff --git a/x b/x\n same\n+++ added\n\
        @@ -9 +8 @@\n-x\n+y\n\\ No newline at end of file\n\
        diff --git a/new b/new\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/new\n\
        @@ -0,0 +1,2 @@\n+one\n+two\n\
        diff --git a/old b/moved\nsimilarity index 100%\nrename from old\nrename to moved\n\
        diff --git a/image b/image\nindex 1..2\nBinary files a/image and b/image differ\n\
        diff --git \"a/\\n<script>\" \"b/\\n<script>\"\ndeleted file mode 100644\n";

    #[test]
    fn a_patch_is_taken_apart() {
        let told: Vec<String> = files(PATCH, 100, 1_000)
            .iter()
            .map(|file| format!("{} {} +{} -{}", file.name, file.what, file.added, file.removed))
            .collect();
        assert_eq!(
            told,
            [
                "a b.txt changed +2 -3",
                "new new +2 -0",
                "moved renamed +0 -0",
                "image changed +0 -0",
                r#""b/\n<script>" deleted +0 -0"#,
            ]
        );
        let binary = &files(PATCH, 100, 1_000)[3].blocks[0];
        assert_eq!(binary.text, format!("binary, or larger than {} MB\n", LARGEST / 1_000_000));
        let kinds: Vec<&str> =
            files(PATCH, 100, 1_000)[0].blocks.iter().map(|block| block.kind.class()).collect();
        let want =
            ["place", "same", "removed", "same", "added", "place", "removed", "added", "about"];
        assert_eq!(kinds, want);
    }

    #[test]
    fn patch_is_bounded_but_counted_whole() {
        let found = files(PATCH, 2, 3);
        assert_eq!((found[0].lines(), found[0].left_out, found[0].added), (2, 8, 2));
        assert_eq!((found[1].lines(), found[1].added), (1, 2));
        assert_eq!(found[3].lines(), 0);
        let long = format!("diff --git a/x b/x\n@@ -0,0 +1 @@\n+{}\n", "é".repeat(1 << 20));
        assert!(files(&long, 9, 9)[0].blocks[1].text.len() < LINE + 100);
    }

    #[test]
    fn nonsense_is_no_patch() {
        assert!(files("", 9, 9).is_empty());
        assert!(files("+a\n-b\n@@ -1 +1 @@\n", 9, 9).is_empty());
        let cut = "diff --git a/x b/x\n@@ -1,9 +1,9 @@\n same\n";
        assert_eq!(files(cut, 9, 9).len(), 1);
        for odd in [
            "diff --git ",
            "diff --git é",
            "diff --git a/é b",
            "diff --git x\n@@ -1,x +1 @@\n@@ - + @@",
        ] {
            assert_eq!(files(odd, 9, 9).len(), 1, "{odd}");
        }
    }
}
