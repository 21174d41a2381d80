//! Copies whose source and target disagree on which dimension is the close one: done in tiles, so that every
//! cache line read or written is used whole.
use super::GRAIN_BYTES;
use crate::nest::Nest;
use crate::operand::Shared;
use crate::simd::{self, Kernel, Simd};
use crate::{pool, transpose as registers};

/// The edge of a register tile.
const EDGE: usize = 8;
/// A cache holds a source and a target of so many bytes: each line of either is touched once or twice, wherever it lies.
const NEAR: usize = 12 << 20;
/// Register tiles a strip is long before the next strip begins: strips share the source's cache lines.
const STRIP: usize = 8 * EDGE;

/// The loop along which the source is close while the target's close loop is far in it, if that is the case.
pub(super) fn dimension(nest: &Nest<2>) -> Option<usize> {
    let inner = nest.rank().checked_sub(1)?;
    let [xs, ys] = nest.strides(inner);
    if ys != 1 || xs.unsigned_abs() <= 1 || nest.extent(inner) < EDGE {
        return None;
    }
    let close = |&d: &usize| nest.strides(d)[0] == 1 && nest.extent(d) >= EDGE;
    (0..inner).find(close)
}

/// Copies through tiles over the innermost loop and `across`.
///
/// # Safety
/// The nest must stay inside both tensors; they must not overlap.
#[inline(always)]
pub(super) unsafe fn run<A: Copy, B: Copy>(
    nest: Nest<2>,
    across: usize,
    from: Shared<*const A>,
    to: Shared<*mut B>,
    f: impl Fn(A) -> B + Copy + Sync,
) {
    // SAFETY: as promised by the caller.
    strips(nest, across, (STRIP, size_of::<B>()), |Strip { m, n, x, xs, y, ys }| unsafe {
        strip(m, n, from.get().offset(x), xs, to.get().offset(y), ys, f);
    });
}

/// The same for elements of 4 or 8 bytes that stay what they are, in registers.
///
/// # Safety
/// As for [`run`].
pub(super) unsafe fn run_unchanged<T: Copy>(
    nest: Nest<2>,
    across: usize,
    from: Shared<*const T>,
    to: Shared<*mut T>,
) {
    let level = simd::level();
    let is_near = nest.count() * size_of::<T>() <= NEAR;
    let is_long = nest.extent(nest.rank() - 1) >= STRIP;
    let by_squares = is_near && is_long && registers::has_squares::<T>(level, nest.strides(across)[1]);
    let high = if by_squares { registers::SQUARE } else { STRIP };
    // SAFETY: as promised by the caller; the level is supported.
    strips(nest, across, (high, size_of::<T>()), |at| unsafe {
        let (x, y) = (from.get().offset(at.x), to.get().offset(at.y));
        simd::dispatch_unchecked(level, Unchanged { at, x, y, by_squares });
    });
}

/// Part of a transposition: `m` long where the source is close, `n` where the target is.
struct Strip {
    m: usize,
    n: usize,
    /// Where it begins in the source, and the source's step along `n`.
    x: isize,
    xs: isize,
    /// Where it begins in the target, and the target's step along `m`.
    y: isize,
    ys: isize,
}

/// Calls `body` with each strip, so high and of elements of such a size, in parallel where they are many.
#[inline(always)]
fn strips(mut nest: Nest<2>, across: usize, (high, size): (usize, usize), body: impl Fn(Strip) + Sync) {
    let (n, [xs, _]) = nest.take_inner();
    let (m, [_, ys]) = nest.take(across);
    let count = m.div_ceil(high);
    let grain = (GRAIN_BYTES / size).div_ceil(n * m.min(high));
    pool::chunks(nest.count() * count, grain, |range| {
        for unit in range {
            let first = unit % count * high;
            nest.each(unit / count..unit / count + 1, |[x, y]| {
                let (x, y) = (x + first as isize, y + first as isize * ys);
                body(Strip { m: high.min(m - first), n, x, xs, y, ys });
            });
        }
    });
}

struct Unchanged<T> {
    at: Strip,
    x: *const T,
    y: *mut T,
    /// In squares, as [`registers::squares`] does.
    by_squares: bool,
}

impl<T: Copy> Kernel for Unchanged<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strip { m, n, xs, ys, .. } = self.at;
        // SAFETY: inside both tensors.
        unsafe {
            if self.by_squares {
                return registers::squares(simd, n, m, self.x, xs, self.y, ys);
            }
            for i in (0..n).step_by(STRIP) {
                let (x, y) = (self.x.offset(i as isize * xs), self.y.add(i));
                registers::exact(simd, STRIP.min(n - i), m, x, xs, y, ys);
            }
        }
    }
}

/// `y[j][i] = f(x[i][j])` for `j < m`, `i < n`; `xs` and `ys` are the strides of the first index.
///
/// # Safety
/// Both matrices must be valid and not overlap.
#[inline(always)]
unsafe fn strip<A: Copy, B: Copy>(
    m: usize,
    n: usize,
    x: *const A,
    xs: isize,
    y: *mut B,
    ys: isize,
    f: impl Fn(A) -> B,
) {
    let whole = n / EDGE * EDGE;
    for i in (0..whole).step_by(EDGE) {
        let mut j = 0;
        while j + EDGE <= m {
            // SAFETY: a whole tile is inside both.
            unsafe {
                let x = x.offset(i as isize * xs).add(j);
                let y = y.offset(j as isize * ys).add(i);
                // All is read before anything is written, so that it can happen in registers.
                let tile: [[A; EDGE]; EDGE] =
                    std::array::from_fn(|i| x.offset(i as isize * xs).cast::<[A; EDGE]>().read_unaligned());
                // One index runs over the tile's columns and the target's rows alike.
                #[allow(clippy::needless_range_loop)]
                for j in 0..EDGE {
                    let line: [B; EDGE] = std::array::from_fn(|i| f(tile[i][j]));
                    y.offset(j as isize * ys).cast::<[B; EDGE]>().write_unaligned(line);
                }
            }
            j += EDGE;
        }
        for j in j..m {
            for i in i..i + EDGE {
                // SAFETY: inside both.
                unsafe { *y.offset(j as isize * ys).add(i) = f(*x.offset(i as isize * xs).add(j)) };
            }
        }
    }
    for j in 0..m {
        for i in whole..n {
            // SAFETY: inside both.
            unsafe { *y.offset(j as isize * ys).add(i) = f(*x.offset(i as isize * xs).add(j)) };
        }
    }
}
