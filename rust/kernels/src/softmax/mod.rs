//! Softmax, its logarithm, and the cross entropy of logits with class indices, row by row.
//!
//! Rows are any number of steps apart, and so are the elements of a row. Every row is read twice: for its largest element,
//! and for the sum of exponentials; 16-bit floats are computed in `f32`.
mod cross_entropy;
mod statistics;
#[cfg(test)]
mod tests;

use crate::formula::{exp, log};
use crate::operand::Shared;
use crate::pool;
use crate::row::{BLOCK, LANES, RowIn, RowOut, V, room};
use crate::simd::{FloatElem, FloatVec, Kernel, Simd, dispatch_unchecked, level};
use statistics::statistics;
use std::ops::Range;

pub use cross_entropy::{BadTarget, cross_entropy, cross_entropy_backward};

/// The rows a thread should have at least.
fn grain(columns: usize) -> usize {
    (8 << 10) / columns.clamp(LANES, 8 << 10)
}

/// `y[i, j] = e^x[i, j] / sum_k e^x[i, k]`; the strides are those of rows and columns.
///
/// # Safety
/// `x` and `y` are valid for `rows` times `columns` elements in their strides; `y` may be exactly `x`, and overlaps it in
/// no other way.
pub unsafe fn softmax<T: FloatElem>(
    rows: usize,
    columns: usize,
    x: *const T,
    x_strides: [isize; 2],
    y: *mut T,
    y_strides: [isize; 2],
) {
    // SAFETY: the caller's promise.
    unsafe { normalise::<T, false>(rows, columns, x, x_strides, y, y_strides) }
}

/// `y[i, j] = x[i, j] - log sum_k e^x[i, k]`; the strides are those of rows and columns.
///
/// # Safety
/// As for [`softmax`].
pub unsafe fn log_softmax<T: FloatElem>(
    rows: usize,
    columns: usize,
    x: *const T,
    x_strides: [isize; 2],
    y: *mut T,
    y_strides: [isize; 2],
) {
    // SAFETY: the caller's promise.
    unsafe { normalise::<T, true>(rows, columns, x, x_strides, y, y_strides) }
}

unsafe fn normalise<T: FloatElem, const LOG: bool>(
    rows: usize,
    columns: usize,
    x: *const T,
    x_strides: [isize; 2],
    y: *mut T,
    y_strides: [isize; 2],
) {
    let level = level();
    let (x, y) = (Shared(x), Shared(y));
    pool::chunks(rows, grain(columns), |rows| {
        let kernel = Normalise::<T, LOG> { rows, columns, x: x.get(), x_strides, y: y.get(), y_strides };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
}

struct Normalise<T, const LOG: bool> {
    rows: Range<usize>,
    columns: usize,
    x: *const T,
    x_strides: [isize; 2],
    y: *mut T,
    y_strides: [isize; 2],
}

impl<T: FloatElem, const LOG: bool> Kernel for Normalise<T, LOG> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.columns;
        let mut stage = room::<T>();
        // SAFETY: the caller's promise: rows and columns lie inside the operands.
        unsafe {
            for r in self.rows {
                let row =
                    RowIn { x: self.x.offset(r as isize * self.x_strides[0]), step: self.x_strides[1], n };
                let target =
                    RowOut { y: self.y.offset(r as isize * self.y_strides[0]), step: self.y_strides[1] };
                let short = row.fetch_short(simd, &mut stage);
                let (best, sum) = statistics(simd, row, short, &mut stage);
                let shift = V::<T, S>::splat(simd, best);
                let sum = V::<T, S>::splat(simd, sum);
                let log_sum = if LOG { log(sum) } else { sum };
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let block = match short {
                        Some(block) => block,
                        None => row.fetch(simd, start, len, &mut stage),
                    };
                    let mut i = 0;
                    while i < len {
                        let x = block.load(i, shift) - shift;
                        let y = if LOG { x - log_sum } else { exp(x) / sum };
                        target.put(simd, start + i, n, y);
                        i += V::<T, S>::LANES;
                    }
                    start += len;
                }
            }
        }
    }
}
