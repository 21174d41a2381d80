//! The gradients of a layer normalisation, all in one pass over the rows.
use super::load::{load, peek};
use super::{Matrix, Statistics, grain};
use crate::operand::Shared;
use crate::pool;
use crate::row::{BLOCK, Block, RowOut, Sum, V, WIDTH, room, vectors};
use crate::simd::{FloatElem, FloatVec, Kernel, Simd, dispatch_unchecked, level};
use std::ops::Range;

/// Rows are cut into at most so many chunks, of at least so many rows, each with sums of its own.
const CHUNKS: usize = 64;
const LEAST: usize = 16;
/// Columns are handed out in units of so many.
const UNIT: usize = 64;

/// How many rows a chunk has.
fn chunk_rows(rows: usize) -> usize {
    rows.div_ceil(CHUNKS).max(LEAST)
}

/// The bytes of scratch that [`layer_norm_backward`] needs for the gradients of scale and shift.
pub fn workspace<T: FloatElem>(rows: usize, columns: usize) -> usize {
    let sums = rows.div_ceil(chunk_rows(rows)).saturating_mul(columns).saturating_mul(2);
    sums.saturating_mul(size_of::<T::Compute>())
}

/// Where the gradients go, all contiguous.
#[derive(Clone, Copy, Debug)]
pub struct Gradients<T> {
    /// Of the rows, in their shape.
    pub input: *mut T,
    /// Of the scale, an element a column; null where there is no scale.
    pub weight: *mut T,
    /// Of the shift, likewise; null exactly where `weight` is.
    pub bias: *mut T,
}

/// From the gradient of [`layer_norm`](super::layer_norm)'s output, that of its input, scale and shift.
///
/// With `n[i, j] = (x[i, j] - mean[i]) rstd[i]` and `h[i, j] = grad[i, j] weight[j]`, the input's gradient is
/// `rstd (h - mean_j(h) - n mean_j(h n))`, the weight's `sum_i grad n`, the bias's `sum_i grad`.
///
/// # Safety
/// `grad` and `x`, of one shape, are valid for their strides; `weight` (null for 1, and then without gradients of scale
/// and shift) for an element a column; `kept` is what the forward pass wrote; `scratch`, aligned to 64 bytes, has
/// [`workspace`] bytes if there is a weight. What is written overlaps nothing else.
pub unsafe fn layer_norm_backward<T: FloatElem>(
    grad: Matrix<T>,
    x: Matrix<T>,
    kept: Statistics<T::Compute>,
    weight: *const T,
    out: Gradients<T>,
    scratch: *mut u8,
) {
    let level = level();
    let (rows, columns) = (x.rows, x.columns);
    let affine = !weight.is_null();
    let size = chunk_rows(rows);
    let chunks = rows.div_ceil(size);
    let sums = Shared(scratch.cast::<T::Compute>());
    let operands = Shared((grad, x, kept, weight, out.input));
    let grain = if affine { grain(columns) / size } else { grain(columns) };
    // Without sums over rows, any rows may go together.
    pool::chunks(if affine { chunks } else { rows }, grain, |range| {
        let (grad, x, kept, weight, y) = operands.get();
        let backward = |rows, sums| Rows { rows, grad, x, kept, weight, y, sums };
        // SAFETY: the level was chosen by `level()`; each chunk has its own part of the scratch.
        unsafe {
            if !affine {
                return dispatch_unchecked(level, backward(range, std::ptr::null_mut()));
            }
            for c in range {
                let sums = sums.get().add(2 * c * columns);
                sums.write_bytes(0, 2 * columns);
                dispatch_unchecked(level, backward(c * size..rows.min((c + 1) * size), sums));
            }
        }
    });
    if affine {
        let out = Shared(out);
        let grain = (32 << 10) / (UNIT * chunks.max(1));
        pool::chunks(columns.div_ceil(UNIT), grain, |range| {
            let range = range.start * UNIT..columns.min(range.end * UNIT);
            let kernel = Collect::<T> { sums: sums.get(), chunks, columns, range, out: out.get() };
            // SAFETY: as above; every chunk is written.
            unsafe { dispatch_unchecked(level, kernel) }
        });
    }
}

/// Some rows of the gradient, and their part of the sums over rows.
struct Rows<T: FloatElem> {
    rows: Range<usize>,
    grad: Matrix<T>,
    x: Matrix<T>,
    kept: Statistics<T::Compute>,
    weight: *const T,
    y: *mut T,
    sums: *mut T::Compute,
}

impl<T: FloatElem> Kernel for Rows<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.x.columns;
        let count = V::<T, S>::zero(simd).lit(n as f64);
        let (mut x_stage, mut g_stage) = (room::<T>(), room::<T>());
        // SAFETY: the caller's promise: the rows lie inside the operands; the sums have room for two rows.
        unsafe {
            for r in self.rows.clone() {
                let (x_row, g_row) = (self.x.row(r), self.grad.row(r));
                let (x_short, g_short) =
                    (x_row.fetch_short(simd, &mut x_stage), g_row.fetch_short(simd, &mut g_stage));
                let mean = V::<T, S>::splat(simd, *self.kept.mean.add(r));
                let rstd = V::<T, S>::splat(simd, *self.kept.rstd.add(r));
                let at = Row { simd, mean, rstd, weight: self.weight, sums: self.sums, n };
                let (mut plain, mut along) = (Sum::new(simd), Sum::new(simd));
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let x = x_row.block(simd, x_short, start, len, &mut x_stage);
                    let g = g_row.block(simd, g_short, start, len, &mut g_stage);
                    let blocks = [x, g];
                    let mut i = 0;
                    while i + WIDTH <= len {
                        at.take::<true>(blocks, i, start, &mut plain, &mut along);
                        i += WIDTH;
                    }
                    if i < len {
                        at.take::<false>(blocks, i, start, &mut plain, &mut along);
                    }
                    plain.end_block();
                    along.end_block();
                    start += len;
                }
                let plain = V::<T, S>::splat(simd, plain.finish()) / count;
                let along = V::<T, S>::splat(simd, along.finish()) / count;
                let target = RowOut { y: self.y.add(r * n), step: 1 };
                let mut start = 0;
                while start < n {
                    let len = BLOCK.min(n - start);
                    let x = x_row.block(simd, x_short, start, len, &mut x_stage);
                    let g = g_row.block(simd, g_short, start, len, &mut g_stage);
                    let blocks = [x, g];
                    let mut i = 0;
                    while i + V::<T, S>::LANES <= len {
                        at.write::<true>(blocks, i, start, [plain, along], target);
                        i += V::<T, S>::LANES;
                    }
                    if i < len {
                        at.write::<false>(blocks, i, start, [plain, along], target);
                    }
                    start += len;
                }
            }
        }
    }
}

