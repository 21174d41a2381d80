//! Products of a vector and a matrix (one row, or one column, which is turned into a row).
//!
//! Memory is what takes time here, so each element of the matrix is read where it lies, in whichever order it lies. That
//! asks for a sum of its own in each block of `k`, which vectors along `k` and vectors along the columns both can follow:
//!
//! - the block is cut into pieces of [`piece`] elements (the last may be shorter);
//! - a piece's products go to [`chains`] chains in turns, and are added up in each in order, with one rounding (`fma`);
//! - a [`group`] of neighbouring chains is added up in order;
//! - the groups of a piece are added up in order, and then the pieces.
//!
//! What becomes of a block's sum is as elsewhere.
mod columns;
mod narrow;
mod rows;

use super::blocking::{self, GRAIN, reach};
use super::epilogue::FinishTile;
use super::product::Product;
use super::{GemmElem, Sum, Vector};
use crate::pool;
use crate::simd::{self, Aligned, FloatVec, Kernel, Level, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// How many chains a piece has: a cache line of them.
const fn chains<T>() -> usize {
    64 / size_of::<T>()
}

/// How many neighbouring chains make a group: what 128 bits hold, of which all vectors are made.
const fn group<T>() -> usize {
    16 / size_of::<T>()
}

/// Products in a chain, and rows read side by side. Each more would save a load and a store of sums; but their lines are a
/// power of two apart where the matrix is as wide, and share a few places in the first cache.
const ROUNDS: usize = 4;

/// Elements of a block whose chains begin from zero.
const fn piece<T>() -> usize {
    chains::<T>() * ROUNDS
}

/// The length of the blocks `k` is cut into: of whole pieces, if there are several.
pub(super) fn k_block<E: GemmElem>(k: usize) -> usize {
    let even = blocking::k_block::<E>(k);
    if even < k { even.next_multiple_of(piece::<Sum<E>>()) } else { even }
}

/// Bytes of the sums of the columns dealt with at a time: many, since memory likes long rows, as long as they stay near.
const WIDE: usize = 16 << 10;

/// The same for a matrix of up to [`CACHED_BYTES`]: sums leave room for its rows in the first cache.
const CACHED_WIDE: usize = 4 << 10;

/// Bytes of a matrix that a cache may hold beside much else.
const CACHED_BYTES: usize = 8 << 20;

/// Bytes of a matrix that no cache holds.
const FAR_BYTES: usize = 32 << 20;

/// The same for a stretch of few columns.
const NARROW: usize = 1 << 10;

/// Addresses that agree in so many lower bits are taken for the same by a load that asks whether a store is under way.
const ALIAS: usize = 4096;

/// The columns that tasks begin with are multiples of it: a cache line of any dtype.
const UNIT: usize = 32;

/// Computes a product of one row.
///
/// # Safety
/// As for `driver::run`; `m == 1`.
pub(super) unsafe fn run<E: GemmElem>(level: Level, product: &Product<E>, may_share: bool) {
    let is_shared = may_share && product.work() >= 2 * GRAIN;
    let bytes = b_bytes(product);
    let is_cached = bytes <= CACHED_BYTES;
    let cores = if is_shared { pool::num_threads() } else { 1 };
    let is_far = bytes > cores * CACHED_BYTES;
    let stretch = |columns: Range<usize>| {
        let is_narrow = columns.len() * size_of::<Sum<E>>() <= NARROW;
        let stretch = Stretch { p: product, columns, is_far };
        // SAFETY: the level is supported; tasks write different columns.
        unsafe {
            if is_narrow {
                stretch.with_room::<NARROW>(level)
            } else if is_cached {
                stretch.with_room::<CACHED_WIDE>(level)
            } else {
                stretch.with_room::<WIDE>(level)
            }
        }
    };
    let n = product.n;
    if is_shared {
        let mut grain = GRAIN.div_ceil(UNIT * product.k.max(1));
        if product.b_cs == 1 {
            // Long rows rather than many tasks.
            let longest = WIDE / size_of::<Sum<E>>();
            grain = grain.max(n.div_ceil(pool::num_threads()).min(longest) / UNIT);
        }
        pool::chunks(n.div_ceil(UNIT), grain, |range| stretch(range.start * UNIT..n.min(range.end * UNIT)));
    } else {
        stretch(0..n);
    }
}

/// Whether threads had better share out blocks of `k`, if there are as many for each, than columns: where there are too few of
/// these, and where rows are so short that parts of them would keep memory waiting and leave sets of the caches empty.
pub(super) fn shares_blocks<E: GemmElem>(p: &Product<E>) -> bool {
    let (blocks, threads) = (p.k.div_ceil(k_block::<E>(p.k)), pool::num_threads());
    let is_even = blocks.is_multiple_of(threads) || blocks >= 4 * threads;
    let lies_in_rows = p.b_cs == 1 && p.n * size_of::<E>() <= CACHED_WIDE;
    p.n * k_block::<E>(p.k) >= GRAIN / 8 && is_even && (lies_in_rows || p.n < UNIT * threads)
}

/// What the matrix reaches over.
fn b_bytes<E: GemmElem>(p: &Product<E>) -> usize {
    reach::<E>(p.k, p.n, p.b_rs)
}

/// Some columns.
struct Stretch<'a, E: GemmElem> {
    p: &'a Product<E>,
    columns: Range<usize>,
    /// What each core reads of the matrix comes from beyond the caches.
    is_far: bool,
}

