//! Matrix products: `c = activation(alpha * a b + beta * c + bias)`, any strides, batches.
//!
//! # The arithmetic of an element
//!
//! It depends on shape and dtype alone, so that every path below, every tile shape, SIMD level and number of threads
//! gives the same bits:
//!
//! - `k` is cut into equal blocks of at most [`GemmElem::K_BLOCK`] (the last may be shorter);
//! - in a block, products are added one by one, in order, each with one rounding (`fma`), starting from zero;
//! - block by block, `c = fma(alpha, block, beta * c)` at the first (where `beta == 0`, `c` is not read) and
//!   `c = fma(alpha, block, c)` at later ones;
//! - then the bias is added and the activation applied, and last the gate.
//!
//! The products and sums of bfloat16 are `f32`, and stay so from block to block: the result is rounded once, to the nearest,
//! ties to even. In each pair of neighbours along `k` the second product is added before the first. (Only subnormal numbers
//! are not the same everywhere: where the machine multiplies pairs, it may take them for zero.)
//!
//! Products of one row or one column have a sum of their own in each block, see `gemv/mod.rs`.
//!
//! # The paths
//!
//! One loop nest serves all shapes. Columns of `c` lie across vector lanes, rows are broadcast. `b` is packed into panels
//! where its columns are not neighbours or where enough rows use it again; a few rows of `a` at a time are packed where
//! enough columns do. What is not packed is read in place, so a small product costs nothing but itself. Threads share out
//! tiles; where a result has few but `k` is long, blocks of `k`, see `split.rs`.
mod block;
mod blocking;
mod driver;
mod epilogue;
mod fetch;
mod gemv;
mod multiply;
mod pack;
mod pairs;
mod product;
mod row_sums;
mod shares;
mod split;
mod tile;
mod turned_b;
mod turned_c;

use crate::MAX_RANK;
use crate::nest::Nest;
use crate::pool;
use crate::simd::{self, Float, FloatElem};
use half::bf16;
use multiply::Multiply;
use product::Product;
use std::ops::Range;

pub use row_sums::{gemm_and_row_sums, row_sums_workspace};

/// A dtype that matrices may have.
pub trait GemmElem: FloatElem {
    /// The longest run of products added up before the sum goes to `c`.
    const K_BLOCK: usize;
    /// How the machine may multiply it best.
    type Multiply: Multiply<Sum<Self>>;
    /// Room for the rows of a block that are packed together.
    type Rows: Copy;
}

/// What products of a dtype are added up in.
type Sum<E> = <E as FloatElem>::Compute;
type Vector<E, S> = <Sum<E> as Float>::Vec<S>;

/// A dtype whose products are added up in itself.
pub trait Single: Float + FloatElem<Compute = Self> {}
impl<T: Float + FloatElem<Compute = Self>> Single for T {}

macro_rules! elements {
    ($($elem:ty, $block:literal, $multiply:ty;)+) => { $(
        impl GemmElem for $elem {
            const K_BLOCK: usize = $block;
            type Multiply = $multiply;
            type Rows = [[Sum<$elem>; $block]; blocking::ROW_TILES * blocking::MAX_ROWS];
        }
    )+ };
}

elements! {
    f32, 512, multiply::Ones;
    f64, 256, multiply::Ones;
    bf16, 1024, multiply::Pairs;
}

/// What is done to each element last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`; NaN stays.
    Relu,
}

/// A product of an `m` by `k` and a `k` by `n` matrix. Strides are from row to row (`rs`) and from column to column
/// (`cs`), in elements; those of `a` and `b` may be zero or negative, `c`'s elements lie apart.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<T: GemmElem> {
    /// Rows of `a` and `c`.
    pub m: usize,
    /// Columns of `b` and `c`.
    pub n: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// The left matrix.
    pub a: *const T,
    /// From row to row of `a`.
    pub a_rs: isize,
    /// From column to column of `a`.
    pub a_cs: isize,
    /// The right matrix.
    pub b: *const T,
    /// From row to row of `b`.
    pub b_rs: isize,
    /// From column to column of `b`.
    pub b_cs: isize,
    /// The result.
    pub c: *mut T,
    /// From row to row of `c`.
    pub c_rs: isize,
    /// From column to column of `c`.
    pub c_cs: isize,
    /// The factor of the product.
    pub alpha: T::Compute,
    /// The factor of what `c` held; 0 does not read it, so that it may be anything.
    pub beta: T::Compute,
    /// Added to each row: one value a column, and their stride.
    pub bias: Option<(*const T, isize)>,
    /// Applied to the sum.
    pub activation: Activation,
    /// Where this, a matrix like `c`, is not above zero, the result is zero: the way of a gradient back through a relu whose
    /// result that was. Its first element, and its strides.
    pub gate: Option<(*const T, isize, isize)>,
}

