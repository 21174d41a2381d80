//! The generator itself.
use super::{COUNTERS, WORDS};
use crate::simd::{IntVec, Simd, WordVec};

const MULTIPLY: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// The words of the counters `first..first + COUNTERS`; the high half of every counter is zero.
#[inline(always)]
pub fn block<S: Simd>(simd: S, seed: u64, first: u64) -> [u32; WORDS] {
    let mut words = [0u32; WORDS];
    let (mut low, mut high) = ([0u32; COUNTERS], [0u32; COUNTERS]);
    for j in 0..COUNTERS {
        let counter = first.wrapping_add(j as u64);
        (low[j], high[j]) = (counter as u32, (counter >> 32) as u32);
    }
    let lanes = <S::U32 as WordVec>::LANES;
    let mut j = 0;
    while j < COUNTERS {
        // SAFETY: the arrays hold COUNTERS words, a multiple of the lanes, and four times as many.
        unsafe {
            let c = [S::U32::load(simd, low.as_ptr().add(j)), S::U32::load(simd, high.as_ptr().add(j))];
            let zero = c[0].lit(0);
            let random = rounds::<S>([c[0], c[1], zero, zero], [seed as u32, (seed >> 32) as u32]);
            for (k, word) in random.into_iter().enumerate() {
                word.store(words.as_mut_ptr().add(k * COUNTERS + j));
            }
        }
        j += lanes;
    }
    words
}

/// Ten rounds.
#[inline(always)]
pub(super) fn rounds<S: Simd>(mut c: [S::U32; 4], mut key: [u32; 2]) -> [S::U32; 4] {
    for _ in 0..ROUNDS {
        let (high0, low0) = c[0].mul_wide(c[0].lit(MULTIPLY[0]));
        let (high1, low1) = c[2].mul_wide(c[2].lit(MULTIPLY[1]));
        c = [high1 ^ c[1] ^ c[1].lit(key[0].into()), low1, high0 ^ c[3] ^ c[3].lit(key[1].into()), low0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
}
