//! The end of a text.

/// Keeps the last bytes of what is pushed, at least `SIZE` and at most twice as many.
#[derive(Debug, Default)]
pub(super) struct ByteTail<const SIZE: usize> {
    bytes: Vec<u8>,
}

impl<const SIZE: usize> ByteTail<SIZE> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(SIZE)..];
        // In steps, so that many short pieces do not each move the whole.
        if bytes.len() == SIZE {
            self.bytes.clear();
        } else if self.bytes.len() + bytes.len() > 2 * SIZE {
            self.bytes.drain(..self.bytes.len() - SIZE);
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::ByteTail;

    #[test]
    fn the_last_bytes_stay_in_bounded_memory() {
        for piece in [1, 3, 7, 8, 9, 40] {
            let (mut tail, mut all) = (ByteTail::<8>::default(), Vec::new());
            for round in 0..50_u8 {
                let piece = vec![b'a' + round % 26; piece];
                tail.push(&piece);
                all.extend_from_slice(&piece);
                assert!(tail.bytes.len() <= 16);
                assert!(all.ends_with(&tail.bytes) && tail.bytes.len() >= all.len().min(8));
            }
        }
    }
}
