//! Rows brought to mean 0 and variance 1.
use super::load::load;
use super::{Matrix, grain};
use crate::operand::Shared;
use crate::pool;
use crate::row::{BLOCK, Block, RowIn, RowOut, Stage, Sum, V, WIDTH, room, vectors};
use crate::simd::{Float, FloatElem, FloatVec, Kernel, Simd, dispatch_unchecked, level};
use std::ops::Range;

/// What is kept of each row for the gradient.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<C> {
    /// The mean of each row.
    pub mean: *mut C,
    /// 1 / the square root of each row's variance and `eps`.
    pub rstd: *mut C,
}

/// `y[i, j] = (x[i, j] - mean[i]) rstd[i] weight[j] + bias[j]`, with the mean and the (biased) variance of row `i`.
///
/// `weight` and `bias` have an element a column, or are null for 1 and 0; `y` is contiguous.
///
/// # Safety
/// `x` is valid for its shape and strides, weight, bias, `y` and the statistics for as many elements as said; what is
/// written overlaps nothing that is read.
pub unsafe fn layer_norm<T: FloatElem>(
    x: Matrix<T>,
    weight: *const T,
    bias: *const T,
    eps: f64,
    y: *mut T,
    kept: Statistics<T::Compute>,
) {
    let level = level();
    let (x, affine, y, kept) = (Shared(x), Shared([weight, bias]), Shared(y), Shared(kept));
    pool::chunks(x.0.rows, grain(x.0.columns), |rows| {
        let kernel = Forward { rows, x: x.get(), affine: affine.get(), eps, y: y.get(), kept: kept.get() };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
}

struct Forward<T: FloatElem> {
    rows: Range<usize>,
    x: Matrix<T>,
    affine: [*const T; 2],
    eps: f64,
    y: *mut T,
    kept: Statistics<T::Compute>,
}

impl<T: FloatElem> Kernel for Forward<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { rows, x, affine, eps, y, kept } = self;
        let n = x.columns;
        let (zero, one) = (V::<T, S>::zero(simd), V::<T, S>::zero(simd).lit(1.0));
        let mut stage = room::<T>();
        // SAFETY: the caller's promise: the rows lie inside the operands.
        unsafe {
            for r in rows {
                let row = x.row(r);
                let short = row.fetch_short(simd, &mut stage);
                let mean = mean(simd, row, short, &mut stage);
                let variance = variance(simd, row, short, mean, &mut stage);
                let spread = V::<T, S>::splat(simd, variance) + zero.lit(eps);
                let rstd = one / spread.sqrt();
                let mean = V::<T, S>::splat(simd, mean);
                mean.store_first(kept.mean.add(r), 1);
                rstd.store_first(kept.rstd.add(r), 1);
                let target = RowOut { y: y.add(r * n), step: 1 };
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let block = row.block(simd, short, start, len, &mut stage);
                    let mut i = 0;
                    while i + V::<T, S>::LANES <= len {
                        write::<S, T, true>(simd, block, i, mean, rstd, affine, target, start + i, n);
                        i += V::<T, S>::LANES;
                    }
                    if i < len {
                        write::<S, T, false>(simd, block, i, mean, rstd, affine, target, start + i, n);
                    }
                    start += len;
                }
            }
        }
    }
}

/// One vector normalised, scaled and shifted: from place `i` of a block to element `at` of `n`.
///
/// # Safety
/// The block and the row are there; where `WHOLE`, so is every element of the vector.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn write<S: Simd, T: FloatElem, const WHOLE: bool>(
    simd: S,
    block: Block<T::Compute>,
    i: usize,
    mean: V<T, S>,
    rstd: V<T, S>,
    [weight, bias]: [*const T; 2],
    target: RowOut<T>,
    at: usize,
    n: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut value = (block.load_part::<_, WHOLE>(i, mean) - mean) * rstd;
        if !weight.is_null() {
            let mut shift = value.lit(0.0);
            if !bias.is_null() {
                shift = load::<T, S, WHOLE>(simd, bias, at, n);
            }
            value = value.mul_add(load::<T, S, WHOLE>(simd, weight, at, n), shift);
        }
        if WHOLE { T::store(simd, value, target.y.add(at)) } else { target.put(simd, at, n, value) }
    }
}

/// The mean of a row. A row of no more than a block may have been fetched already.
///
/// # Safety
/// The row is readable.
#[inline(always)]
unsafe fn mean<S: Simd, T: FloatElem>(
    simd: S,
    row: RowIn<T>,
    fetched: Option<Block<T::Compute>>,
    stage: &mut Stage<T>,
) -> T::Compute {
    let zero = V::<T, S>::zero(simd);
    // SAFETY: the caller's promise.
    unsafe { average::<S, T, false>(simd, row, fetched, zero, stage) }
}

/// The mean squared distance of a row's elements from their mean.
///
/// # Safety
/// As for [`mean`].
#[inline(always)]
unsafe fn variance<S: Simd, T: FloatElem>(
    simd: S,
    row: RowIn<T>,
    fetched: Option<Block<T::Compute>>,
    mean: T::Compute,
    stage: &mut Stage<T>,
) -> T::Compute {
    let mean = V::<T, S>::splat(simd, mean);
    // SAFETY: the caller's promise.
    unsafe { average::<S, T, true>(simd, row, fetched, mean, stage) }
}

/// The mean of the distances from `centre`, squared or as they are.
///
/// # Safety
/// As for [`mean`].
#[inline(always)]
unsafe fn average<S: Simd, T: FloatElem, const SQUARED: bool>(
    simd: S,
    row: RowIn<T>,
    fetched: Option<Block<T::Compute>>,
    centre: V<T, S>,
    stage: &mut Stage<T>,
) -> T::Compute {
    let mut sum = Sum::new(simd);
    let mut start = 0;
    while start < row.n {
        let len = BLOCK.min(row.n - start);
        // SAFETY: the caller's promise.
        unsafe {
            let block = row.block(simd, fetched, start, len, stage);
            let mut i = 0;
            while i + WIDTH <= len {
                take::<S, T, SQUARED, true>(&mut sum, block, i, centre);
                i += WIDTH;
            }
            if i < len {
                take::<S, T, SQUARED, false>(&mut sum, block, i, centre);
            }
        }
        sum.end_block();
        start += len;
    }
    sum.finish() / T::Compute::from_f64(row.n as f64)
}

/// Takes [`WIDTH`] elements of a block into a sum; beyond its end, what is as far from the centre as the centre.
///
/// # Safety
/// The block is readable; where `WHOLE`, all the elements are there.
#[inline(always)]
unsafe fn take<S: Simd, T: FloatElem, const SQUARED: bool, const WHOLE: bool>(
    sum: &mut Sum<V<T, S>>,
    block: Block<T::Compute>,
    i: usize,
    centre: V<T, S>,
) {
    for k in 0..vectors::<V<T, S>>() {
        // SAFETY: the caller's promise.
        let d = unsafe { block.load_part::<_, WHOLE>(i + k * V::<T, S>::LANES, centre) } - centre;
        if SQUARED { sum.add_product(k, d, d) } else { sum.add(k, d) }
    }
}
