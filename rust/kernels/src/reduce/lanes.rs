//! The tree every reduction follows, whatever the strides, the level and the threads.
//!
//! Elements, in logical order, are cut into blocks of [`SUPER`], those into chunks of [`CHUNK`]. Within a chunk, element
//! `i` goes to lane `i % LANES`, each lane in order. Lanes of the chunks are combined chunk after chunk; at the end of a
//! block its lanes are combined in halves. Blocks are combined in neighbouring pairs, and those again. Plain arrays hold the lanes: the compiler makes
//! them the level's vectors, and no operation may be reordered.
// The loops over lanes read better with the lane's number.
#![allow(clippy::needless_range_loop)]
use super::ops::{Accum, ReduceElem, Reduction};
use crate::simd::{Kernel, Simd};

/// Virtual lanes.
pub(super) const LANES: usize = 16;
/// Elements a chunk.
pub(super) const CHUNK: usize = 512;
/// Elements a block: what one thread does at once.
pub(super) const SUPER: usize = 64 * CHUNK;

/// The lanes of a block.
pub(super) type Lanes<A> = [A; LANES];

#[inline(always)]
fn merge<A: Accum, R: Reduction, const C: usize>(r: R, into: &mut [A; C], from: &[A; C]) {
    for i in 0..C {
        into[i] = r.combine(into[i], from[i]);
    }
}

/// Lanes combined in halves.
#[inline(always)]
pub(super) fn finish<A: Accum, R: Reduction>(r: R, mut lanes: Lanes<A>) -> A {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = r.combine(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Takes `n` contiguous elements into the lanes of a block; they begin a chunk.
pub(super) struct Row<'a, T: ReduceElem, R> {
    pub r: R,
    pub x: *const T,
    pub n: usize,
    pub lanes: &'a mut Lanes<T::Acc>,
}

impl<T: ReduceElem, R: Reduction> Kernel for Row<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { r, mut x, mut n, lanes } = self;
        let identity: T::Acc = r.identity();
        let mut totals = *lanes;
        // SAFETY: n elements lie at x.
        unsafe {
            // Four chunks abreast hide the latency of the operation.
            while n >= 4 * CHUNK {
                let mut acc = [[identity; LANES]; 4];
                for step in 0..CHUNK / LANES {
                    for (k, acc) in acc.iter_mut().enumerate() {
                        let at = x.add(k * CHUNK + step * LANES);
                        for l in 0..LANES {
                            acc[l] = r.combine(acc[l], (*at.add(l)).widen());
                        }
                    }
                }
                for acc in &acc {
                    merge(r, &mut totals, acc);
                }
                (x, n) = (x.add(4 * CHUNK), n - 4 * CHUNK);
            }
            while n > 0 {
                let len = n.min(CHUNK);
                let mut acc = [identity; LANES];
                for step in 0..len / LANES {
                    let at = x.add(step * LANES);
                    for l in 0..LANES {
                        acc[l] = r.combine(acc[l], (*at.add(l)).widen());
                    }
                }
                let whole = len / LANES * LANES;
                for l in 0..len - whole {
                    acc[l] = r.combine(acc[l], (*x.add(whole + l)).widen());
                }
                merge(r, &mut totals, &acc);
                (x, n) = (x.add(len), n - len);
            }
        }
        *lanes = totals;
    }
}

/// The widest strip of neighbouring outputs reduced at once.
pub(super) const STRIP: usize = 64;

/// Reduces one chunk of `C` neighbouring outputs: row `i` of them starts at `x + offsets[i]`.
pub(super) struct Columns<'a, T: ReduceElem, R, const C: usize> {
    pub r: R,
    pub x: *const T,
    pub offsets: &'a [isize],
    /// The lanes of each output.
    pub lanes: &'a mut [[T::Acc; C]; LANES],
}

impl<T: ReduceElem, R: Reduction, const C: usize> Kernel for Columns<'_, T, R, C> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { r, x, offsets, lanes } = self;
        for (l, total) in lanes.iter_mut().enumerate().take(offsets.len()) {
            let mut acc = [r.identity(); C];
            let mut i = l;
            while i < offsets.len() {
                // SAFETY: C elements lie at every offset.
                unsafe {
                    let at = x.offset(offsets[i]);
                    for c in 0..C {
                        acc[c] = r.combine(acc[c], (*at.add(c)).widen());
                    }
                }
                i += LANES;
            }
            merge(r, total, &acc);
        }
    }
}

/// The lanes of neighbouring outputs combined in halves, into the first.
#[inline(always)]
pub(super) fn finish_columns<A: Accum, R: Reduction, const C: usize>(r: R, lanes: &mut [[A; C]; LANES]) {
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            merge(r, low, high);
        }
        width /= 2;
    }
}
