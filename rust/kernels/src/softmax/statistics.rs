//! The largest element of a row and its sum of exponentials.
use crate::formula::exp;
use crate::row::{BLOCK, Block, LANES, PARTS, RowIn, Stage, V, fold, parts};
use crate::simd::{Float, FloatElem, FloatVec, Simd};

/// The largest element of a row, NaN left aside; and the sum of `e^(x - largest)`, which NaN turns into NaN. A row of no
/// more than a block may have been fetched already.
///
/// # Safety
/// The row is readable.
#[inline(always)]
pub(super) unsafe fn statistics<S: Simd, T: FloatElem>(
    simd: S,
    row: RowIn<T>,
    fetched: Option<Block<T::Compute>>,
    stage: &mut Stage<T>,
) -> (T::Compute, T::Compute) {
    let least = V::<T, S>::splat(simd, T::Compute::from_f64(f64::NEG_INFINITY));
    let mut best = [least; PARTS];
    let mut sums = [V::<T, S>::zero(simd); PARTS];
    // SAFETY: the caller's promise.
    unsafe {
        let mut start = 0;
        while start < row.n {
            let len = BLOCK.min(row.n - start);
            let block = row.block(simd, fetched, start, len, stage);
            let mut i = 0;
            while i < len {
                for (k, best) in best.iter_mut().enumerate().take(parts::<V<T, S>>()) {
                    *best = block.load(i + k * V::<T, S>::LANES, least).max(*best);
                }
                i += LANES;
            }
            start += len;
        }
        let best = fold(best, |a, b| if a > b { a } else { b });
        let shift = V::<T, S>::splat(simd, best);
        let mut start = 0;
        while start < row.n {
            let len = BLOCK.min(row.n - start);
            let block = row.block(simd, fetched, start, len, stage);
            let mut i = 0;
            while i < len {
                for (k, sum) in sums.iter_mut().enumerate().take(parts::<V<T, S>>()) {
                    *sum = *sum + exp(block.load(i + k * V::<T, S>::LANES, least) - shift);
                }
                i += LANES;
            }
            start += len;
        }
        (best, fold(sums, |a, b| a + b))
    }
}