impl<E: GemmElem> Stretch<'_, E> {
    /// Not inlined: small products need not make room on the stack for large ones.
    ///
    /// # Safety
    /// The level is supported, and nobody else writes these columns.
    #[inline(never)]
    unsafe fn with_room<const BYTES: usize>(self, level: Level) {
        // For sums of `BYTES` and a vector before them, four times, and to move them.
        let mut room = Aligned(MaybeUninit::<([[u8; BYTES]; 4], [u8; ALIAS + 4 * 64])>::uninit());
        let room = room.0.as_mut_ptr().cast::<u8>();
        // A load of the matrix must not take the store of a sum for its own.
        let matrix = self.p.b.get().wrapping_add(self.columns.start) as usize;
        let away = (matrix + ALIAS / 2).wrapping_sub(room as usize) % ALIAS / 64 * 64;
        // SAFETY: inside the room.
        let sums = |i: usize| unsafe { room.add(away + i * (BYTES + 64)) }.cast();
        let (width, length) = (BYTES / size_of::<Sum<E>>(), k_block::<E>(self.p.k).max(1));
        let (piece, waiting) = (sums(2), sums(3));
        let tiles = Tiles { sums: sums(0), group: sums(1), piece, waiting, width, length, stretch: self };
        // SAFETY: promised by the caller.
        unsafe { simd::dispatch_unchecked(level, tiles) }
    }
}

/// Some columns, as many at a time as there is room for.
struct Tiles<'a, E: GemmElem> {
    stretch: Stretch<'a, E>,
    /// Of a block of `k`.
    length: usize,
    /// Room for `width` sums.
    sums: *mut Sum<E>,
    width: usize,
    /// The same for those of a group, and of a piece.
    group: *mut Sum<E>,
    piece: *mut Sum<E>,
    /// And for those that wait between blocks, where they are no elements of `c`.
    waiting: *mut Sum<E>,
}

impl<E: GemmElem> Kernel for Tiles<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Stretch { p, columns, .. } = &self.stretch;
        // A column alone is close both ways: along `k` it makes whole vectors.
        let by_columns = p.b_cs != 1 || (p.n == 1 && p.b_rs == 1);
        // Columns are gone along from block to block.
        let together =
            if by_columns { p.k.div_ceil(self.length).clamp(1, self.width / columns::TOGETHER) } else { 1 };
        let wide = self.width / together;
        for first in columns.clone().step_by(wide) {
            let n = wide.min(columns.end - first);
            for k in cut(0..p.k, together * self.length) {
                // SAFETY: the columns are inside the matrix, the sums fit their room.
                unsafe {
                    if by_columns {
                        self.columns::<S>(simd, first, n, k.clone(), wide);
                        self.finish(simd, first, 0..n, k, self.sums, wide);
                    } else {
                        let head = self.rows::<S>(simd, first, n, k.clone());
                        let after = if head > 0 { Vector::<E, S>::LANES - head } else { 0 };
                        self.finish(simd, first, 0..head, k.clone(), self.sums, 0);
                        self.finish(simd, first, head..n, k, self.sums.add(after), 0);
                    }
                }
            }
        }
    }
}

/// Cuts a range after every `length` elements; an empty one is one part.
fn cut(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..range.len().div_ceil(length).max(1)).map(move |i| {
        let start = range.start + i * length;
        start..range.end.min(start + length)
    })
}

impl<E: GemmElem> Tiles<'_, E> {
    /// Makes results of the sums of some blocks of `k`, `wide` from one's to the next's: those of some columns from `first` on.
    ///
    /// # Safety
    /// They are inside the result, and the sums complete.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        simd: S,
        first: usize,
        columns: Range<usize>,
        k: Range<usize>,
        sums: *const Sum<E>,
        wide: usize,
    ) {
        let p = self.stretch.p;
        let column = first + columns.start;
        let waiting = self.waiting.wrapping_add(columns.start);
        let tile = FinishTile::<E> {
            finish: &p.finish(k.start == 0, k.end == p.k),
            sums: sums.wrapping_add(columns.start),
            stride: 0,
            blocks: k.len().div_ceil(self.length).max(1),
            block_stride: wide,
            rows: 1,
            columns: columns.len(),
            row: 0,
            column,
            c: p.c.get().wrapping_offset(column as isize * p.c_cs),
            c_rs: p.c_rs,
            c_cs: p.c_cs,
            acc: if p.acc.get().is_null() { waiting } else { p.acc.get().wrapping_add(column) },
            acc_rs: 0,
        };
        tile.run(simd);
    }
}
