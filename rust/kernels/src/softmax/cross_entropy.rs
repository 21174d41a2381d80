//! The cross entropy of logits with class indices, and its gradient.
use super::grain;
use super::statistics::statistics;
use crate::formula::{exp, log};
use crate::operand::Shared;
use crate::pool;
use crate::row::{BLOCK, LANES, RowIn, RowOut, V, parts, room};
use crate::simd::{Float, FloatElem, FloatVec, Kernel, Simd, dispatch_unchecked, level};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A target is no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTarget {
    /// The first row that has one.
    pub row: usize,
    /// The target itself.
    pub target: i64,
}

/// For every row `i`: `loss[i] = log sum_k e^x[i, k] - x[i, target[i]]` and `lse[i] = log sum_k e^x[i, k]`.
///
/// Rows whose target is `ignore_index` have loss 0. A target outside the classes is reported, the first one, after all
/// rows were done; nothing outside of `logits` is read for it.
///
/// # Safety
/// `logits` is valid for `n` times `classes` elements in its strides (of rows and columns), `target` for `n` in steps of
/// `target_stride`; `loss` and `lse` are contiguous and overlap neither.
#[allow(clippy::too_many_arguments)]
pub unsafe fn cross_entropy<T: FloatElem>(
    n: usize,
    classes: usize,
    logits: *const T,
    strides: [isize; 2],
    target: *const i64,
    target_stride: isize,
    ignore_index: i64,
    loss: *mut T,
    lse: *mut T::Compute,
) -> Result<(), BadTarget> {
    let level = level();
    let bad = AtomicUsize::new(usize::MAX);
    let (x, t, loss, lse) = (Shared(logits), Shared(target), Shared(loss), Shared(lse));
    pool::chunks(n, grain(classes), |rows| {
        let (target, ignore_index) = (t.get(), ignore_index);
        let logits = Logits { rows, classes, x: x.get(), strides, target, target_stride, ignore_index };
        let kernel = Forward { logits, loss: loss.get(), lse: lse.get(), bad: &bad };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
    match bad.into_inner() {
        usize::MAX => Ok(()),
        // SAFETY: the row is one of them.
        row => Err(BadTarget { row, target: unsafe { *target.offset(row as isize * target_stride) } }),
    }
}

/// `out[i, j] = scale grad[i] (e^(x[i, j] - lse[i]) - [j = target[i]])`, and 0 in rows that are ignored.
///
/// # Safety
/// As for [`cross_entropy`]; `grad` has `n` elements in steps of `grad_stride` (0 for one that all share), `out` is valid
/// for its strides and may be exactly `logits`.
#[allow(clippy::too_many_arguments)]
pub unsafe fn cross_entropy_backward<T: FloatElem>(
    n: usize,
    classes: usize,
    logits: *const T,
    strides: [isize; 2],
    target: *const i64,
    target_stride: isize,
    ignore_index: i64,
    lse: *const T::Compute,
    grad: *const T,
    grad_stride: isize,
    scale: T::Compute,
    out: *mut T,
    out_strides: [isize; 2],
) {
    let level = level();
    let (x, t, lse, g, out) = (Shared(logits), Shared(target), Shared(lse), Shared(grad), Shared(out));
    pool::chunks(n, grain(classes), |rows| {
        let (target, ignore_index) = (t.get(), ignore_index);
        let logits = Logits { rows, classes, x: x.get(), strides, target, target_stride, ignore_index };
        let (grad, out, lse) = (g.get(), out.get(), lse.get());
        let kernel = Backward { logits, lse, grad, grad_stride, scale, out, out_strides };
        // SAFETY: the level was chosen by `level()`.
        unsafe { dispatch_unchecked(level, kernel) }
    });
}

/// Some rows of the logits, and their targets.
struct Logits<T> {
    rows: Range<usize>,
    classes: usize,
    x: *const T,
    strides: [isize; 2],
    target: *const i64,
    target_stride: isize,
    ignore_index: i64,
}

impl<T: FloatElem> Logits<T> {
    /// # Safety
    /// The row exists.
    #[inline(always)]
    unsafe fn row(&self, r: usize) -> (RowIn<T>, i64) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = self.x.offset(r as isize * self.strides[0]);
            let target = *self.target.offset(r as isize * self.target_stride);
            (RowIn { x, step: self.strides[1], n: self.classes }, target)
        }
    }

    /// Whether a target is a class.
    #[inline(always)]
    fn valid(&self, target: i64) -> bool {
        usize::try_from(target).is_ok_and(|t| t < self.classes)
    }
}

