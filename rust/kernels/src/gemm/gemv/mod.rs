//! Products of a vector and a matrix (one row, or one column, which is turned into a row).
//!
//! Memory is what takes time here, so each element of the matrix is read where it lies, in whichever order it lies. That
//! asks for a sum of its own, which vectors along `k` and vectors along the columns both can follow:
//!
//! - `k` is cut into blocks of [`block`] elements (the last may be shorter);
//! - a block's products go to [`chains`] chains in turns, and are added up in each in order, with one rounding (`fma`);
//! - a [`group`] of neighbouring chains is added up in order;
//! - the groups are added up in order, from block to block.
//!
//! What follows is as elsewhere.
mod columns;
mod rows;

use super::blocking::{GRAIN, reach};
use super::epilogue::{Finish, FinishTile};
use super::product::Product;
use super::{GemmElem, Sum, Vector};
use crate::pool;
use crate::simd::{self, FloatVec, Kernel, Level, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// How many chains a block has: a cache line of them.
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

/// Elements of `k` whose chains begin from zero.
const fn block<T>() -> usize {
    chains::<T>() * ROUNDS
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
    let finish = product.finish(true, true);
    let is_cached = b_bytes(product) <= CACHED_BYTES;
    let stretch = |columns: Range<usize>| {
        let is_narrow = columns.len() * size_of::<Sum<E>>() <= NARROW;
        let stretch = Stretch { p: product, finish: &finish, columns };
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
    if may_share && product.work() >= 2 * GRAIN {
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

/// What the matrix reaches over.
fn b_bytes<E: GemmElem>(p: &Product<E>) -> usize {
    reach::<E>(p.k, p.n, p.b_rs)
}

/// Some columns.
struct Stretch<'a, E: GemmElem> {
    p: &'a Product<E>,
    finish: &'a Finish<Sum<E>>,
    columns: Range<usize>,
}

/// Room for sums of `BYTES` and a vector before them, twice, and to move them.
#[repr(align(64))]
struct Room<const BYTES: usize>(MaybeUninit<([[u8; BYTES]; 2], [u8; ALIAS + 2 * 64])>);

impl<E: GemmElem> Stretch<'_, E> {
    /// Not inlined: small products need not make room on the stack for large ones.
    ///
    /// # Safety
    /// The level is supported, and nobody else writes these columns.
    #[inline(never)]
    unsafe fn with_room<const BYTES: usize>(self, level: Level) {
        let mut room = Room::<BYTES>(MaybeUninit::uninit());
        let room = room.0.as_mut_ptr().cast::<u8>();
        // A load of the matrix must not take the store of a sum for its own.
        let matrix = self.p.b.get().wrapping_add(self.columns.start) as usize;
        let away = (matrix + ALIAS / 2).wrapping_sub(room as usize) % ALIAS / 64 * 64;
        // SAFETY: inside the room.
        let sums = |i: usize| unsafe { room.add(away + i * (BYTES + 64)) }.cast();
        let tiles =
            Tiles { sums: sums(0), group: sums(1), width: BYTES / size_of::<Sum<E>>(), stretch: self };
        // SAFETY: promised by the caller.
        unsafe { simd::dispatch_unchecked(level, tiles) }
    }
}

/// Some columns, `width` at a time.
struct Tiles<'a, E: GemmElem> {
    stretch: Stretch<'a, E>,
    width: usize,
    /// Room for the sums of `width` columns.
    sums: *mut Sum<E>,
    /// The same for those of a group.
    group: *mut Sum<E>,
}

impl<E: GemmElem> Kernel for Tiles<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Stretch { p, ref columns, .. } = self.stretch;
        let mut first = columns.start;
        while first < columns.end {
            let n = self.width.min(columns.end - first);
            // SAFETY: the columns are inside the matrix, the sums fit their room.
            unsafe {
                // A column alone is close both ways: along `k` it makes whole vectors.
                if p.b_cs != 1 || (p.n == 1 && p.b_rs == 1) {
                    self.columns::<S>(simd, first, n);
                    self.finish(simd, first, n, self.sums);
                } else {
                    let head = self.rows::<S>(simd, first, n);
                    let after = if head > 0 { Vector::<E, S>::LANES } else { 0 };
                    self.finish(simd, first, head, self.sums);
                    self.finish(simd, first + head, n - head, self.sums.add(after));
                }
            }
            first += n;
        }
    }
}

impl<E: GemmElem> Tiles<'_, E> {
    /// Makes results of the sums of `n` columns from `first` on.
    ///
    /// # Safety
    /// They are inside the result, and the sums complete.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, simd: S, first: usize, n: usize, sums: *mut Sum<E>) {
        let Stretch { p, finish, .. } = self.stretch;
        let tile = FinishTile::<E> {
            finish,
            sums,
            stride: 0,
            rows: 1,
            columns: n,
            row: 0,
            column: first,
            c: p.c.get().wrapping_offset(first as isize * p.c_cs),
            c_rs: p.c_rs,
            c_cs: p.c_cs,
            acc: std::ptr::null_mut(),
            acc_rs: 0,
        };
        tile.run(simd);
    }
}
