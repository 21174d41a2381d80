//! Random numbers from a counter: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011).
//!
//! What element `i` of a draw is depends on the seed, the offset and `i` alone: not on the level, the threads or strides.
//! Counters are taken [`COUNTERS`] at a time, which give four words each: word `k` of counter `j` is word
//! `COUNTERS * k + j` of the block, so that vectors store what they compute.
mod block;
mod draw;
#[cfg(test)]
mod tests;

pub use block::block;
pub use draw::{bits, dropout, normal, randint, uniform};

/// Counters a block; its words are four times as many.
pub const COUNTERS: usize = 16;
/// Words a block.
pub const WORDS: usize = 4 * COUNTERS;

/// How far a draw of `n` elements of any kind advances the offset.
pub fn counters_used(n: usize) -> u64 {
    // The kinds that need the most take two words an element.
    (n as u64).div_ceil(WORDS as u64 / 2).saturating_mul(COUNTERS as u64)
}
