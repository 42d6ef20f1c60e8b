//! Chance that can be repeated: every random test takes its numbers from one seed, and prints it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that look random and are the same for the same seed (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// From 0 to one less than `sides`, which is at least 1.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    /// As [`Self::roll`], of something that is counted in memory. 0 when there is nothing.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len.max(1) as u64)).unwrap()
    }
}

/// The seed in `AQ_CHAOS_SEED`, or one of this moment. It is printed, so that it can be given.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
pub(crate) fn seed() -> u64 {
    let given = std::env::var("AQ_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_nanos() % 1_000_000_007).unwrap()
    });
    println!("AQ_CHAOS_SEED={seed} repeats this");
    seed
}
