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
use std::mem::MaybeUninit;

/// Virtual lanes.
pub(super) const LANES: usize = 16;
/// Elements a chunk.
pub(super) const CHUNK: usize = 512;
/// Elements a block: what one thread does at once.
pub(super) const SUPER: usize = 64 * CHUNK;

/// The lanes of a block.
pub(super) type Lanes<A> = [A; LANES];

/// Takes `C` contiguous elements into as many lanes.
///
/// # Safety
/// They are readable.
#[inline(always)]
unsafe fn take<S: Simd, T: ReduceElem, R: Reduction, const C: usize>(
    simd: S,
    r: R,
    acc: &mut [T::Acc; C],
    x: *const T,
) {
    let mut values = [r.identity(); C];
    for c in 0..C {
        // SAFETY: the caller's promise.
        values[c] = unsafe { *x.add(c) }.widen();
    }
    T::Acc::lanes(simd, r, acc, &values);
}

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
    fn run<S: Simd>(self, simd: S) {
        let Self { r, mut x, mut n, lanes } = self;
        let mut totals = *lanes;
        // SAFETY: n elements lie at x.
        unsafe {
            // One stream: memory likes it better than several chunks abreast, and in the caches it is as fast.
            while n > 0 {
                let len = n.min(CHUNK);
                let mut acc: Lanes<T::Acc> = [r.identity(); LANES];
                for step in 0..len / LANES {
                    take(simd, r, &mut acc, x.add(step * LANES));
                }
                let whole = len / LANES * LANES;
                if whole < len {
                    // Lanes addressed by number live in memory: a copy leaves the others in registers.
                    let mut rest = acc;
                    for l in 0..len - whole {
                        rest[l] = r.combine(rest[l], (*x.add(whole + l)).widen());
                    }
                    acc = rest;
                }
                merge(r, &mut totals, &acc);
                (x, n) = (x.add(len), n - len);
            }
        }
        *lanes = totals;
    }
}

/// Reduces contiguous rows of one block each, `count` of them.
pub(super) struct Rows<T: ReduceElem, R> {
    pub r: R,
    pub x: *const T,
    pub n: usize,
    pub count: usize,
    /// From row to row in `x`, and from output to output.
    pub steps: [isize; 2],
    pub y: *mut T,
}

impl<T: ReduceElem, R: Reduction> Kernel for Rows<T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for i in 0..self.count as isize {
            let mut lanes = [self.r.identity(); LANES];
            // SAFETY: the rows and the outputs lie where the steps lead.
            unsafe {
                Row { r: self.r, x: self.x.offset(i * self.steps[0]), n: self.n, lanes: &mut lanes }
                    .run(simd);
                *self.y.offset(i * self.steps[1]) = T::narrow(finish(self.r, lanes));
            }
        }
    }
}

/// The room for the lanes of a strip of neighbouring outputs, lane after lane: [`strip_width`] values each.
pub(super) type Strip<A> = [MaybeUninit<A>; LANES * 256];

/// The most outputs reduced at once: what keeps their lanes in the first cache.
pub(super) const fn strip_width<A>() -> usize {
    if size_of::<A>() > 4 { 128 } else { 256 }
}

/// Reduces one chunk of up to [`strip_width`] neighbouring outputs: row `i` of them starts at `x + offsets[i]`. Rows are
/// read in their order, as memory likes it.
pub(super) struct Columns<'a, T: ReduceElem, R> {
    pub r: R,
    pub x: *const T,
    pub offsets: &'a [isize],
    pub width: usize,
    /// The lanes of the chunk; if it is not the first of its block, they are merged into `total` at once.
    pub lanes: &'a mut Strip<T::Acc>,
    pub total: Option<&'a mut Strip<T::Acc>>,
}

impl<T: ReduceElem, R: Reduction> Kernel for Columns<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { r, x, offsets, width, lanes, total } = self;
        let row = strip_width::<T::Acc>();
        let lanes = lanes.as_mut_ptr().cast::<T::Acc>();
        // SAFETY: `width` elements lie at every offset, and the strips have room for as many in each lane.
        unsafe {
            // Several rows of a lane at a time: the lanes are loaded and stored once for all of them.
            let mut start = 0;
            while start == 0 || start < offsets.len() {
                for l in 0..LANES {
                    let mut rows = [x; ABREAST];
                    let mut count = 0;
                    while count < ABREAST && start + count * LANES + l < offsets.len() {
                        rows[count] = x.offset(offsets[start + count * LANES + l]);
                        count += 1;
                    }
                    let lane = lanes.add(l * row);
                    if count == ABREAST {
                        take_rows(simd, r, lane, rows, ABREAST, width, start == 0);
                    } else {
                        take_rows(simd, r, lane, rows, count, width, start == 0);
                    }
                }
                start += ABREAST * LANES;
            }
            if let Some(total) = total {
                let total = total.as_mut_ptr().cast::<T::Acc>();
                for l in 0..LANES {
                    let rows = [lanes.add(l * row).cast_const(); ABREAST];
                    take_rows(simd, r, total.add(l * row), rows, 1, width, false);
                }
            }
        }
    }
}

/// Rows of a lane taken together.
const ABREAST: usize = 4;

/// Takes `width` elements of each of the first `count` rows, one row after the other, into as many values, which are
/// new where `fresh`.
///
/// # Safety
/// All are valid.
#[inline(always)]
unsafe fn take_rows<S: Simd, T: ReduceElem, R: Reduction>(
    simd: S,
    r: R,
    acc: *mut T::Acc,
    rows: [*const T; ABREAST],
    count: usize,
    width: usize,
    fresh: bool,
) {
    let mut c = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while T::Acc::IS_FLOAT && c + LANES <= width {
            let at = acc.add(c).cast::<Lanes<T::Acc>>();
            let mut lanes = if fresh { [r.identity(); LANES] } else { *at };
            for row in &rows[..count] {
                take(simd, r, &mut lanes, row.add(c));
            }
            *at = lanes;
            c += LANES;
        }
        for c in c..width {
            let mut value = if fresh { r.identity() } else { *acc.add(c) };
            for row in &rows[..count] {
                value = r.combine(value, (*row.add(c)).widen());
            }
            *acc.add(c) = value;
        }
    }
}

/// The lanes of a strip combined in halves, into the first.
pub(super) struct FinishColumns<'a, A, R> {
    pub r: R,
    pub width: usize,
    pub lanes: &'a mut Strip<A>,
}

impl<A: Accum, R: Reduction> Kernel for FinishColumns<'_, A, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let row = strip_width::<A>();
        let lanes = self.lanes.as_mut_ptr().cast::<A>();
        let mut half = LANES / 2;
        while half > 0 {
            for l in 0..half {
                // SAFETY: the lanes of the chunks are written.
                unsafe {
                    let rows = [lanes.add((l + half) * row).cast_const(); ABREAST];
                    take_rows(simd, self.r, lanes.add(l * row), rows, 1, self.width, false);
                };
            }
            half /= 2;
        }
    }
}
