//! Copies, casts and fills between tensors of any strides.
mod transpose;

use crate::elem::Elem;
use crate::nest::Nest;
use crate::operand::{In, Out, Shared};
use crate::pool;

/// Below so many bytes written by each, a second thread costs more than it brings.
const GRAIN_BYTES: usize = 128 << 10;

/// Copies `x` to `y`, both of `shape`.
///
/// # Safety
/// Both tensors must be valid for their shape and strides, `y` must not overlap `x`, and each needs only the
/// alignment of its element.
pub unsafe fn copy<T: Copy + Send + Sync>(shape: &[usize], x: In<T>, y: Out<T>) {
    if matches!(size_of::<T>(), 4 | 8)
        && let Some(nest) = Nest::sorted(shape, [x.strides, y.strides], 1)
        && let Some(across) = transpose::dimension(&nest)
    {
        // SAFETY: as promised by the caller.
        return unsafe { transpose::run_unchanged(nest, across, Shared(x.ptr), Shared(y.ptr)) };
    }
    // SAFETY: as promised by the caller.
    unsafe { convert(shape, x, y, |value| value) }
}

/// Copies `x` to `y`, both of `shape`, as `y`'s type; see [`Elem`] for the rules.
///
/// # Safety
/// As for [`copy`].
pub unsafe fn cast<A: Elem, B: Elem>(shape: &[usize], x: In<A>, y: Out<B>) {
    // SAFETY: as promised by the caller.
    unsafe { convert(shape, x, y, A::cast::<B>) }
}

/// Writes `value` all over `y`.
///
/// # Safety
/// `y` must be valid for its shape and strides.
pub unsafe fn fill<T: Copy + Send + Sync>(shape: &[usize], y: Out<T>, value: T) {
    // A source whose strides are all zero.
    let zeros = [0; crate::MAX_RANK];
    let x = In { ptr: &raw const value, strides: &zeros[..shape.len()] };
    // SAFETY: the source repeats one value; the rest is promised by the caller.
    unsafe { convert(shape, x, y, |value| value) }
}

/// Rows are cut into pieces of so many elements, so that one long row can be shared out.
const PIECE: usize = 4096;

#[inline(always)]
unsafe fn convert<A, B, F>(shape: &[usize], x: In<A>, y: Out<B>, f: F)
where
    A: Copy + Send + Sync,
    B: Copy + Send + Sync,
    F: Fn(A) -> B + Copy + Send + Sync,
{
    let Some(mut nest) = Nest::sorted(shape, [x.strides, y.strides], 1) else { return };
    let (from, to) = (Shared(x.ptr), Shared(y.ptr));
    if let Some(across) = transpose::dimension(&nest) {
        // SAFETY: as promised by the caller.
        return unsafe { transpose::run(nest, across, from, to, f) };
    }
    let (n, [xs, ys]) = nest.take_inner();
    let rows = nest.count();
    let pieces = n.div_ceil(PIECE);
    let grain = (GRAIN_BYTES / size_of::<B>()).div_ceil(n.min(PIECE));
    pool::chunks(rows * pieces, grain, |range| {
        let mut piece = range.start % pieces;
        let mut left = range.len();
        nest.each_while(range.start / pieces..rows, |[x, y]| {
            // As many pieces of this row as belong to the range.
            let take = left.min(pieces - piece);
            let first = piece * PIECE;
            let count = (take * PIECE).min(n - first);
            // SAFETY: the offsets lie inside the tensors, as the shape and strides promise.
            unsafe {
                let x = from.get().offset(x + first as isize * xs);
                let y = to.get().offset(y + first as isize * ys);
                row(count, x, xs, y, ys, f);
            }
            (left, piece) = (left - take, 0);
            left > 0
        });
    });
}

/// # Safety
/// `n` elements must lie at both pointers, in steps of the strides, not overlapping.
#[inline(always)]
unsafe fn row<A: Copy, B: Copy>(n: usize, x: *const A, xs: isize, y: *mut B, ys: isize, f: impl Fn(A) -> B) {
    // SAFETY (all arms): promised by the caller. Only the first is vectorised by the compiler into plain loads
    // and stores, the second into a splat, the third into shuffles, so they are told apart here.
    match (xs, ys) {
        // SAFETY: see above.
        (1, 1) => (0..n).for_each(|i| unsafe { *y.add(i) = f(*x.add(i)) }),
        (0, 1) => {
            // SAFETY: see above.
            let value = f(unsafe { *x });
            // SAFETY: see above.
            (0..n).for_each(|i| unsafe { *y.add(i) = value });
        }
        // SAFETY: see above.
        (2, 1) => (0..n).for_each(|i| unsafe { *y.add(i) = f(*x.add(2 * i)) }),
        _ => {
            // SAFETY: see above.
            (0..n as isize).for_each(|i| unsafe { *y.offset(i * ys) = f(*x.offset(i * xs)) });
        }
    }
}

#[cfg(test)]
mod tests;