struct Forward<'a, T: FloatElem> {
    logits: Logits<T>,
    loss: *mut T,
    lse: *mut T::Compute,
    bad: &'a AtomicUsize,
}

impl<T: FloatElem> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { logits, loss, lse, bad } = self;
        let mut stage = room::<T>();
        let mut r = logits.rows.start;
        // SAFETY: the rows lie inside the operands.
        unsafe {
            while r < logits.rows.end {
                // The logarithms of several rows are taken together.
                let count = LANES.min(logits.rows.end - r);
                let mut best = [T::Compute::default(); LANES];
                let mut sums = [T::Compute::from_f64(1.0); LANES];
                for i in 0..count {
                    let (row, _) = logits.row(r + i);
                    let short = row.fetch_short(simd, &mut stage);
                    (best[i], sums[i]) = statistics(simd, row, short, &mut stage);
                }
                for k in 0..parts::<V<T, S>>() {
                    let at = sums.as_mut_ptr().add(k * V::<T, S>::LANES);
                    log(V::<T, S>::load(simd, at)).store(at);
                }
                for i in 0..count {
                    let (row, target) = logits.row(r + i);
                    *lse.add(r + i) = best[i] + sums[i];
                    let value = if target == logits.ignore_index {
                        T::Compute::default()
                    } else if logits.valid(target) {
                        // In this order nothing is lost where the target is the largest.
                        sums[i] - (row.at(target as usize) - best[i])
                    } else {
                        bad.fetch_min(r + i, Ordering::Relaxed);
                        T::Compute::default()
                    };
                    *loss.add(r + i) = T::narrow(value);
                }
                r += count;
            }
        }
    }
}

struct Backward<T: FloatElem> {
    logits: Logits<T>,
    lse: *const T::Compute,
    grad: *const T,
    grad_stride: isize,
    scale: T::Compute,
    out: *mut T,
    out_strides: [isize; 2],
}

impl<T: FloatElem> Kernel for Backward<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let logits = &self.logits;
        let mut stage = room::<T>();
        // SAFETY: the rows lie inside the operands.
        unsafe {
            for r in logits.rows.clone() {
                let (row, target) = logits.row(r);
                let to = RowOut {
                    y: self.out.offset(r as isize * self.out_strides[0]),
                    step: self.out_strides[1],
                };
                let ignored = target == logits.ignore_index;
                let g = (*self.grad.offset(r as isize * self.grad_stride)).widen() * self.scale;
                let g = V::<T, S>::splat(simd, g);
                let lse = V::<T, S>::splat(simd, *self.lse.add(r));
                let (zero, one) = (g.lit(0.0), g.lit(1.0));
                // Beyond every row where there is none.
                let hit = if logits.valid(target) { target as usize } else { usize::MAX };
                let mut start = 0;
                while start < row.n {
                    let len = BLOCK.min(row.n - start);
                    let block = row.fetch(simd, start, len, &mut stage);
                    let mut i = 0;
                    while i < len {
                        let mut p = exp(block.load(i, lse) - lse);
                        let lane = hit.wrapping_sub(start + i);
                        if lane < V::<T, S>::LANES {
                            let there = V::<T, S>::numbers(simd).equals(g.lit(lane as f64));
                            p = p - V::<T, S>::select(there, one, zero);
                        }
                        // A product would make NaN of infinite logits in rows that do not count.
                        let value = if ignored { zero } else { p * g };
                        to.put(simd, start + i, row.n, value);
                        i += V::<T, S>::LANES;
                    }
                    start += len;
                }
            }
        }
    }
}
