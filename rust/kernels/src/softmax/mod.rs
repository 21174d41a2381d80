//! Softmax, its logarithm, and the cross entropy of logits with class indices, row by row.
//!
//! Rows are any number of steps apart, and so are the elements of a row. Every row is read twice: for its largest element,
//! and for the sum of exponentials; 16-bit floats are computed in `f32`.
mod backward;
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

pub use backward::{log_softmax_backward, softmax_backward};
pub use cross_entropy::{BadTarget, cross_entropy, cross_entropy_backward};

/// The rows a thread should have at least.
fn grain(columns: usize) -> usize {
    (8 << 10) / columns.clamp(LANES, 8 << 10)
}

/// Which elements are taken together: those along one dimension of three, of which the first two count the rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Extents of the first two dimensions.
    pub count: [usize; 2],
    /// Extent of the third: elements a row.
    pub columns: usize,
}

/// The steps of an operand along the three dimensions of [`Rows`].
pub type Steps = [isize; 3];

impl Rows {
    /// Where row `r` begins.
    #[inline(always)]
    fn start(&self, r: usize, steps: Steps) -> isize {
        let inner = self.count[1];
        (r / inner) as isize * steps[0] + (r % inner) as isize * steps[1]
    }

    /// Calls `body` with ranges of rows, in parallel where that pays.
    fn each(&self, body: impl Fn(Range<usize>) + Sync) {
        if self.columns == 0 {
            return;
        }
        pool::chunks(self.count[0] * self.count[1], grain(self.columns), body);
    }
}

/// Of every row, `y = e^x / sum e^x`.
///
/// # Safety
/// `x` and `y` are valid for the rows in their steps; `y` may be exactly `x`, and overlaps it in no other way.
pub unsafe fn softmax<T: FloatElem>(rows: Rows, x: *const T, x_steps: Steps, y: *mut T, y_steps: Steps) {
    // SAFETY: the caller's promise.
    unsafe { normalise::<T, false>(rows, x, x_steps, y, y_steps) }
}

/// Of every row, `y = x - log sum e^x`.
///
/// # Safety
/// As for [`softmax`].
pub unsafe fn log_softmax<T: FloatElem>(rows: Rows, x: *const T, x_steps: Steps, y: *mut T, y_steps: Steps) {
    // SAFETY: the caller's promise.
    unsafe { normalise::<T, true>(rows, x, x_steps, y, y_steps) }
}

unsafe fn normalise<T: FloatElem, const LOG: bool>(
    rows: Rows,
    x: *const T,
    x_steps: Steps,
    y: *mut T,
    y_steps: Steps,
) {
    let level = level();
    let (x, y) = (Shared(x), Shared(y));
    rows.each(|range| {
        let kernel = Normalise::<T, LOG> { range, rows, x: x.get(), x_steps, y: y.get(), y_steps };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
}

struct Normalise<T, const LOG: bool> {
    range: Range<usize>,
    rows: Rows,
    x: *const T,
    x_steps: Steps,
    y: *mut T,
    y_steps: Steps,
}

impl<T: FloatElem, const LOG: bool> Kernel for Normalise<T, LOG> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.rows.columns;
        let mut stage = room::<T>();
        // SAFETY: the caller's promise: rows and columns lie inside the operands.
        unsafe {
            for r in self.range {
                let row =
                    RowIn { x: self.x.offset(self.rows.start(r, self.x_steps)), step: self.x_steps[2], n };
                let target =
                    RowOut { y: self.y.offset(self.rows.start(r, self.y_steps)), step: self.y_steps[2] };
                let short = row.fetch_short(simd, &mut stage);
                let (best, sum) = statistics(simd, row, short, &mut stage);
                let shift = V::<T, S>::splat(simd, best);
                let sum = V::<T, S>::splat(simd, sum);
                let log_sum = if LOG { log(sum) } else { sum };
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let block = row.block(simd, short, start, len, &mut stage);
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
