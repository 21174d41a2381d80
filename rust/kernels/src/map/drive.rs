//! Walks strided operands in rows that a formula can be computed on.
use super::gaps::{gather, scatter};
use super::joined::Joined;
use super::rows::{Row, Rows, is_row};
use super::stream;
use super::tiles::Tiles;
use crate::nest::Nest;
use crate::operand::{In, Out, Shared};
use crate::pool;
use crate::simd::{level, stream_fence};
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most operands of a formula.
pub const MAX_OPERANDS: usize = 3;

/// Operands that do not lie in rows are gathered into blocks of so many elements: a few kilobytes, safe in the first cache.
pub(super) const BLOCK: usize = 512;
/// Rows shorter than this are gathered into blocks as well where each takes a call or more.
pub(super) const SHORT: usize = 32;
/// Rows shorter than this are not stored past the caches: too few of their vectors are whole and aligned.
const ROW_PAST: usize = 256;
/// Work is handed out in units of so many elements: whole cache lines.
const UNIT: usize = 64;

/// The number of elements where every operand is contiguous: no loop needs to be found then.
#[inline(always)]
pub(super) fn contiguous<A, B, const N: usize>(shape: &[usize], x: &[In<A>; N], y: &Out<B>) -> Option<usize> {
    let mut n = 1usize;
    for d in (0..shape.len()).rev() {
        let extent = shape[d];
        if extent != 1 {
            for x in x {
                if x.strides[d] != n as isize {
                    return None;
                }
            }
            if y.strides[d] != n as isize {
                return None;
            }
            n *= extent;
        }
    }
    Some(n)
}

/// The same where each input is either contiguous or one element all over, and the inputs' steps. Apart, since most are
/// contiguous.
#[inline(always)]
pub(super) fn one_row<A, B, const N: usize>(
    shape: &[usize],
    x: &[In<A>; N],
    y: &Out<B>,
) -> Option<(usize, [usize; N])> {
    let mut n = 1usize;
    let (mut follows, mut stands) = ([true; N], [true; N]);
    for d in (0..shape.len()).rev() {
        if shape[d] == 1 {
            continue;
        }
        if y.strides[d] != n as isize {
            return None;
        }
        for k in 0..N {
            follows[k] &= x[k].strides[d] == n as isize;
            stands[k] &= x[k].strides[d] == 0;
        }
        n *= shape[d];
    }
    let is_row = (0..N).all(|k| follows[k] || stands[k]);
    is_row.then(|| (n, stands.map(|stands| usize::from(!stands))))
}

/// The number of elements a thread should have at least, for a formula that costs `weight` times an addition.
pub(super) fn grain(weight: usize) -> usize {
    (16 << 10) / weight.max(1)
}

/// Computes `n` contiguous elements, in parallel where that pays.
///
/// # Safety
/// As for [`drive`].
pub(super) unsafe fn drive_contiguous<A: Copy, B: Copy, const N: usize>(
    row: Row<A, B, N>,
    formula: *const (),
    weight: usize,
    n: usize,
    x: [*const A; N],
    y: *mut B,
) {
    let past = stream::pays(n, &x, y);
    let (formula, x, y) = (Shared(formula), Shared(x), Shared(y));
    pool::chunks(n.div_ceil(UNIT), grain(weight) / UNIT, |range| {
        let (start, end) = (range.start * UNIT, (range.end * UNIT).min(n));
        let x = x.get().map(|x| x.wrapping_add(start));
        // SAFETY: the range lies within the operands.
        unsafe { row(formula.get(), &Rows::contiguous(x, y.get().add(start), end - start, past)) };
        if past {
            stream_fence();
        }
    });
}

/// What a formula and its row function are good for.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// What an element costs, in additions.
    pub weight: usize,
    /// Rows of fewer elements are gathered.
    pub shortest: usize,
    /// Whether rows may have an operand that lies [across](super::rows::ACROSS).
    pub squares: bool,
    /// Elements of the shortest rows that are computed as [adjacent](super::adjacent) ones, if any are.
    pub adjacent: Option<usize>,
}

/// Of formulas as cheap as an addition.
pub(super) const PLAIN: Cost = Cost { weight: 1, shortest: SHORT, squares: false, adjacent: None };