/// Further dimensions, each with its step through the three matrices. The bias is the same for all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// The extents.
    pub shape: &'a [usize],
    /// The strides of `a`; zero repeats it.
    pub a: &'a [isize],
    /// The strides of `b`; zero repeats it.
    pub b: &'a [isize],
    /// The strides of `c`.
    pub c: &'a [isize],
}

/// The bytes of scratch [`gemm`] needs for an `m` by `k` times `k` by `n` product, or for a batch of them, whatever the
/// strides.
pub fn workspace<T: GemmElem>(m: usize, n: usize, k: usize, is_batch: bool) -> usize {
    // Mostly asked for, and by products that take less time than the rest of this.
    if !is_batch && k <= T::K_BLOCK && driver::is_small::<T>(m.min(n), m.max(n), k) {
        return 0;
    }
    let bytes = |m, n| {
        // Products of a batch may be folded into a larger one.
        let is_small = !is_batch && driver::is_small::<T>(m, n, k);
        let packed = if is_small { 0 } else { driver::scratch_bytes::<T>(m, n, k) };
        packed.max(split::bytes::<T>(m, n, k))
    };
    // A result whose columns are its close dimension is computed transposed.
    bytes(m, n).max(bytes(n, m))
}

/// Computes the product for each element of the batch.
///
/// # Safety
/// The pointers must be valid for their shapes and strides, `c` must overlap nothing else, and `scratch` must hold
/// [`workspace`] bytes, of any alignment.
pub unsafe fn gemm<T: GemmElem>(problem: &Gemm<T>, batch: Batch, scratch: *mut u8) {
    if batch.shape.is_empty() {
        // SAFETY: as promised by the caller.
        unsafe { multiply_and(problem, scratch, None) };
        return;
    }
    debug_assert!(batch.shape.len() <= MAX_RANK);
    let level = simd::level();
    let mut product = Product::new(problem);
    if product.m == 0 || product.n == 0 {
        return;
    }
    let Some(mut nest) = Nest::ordered(batch.shape, [batch.a, batch.b, batch.c]) else { return };
    nest.merge();
    fold(&mut nest, &mut product, problem);
    let count = nest.count();
    if count > 1 && driver::is_small::<T>(product.m, product.n, product.k) {
        let grain = blocking::GRAIN.div_ceil(product.work());
        pool::chunks(count, grain, |range| {
            // SAFETY: as promised by the caller; small products use no scratch.
            nest.each(range, |offsets| unsafe {
                driver::run(level, &product.shifted(offsets), std::ptr::null_mut(), false, None);
            });
        });
    } else {
        // SAFETY: as promised by the caller.
        nest.each(0..count, |offsets| unsafe {
            driver::run(level, &product.shifted(offsets), scratch, true, None);
        });
    }
}

/// What is to be done with some rows of `a` that have just been multiplied.
type WithRows<'a> = Option<&'a (dyn Fn(Range<usize>) + Sync)>;

/// Computes one product, and tells whether `with` was called for all rows, some at a time: where threads share them out.
///
/// # Safety
/// As for [`gemm`].
unsafe fn multiply_and<T: GemmElem>(problem: &Gemm<T>, scratch: *mut u8, with: WithRows) -> bool {
    let product = Product::new(problem);
    if product.m == 0 || product.n == 0 {
        return false;
    }
    let with = with.filter(|_| !product.is_transposed);
    // SAFETY: as promised by the caller; `level` is supported.
    unsafe { driver::run(simd::level(), &product, scratch, true, with) }
}

/// Makes rows of the innermost batch dimension where that changes nothing but the number of products:
/// `b` is the same for all, and `a` and `c` go on where the last product ended.
fn fold<T: GemmElem>(nest: &mut Nest<3>, product: &mut Product<T>, problem: &Gemm<T>) {
    // One row alone is summed in another order than several: whether it is alone must not depend on strides.
    if nest.rank() == 0 || product.is_transposed || product.m == 1 {
        return;
    }
    let inner = nest.rank() - 1;
    let m = product.m as isize;
    // More rows must not ask for more scratch than was asked for.
    let fits = |extent| {
        let needed = split::bytes::<T>(product.m * extent, product.n, product.k);
        !driver::waits::<T>(product.k) && needed <= workspace::<T>(problem.m, problem.n, problem.k, true)
    };
    if nest.strides(inner) == [m * problem.a_rs, 0, m * problem.c_rs] && fits(nest.extent(inner)) {
        let (extent, _) = nest.take(inner);
        product.m *= extent;
    }
}

#[cfg(test)]
mod tests;
