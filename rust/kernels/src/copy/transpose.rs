//! Copies whose source and target disagree on which dimension is the close one: done in tiles, so that every
//! cache line read or written is used whole.
use super::GRAIN_BYTES;
use crate::nest::Nest;
use crate::operand::Shared;
use crate::pool;

/// The edge of a register tile.
const EDGE: usize = 8;
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
    mut nest: Nest<2>,
    across: usize,
    from: Shared<*const A>,
    to: Shared<*mut B>,
    f: impl Fn(A) -> B + Copy + Sync,
) {
    let (n, [xs, _]) = nest.take_inner();
    let (m, [_, ys]) = nest.take(across);
    let strips = m.div_ceil(STRIP);
    let grain = (GRAIN_BYTES / size_of::<B>()).div_ceil(n * m.min(STRIP));
    pool::chunks(nest.count() * strips, grain, |range| {
        for unit in range {
            let first = unit % strips * STRIP;
            nest.each(unit / strips..unit / strips + 1, |[x, y]| {
                // SAFETY: inside both tensors, as promised by the caller.
                unsafe {
                    let x = from.get().offset(x + first as isize);
                    let y = to.get().offset(y + first as isize * ys);
                    strip(STRIP.min(m - first), n, x, xs, y, ys, f);
                }
            });
        }
    });
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