/// What is known of a row.
struct Row<T: FloatElem, S: Simd> {
    simd: S,
    mean: V<T, S>,
    rstd: V<T, S>,
    weight: *const T,
    sums: *mut T::Compute,
    n: usize,
}

impl<T: FloatElem, S: Simd> Row<T, S> {
    /// The normalised input, the gradient, and that times the weight: at place `i` of the blocks that begin at `start`.
    ///
    /// # Safety
    /// Blocks and row are there; where `WHOLE`, so is every element of the vector.
    #[inline(always)]
    unsafe fn operands<const WHOLE: bool>(
        &self,
        [x, g]: [Block<T::Compute>; 2],
        i: usize,
        start: usize,
    ) -> [V<T, S>; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let normal = (x.load_part::<_, WHOLE>(i, self.mean) - self.mean) * self.rstd;
            let g = g.load_part::<_, WHOLE>(i, V::<T, S>::zero(self.simd));
            let mut h = g;
            if !self.weight.is_null() {
                h = g * load::<T, S, WHOLE>(self.simd, self.weight, start + i, self.n);
            }
            [normal, g, h]
        }
    }

    /// Takes [`WIDTH`] elements into the sums over the row.
    ///
    /// # Safety
    /// As for [`operands`](Row::operands), for all the elements.
    #[inline(always)]
    unsafe fn take<const WHOLE: bool>(
        &self,
        blocks: [Block<T::Compute>; 2],
        i: usize,
        start: usize,
        plain: &mut Sum<V<T, S>>,
        along: &mut Sum<V<T, S>>,
    ) {
        for k in 0..vectors::<V<T, S>>() {
            // SAFETY: the caller's promise.
            let [normal, _, h] = unsafe { self.operands::<WHOLE>(blocks, i + k * V::<T, S>::LANES, start) };
            plain.add(k, h);
            along.add_product(k, h, normal);
        }
    }

    /// Writes a vector of the input's gradient, and adds one to the sums over rows.
    ///
    /// # Safety
    /// As for [`operands`](Row::operands); the sums have room for two rows.
    #[inline(always)]
    unsafe fn write<const WHOLE: bool>(
        &self,
        blocks: [Block<T::Compute>; 2],
        i: usize,
        start: usize,
        [plain, along]: [V<T, S>; 2],
        target: RowOut<T>,
    ) {
        let (simd, n, at) = (self.simd, self.n, start + i);
        // SAFETY: the caller's promise.
        unsafe {
            let [normal, g, h] = self.operands::<WHOLE>(blocks, i, start);
            if !self.weight.is_null() {
                add_to::<_, WHOLE>(simd, self.sums, at, n, g * normal);
                add_to::<_, WHOLE>(simd, self.sums.add(n), at, n, g);
            }
            let value = self.rstd * normal.neg_mul_add(along, h - plain);
            if WHOLE { T::store(simd, value, target.y.add(at)) } else { target.put(simd, at, n, value) }
        }
    }
}

/// Adds a vector to the elements from `at` of `n` on, as far as they go; where `WHOLE`, all of it.
///
/// # Safety
/// `n` elements are readable and writable, and what `WHOLE` says is so.
#[inline(always)]
unsafe fn add_to<V: FloatVec, const WHOLE: bool>(
    simd: V::Token,
    sums: *mut V::Elem,
    at: usize,
    n: usize,
    x: V,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if WHOLE {
            (V::load(simd, sums.add(at)) + x).store(sums.add(at));
        } else {
            (V::load_first(simd, sums.add(at), n - at) + x).store_first(sums.add(at), n - at);
        }
    }
}

/// The sums of all chunks, added in their order.
struct Collect<T: FloatElem> {
    sums: *const T::Compute,
    chunks: usize,
    columns: usize,
    range: Range<usize>,
    out: Gradients<T>,
}

impl<T: FloatElem> Kernel for Collect<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (i, y) in [self.out.weight, self.out.bias].into_iter().enumerate() {
            let target = RowOut { y, step: 1 };
            let mut at = self.range.start;
            while at < self.range.end {
                let mut sum = V::<T, S>::zero(simd);
                // SAFETY: every chunk has two rows of sums.
                unsafe {
                    for c in 0..self.chunks {
                        let row = self.sums.add((2 * c + i) * self.columns);
                        sum = sum + peek::<V<T, S>>(simd, row, at, self.columns);
                    }
                    target.put(simd, at, self.range.end, sum);
                }
                at += V::<T, S>::LANES;
            }
        }
    }
}