/// Computes every element of `y` by `row`, in parallel where that pays.
///
/// # Safety
/// The operands are valid for `shape` and their strides; `y` may be exactly one of the inputs, and overlaps them in no
/// other way; `formula` is what `row` expects, and may be used from any thread.
pub(super) unsafe fn drive<A: Copy, B: Copy, const N: usize>(
    row: Row<A, B, N>,
    formula: *const (),
    Cost { weight, shortest, squares, adjacent }: Cost,
    shape: &[usize],
    x: [In<A>; N],
    y: Out<B>,
) {
    const { assert!(N <= MAX_OPERANDS && N > 0) };
    let mut strides = [y.strides; MAX_OPERANDS + 1];
    for (slot, x) in strides.iter_mut().zip(&x) {
        *slot = x.strides;
    }
    let Some(mut nest) = Nest::sorted(shape, strides, MAX_OPERANDS) else { return };
    let (total, (n, inner)) = (nest.count(), nest.inner());
    let x = x.map(|x| x.ptr);
    let rows_are_plain = Tiles::<N>::operands().all(|i| is_row(i, inner[i]));
    let is_long = adjacent.is_some_and(|shortest| n >= shortest);
    let joined = if is_long { None } else { Joined::new::<A, B, N>(&nest) };
    let is_adjacent = is_long && nest.follows(MAX_OPERANDS) && (0..N).all(|i| (0..=1).contains(&inner[i]));
    let past = (n >= ROW_PAST || joined.is_some() || is_adjacent) && stream::pays(total, &x, y.ptr);
    let size = size_of::<A>().max(size_of::<B>());
    if !rows_are_plain && let Some(tiles) = Tiles::new(&nest, size, squares && !past) {
        let (level, formula, x, y) = (level(), Shared(formula), Shared(x), Shared(y.ptr));
        pool::chunks(tiles.count(), grain(weight) / tiles.size(), |range| {
            // SAFETY: the caller's promise.
            unsafe { tiles.run(range, level, (row, formula.get()), x.get(), y.get(), past) };
            if past {
                stream_fence();
            }
        });
        return;
    }
    nest.take_inner();
    let walk = Walk { row, formula, x, y: y.ptr, outer: &nest, n, inner, rows_are_plain, past };
    let walk = Shared(&walk);
    pool::chunks(total.div_ceil(UNIT), grain(weight) / UNIT, |range| {
        let range = range.start * UNIT..(range.end * UNIT).min(total);
        let walk = walk.get();
        // SAFETY: the caller's promise; tasks write different elements.
        unsafe {
            if let Some(joined) = &joined {
                joined.run(range, (walk.row, walk.formula), walk.x, walk.y, walk.past);
            } else if walk.rows_are_plain && (n >= shortest || n == total) {
                walk.plain(range);
            } else {
                return walk.gathered(range);
            }
        }
        if walk.past {
            stream_fence();
        }
    });
}

struct Walk<'a, A, B, const N: usize> {
    row: Row<A, B, N>,
    formula: *const (),
    x: [*const A; N],
    y: *mut B,
    outer: &'a Nest<{ MAX_OPERANDS + 1 }>,
    /// Elements of the innermost loop, and each operand's step along it.
    n: usize,
    inner: [isize; MAX_OPERANDS + 1],
    rows_are_plain: bool,
    /// Whether rows are stored past the caches.
    past: bool,
}

impl<A: Copy, B: Copy, const N: usize> Walk<'_, A, B, N> {
    /// Calls `piece` with the offsets and the length of each stretch of row in a range of elements.
    #[inline(always)]
    fn pieces(&self, range: Range<usize>, mut piece: impl FnMut([isize; MAX_OPERANDS + 1], usize)) {
        let mut column = range.start % self.n;
        let mut left = range.len();
        self.outer.each_while(range.start / self.n..self.outer.count(), |mut at| {
            let len = left.min(self.n - column);
            for (at, step) in at.iter_mut().zip(self.inner) {
                *at += column as isize * step;
            }
            piece(at, len);
            (left, column) = (left - len, 0);
            left > 0
        });
    }

    /// Rows as they lie: as many at a time as follow each other in equal steps.
    ///
    /// # Safety
    /// As for [`drive`].
    unsafe fn plain(&self, range: Range<usize>) {
        let mut blocks = *self.outer;
        let (rows, down) = blocks.take_inner();
        let mut start = range.start;
        while start < range.end {
            let (row, column) = (start / self.n, start % self.n);
            let left = range.end - start;
            let whole = if column == 0 { (left / self.n).min(rows - row % rows) } else { 0 };
            let (count, n) = if whole > 0 { (whole, self.n) } else { (1, left.min(self.n - column)) };
            blocks.each(row / rows..row / rows + 1, |at| {
                let block = Rows {
                    x: std::array::from_fn(|i| self.x[i].wrapping_offset(at[i])),
                    step: std::array::from_fn(|i| self.inner[i] as usize),
                    down: std::array::from_fn(|i| down[i]),
                    y: self.y.wrapping_offset(at[MAX_OPERANDS]),
                    y_down: down[MAX_OPERANDS],
                    count,
                    n,
                    past: self.past,
                };
                let (x, y) = block.at(row % rows, column);
                // SAFETY: the rows lie inside the operands; tasks write different elements.
                unsafe { (self.row)(self.formula, &Rows { x, y, ..block }) };
            });
            start += count * n;
        }
    }

    /// Everything else: gathered into blocks, computed, scattered.
    ///
    /// # Safety
    /// As for [`drive`].
    unsafe fn gathered(&self, range: Range<usize>) {
        let mut blocks = [[MaybeUninit::<A>::uninit(); BLOCK]; N];
        let mut out = [MaybeUninit::<B>::uninit(); BLOCK];
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + BLOCK);
            let mut filled = 0;
            self.pieces(start..end, |at, len| {
                for i in 0..N {
                    // SAFETY: the offsets lie inside the operands, the pieces add up to at most a block.
                    unsafe {
                        let to = blocks[i][filled..].as_mut_ptr().cast();
                        gather(self.x[i].offset(at[i]), self.inner[i], to, len);
                    };
                }
                filled += len;
            });
            let x = std::array::from_fn(|i| blocks[i].as_ptr().cast());
            // SAFETY: the blocks hold the elements of the range; tasks write different elements.
            unsafe {
                let rows = Rows::contiguous(x, out.as_mut_ptr().cast(), end - start, false);
                (self.row)(self.formula, &rows);
                let mut done = 0;
                self.pieces(start..end, |at, len| {
                    let from = out[done..].as_ptr().cast();
                    scatter(from, self.y.offset(at[MAX_OPERANDS]), self.inner[MAX_OPERANDS], len);
                    done += len;
                });
            }
            start = end;
        }
    }
}
