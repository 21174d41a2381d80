//! The gradients of softmax and of its logarithm, from their outputs.
use super::{Rows, Steps};
use crate::formula::exp;
use crate::operand::Shared;
use crate::row::{BLOCK, Block, RowIn, RowOut, Sum, V, WIDTH, room, vectors};
use crate::simd::{FloatElem, FloatVec, Kernel, Simd, dispatch_unchecked, level};
use std::ops::Range;

/// An operand that is read, and its steps.
pub type Operand<T> = (*const T, Steps);

/// Of every row, `out = y (grad - sum grad y)`: the gradient of `y = softmax(x)`.
///
/// # Safety
/// All are valid for the rows in their steps; `out` overlaps neither operand.
pub unsafe fn softmax_backward<T: FloatElem>(
    rows: Rows,
    y: Operand<T>,
    grad: Operand<T>,
    out: (*mut T, Steps),
) {
    // SAFETY: the caller's promise.
    unsafe { backward::<T, false>(rows, y, grad, out) }
}

/// Of every row, `out = grad - e^y sum grad`: the gradient of `y = log softmax(x)`.
///
/// # Safety
/// As for [`softmax_backward`].
pub unsafe fn log_softmax_backward<T: FloatElem>(
    rows: Rows,
    y: Operand<T>,
    grad: Operand<T>,
    out: (*mut T, Steps),
) {
    // SAFETY: the caller's promise.
    unsafe { backward::<T, true>(rows, y, grad, out) }
}

unsafe fn backward<T: FloatElem, const LOG: bool>(
    rows: Rows,
    y: Operand<T>,
    grad: Operand<T>,
    out: (*mut T, Steps),
) {
    let level = level();
    let operands = Shared((y, grad, out));
    rows.each(|range| {
        let (y, grad, out) = operands.get();
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, Backward::<T, LOG> { range, rows, y, grad, out }) }
    });
}

struct Backward<T, const LOG: bool> {
    range: Range<usize>,
    rows: Rows,
    y: Operand<T>,
    grad: Operand<T>,
    out: (*mut T, Steps),
}

impl<T: FloatElem, const LOG: bool> Kernel for Backward<T, LOG> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.rows.columns;
        let (mut y_stage, mut g_stage) = (room::<T>(), room::<T>());
        // SAFETY: the caller's promise: the rows lie inside the operands.
        unsafe {
            for r in self.range.clone() {
                let row = |(x, steps): Operand<T>| RowIn {
                    x: x.offset(self.rows.start(r, steps)),
                    step: steps[2],
                    n,
                };
                let (y_row, g_row) = (row(self.y), row(self.grad));
                let (out, steps) = self.out;
                let target = RowOut { y: out.offset(self.rows.start(r, steps)), step: steps[2] };
                let mut sum = Sum::<V<T, S>>::new(simd);
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let y = y_row.fetch(simd, start, len, &mut y_stage);
                    let g = g_row.fetch(simd, start, len, &mut g_stage);
                    let mut i = 0;
                    while i + WIDTH <= len {
                        take::<S, T, LOG, true>(simd, [y, g], i, &mut sum);
                        i += WIDTH;
                    }
                    if i < len {
                        take::<S, T, LOG, false>(simd, [y, g], i, &mut sum);
                    }
                    sum.end_block();
                    start += len;
                }
                let sum = V::<T, S>::splat(simd, sum.finish());
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let y = y_row.fetch(simd, start, len, &mut y_stage);
                    let g = g_row.fetch(simd, start, len, &mut g_stage);
                    let mut i = 0;
                    while i < len {
                        let (y, g) = (y.load(i, sum), g.load(i, sum));
                        let value = if LOG { exp(y).neg_mul_add(sum, g) } else { y * (g - sum) };
                        target.put(simd, start + i, n, value);
                        i += V::<T, S>::LANES;
                    }
                    start += len;
                }
            }
        }
    }
}

/// Takes [`WIDTH`] elements into the sum; beyond the end, nothing.
///
/// # Safety
/// The blocks are readable; where `WHOLE`, all the elements are there.
#[inline(always)]
unsafe fn take<S: Simd, T: FloatElem, const LOG: bool, const WHOLE: bool>(
    simd: S,
    [y, g]: [Block<T::Compute>; 2],
    i: usize,
    sum: &mut Sum<V<T, S>>,
) {
    let zero = V::<T, S>::zero(simd);
    for k in 0..vectors::<V<T, S>>() {
        let at = i + k * V::<T, S>::LANES;
        // SAFETY: the caller's promise.
        unsafe {
            let g = g.load_part::<_, WHOLE>(at, zero);
            if LOG { sum.add(k, g) } else { sum.add_product(k, g, y.load_part::<_, WHOLE>(at, zero)) }
        }
    }
}
