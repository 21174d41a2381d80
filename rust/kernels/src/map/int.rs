//! Formulas on integers, comparisons and selection: plain loops, which the compiler turns into the level's vectors.
use super::drive::{BLOCK, MAX_OPERANDS, PLAIN, drive};
use super::gaps::gather;
use super::rows::{Row, Rows};
use super::{Comparison, IntElem, IntFormula};
use crate::nest::Nest;
use crate::operand::{In, Out, Shared};
use crate::pool;
use crate::simd::{self, Kernel, Simd, level};
use std::mem::MaybeUninit;

/// `y = f(x...)`, element by element; arithmetic wraps.
///
/// # Safety
/// As for [`float`](super::float()).
pub unsafe fn int<T: IntElem, F: IntFormula<N>, const N: usize>(
    f: F,
    shape: &[usize],
    x: [In<T>; N],
    y: Out<T>,
) {
    let row = row::<T, T, Wrapping<F>, N>();
    // SAFETY: the caller's promise; the row is of this formula.
    unsafe { drive(row, (&raw const f).cast(), PLAIN, shape, x, y) }
}

/// `y = f(a, b)` as 0 or 1, element by element, for any type that has an order; truth values compare as `u8`.
///
/// # Safety
/// As for [`float`](super::float()); `y` may not be an input unless the elements are of one size.
pub unsafe fn compare<T: Copy + PartialOrd, F: Comparison>(
    f: F,
    shape: &[usize],
    a: In<T>,
    b: In<T>,
    y: Out<u8>,
) {
    let row = row::<T, u8, Comparing<F>, 2>();
    // SAFETY: the caller's promise; the row is of this formula.
    unsafe { drive(row, (&raw const f).cast(), PLAIN, shape, [a, b], y) }
}

/// What a row computes of each element. A trait of its own, because formulas name no output type.
trait Scalar<A, B, const N: usize>: Copy {
    fn eval(self, x: [A; N]) -> B;
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Wrapping<F>(F);
impl<T: IntElem, F: IntFormula<N>, const N: usize> Scalar<T, T, N> for Wrapping<F> {
    #[inline(always)]
    fn eval(self, x: [T; N]) -> T {
        self.0.eval(x)
    }
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Comparing<F>(F);
impl<T: PartialOrd + Copy, F: Comparison> Scalar<T, u8, 2> for Comparing<F> {
    #[inline(always)]
    fn eval(self, [a, b]: [T; 2]) -> u8 {
        u8::from(self.0.holds(a, b))
    }
}

struct Loop<A, B, F, const N: usize> {
    f: F,
    rows: Rows<A, B, N>,
}

impl<A: Copy, B: Copy, F: Scalar<A, B, N>, const N: usize> Kernel for Loop<A, B, F, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for r in 0..self.rows.count {
            self.rows.ask_for_next(r);
            self.row(self.rows.at(r, 0));
        }
    }
}

impl<A: Copy, B: Copy, F: Scalar<A, B, N>, const N: usize> Loop<A, B, F, N> {
    #[inline(always)]
    fn row(&self, (rows, y): ([*const A; N], *mut B)) {
        let Rows { step, n, .. } = self.rows;
        // Steps the compiler does not know would keep it from using vectors, so what repeats or has gaps is written out in a block.
        let mut blocks = [[MaybeUninit::<A>::uninit(); BLOCK]; N];
        for k in 0..N {
            if step[k] == 0 {
                // SAFETY: the pointer leads to the element that repeats.
                blocks[k][..BLOCK.min(n)].fill(MaybeUninit::new(unsafe { *rows[k] }));
            }
        }
        let longest = if step == [1; N] { n } else { BLOCK };
        let (mut x, mut start) = (rows, 0);
        while start < n {
            let len = longest.min(n - start);
            for k in 0..N {
                let row = rows[k].wrapping_add(start * step[k]);
                if step[k] == 2 {
                    // SAFETY: rows as `Row` describes them; the block holds as many.
                    unsafe { gather(row, 2, blocks[k].as_mut_ptr().cast(), len) };
                }
                x[k] = if step[k] == 1 { row } else { blocks[k].as_ptr().cast() };
            }
            for i in 0..len {
                // SAFETY: rows as `Row` describes them, or blocks.
                unsafe {
                    let mut v = [*x[0].add(i); N];
                    for k in 1..N {
                        v[k] = *x[k].add(i);
                    }
                    *y.add(start + i) = self.f.eval(v);
                }
            }
            start += len;
        }
    }
}

/// The row function at the chosen level.
fn row<A: Copy, B: Copy, F: Scalar<A, B, N>, const N: usize>() -> Row<A, B, N> {
    /// # Safety
    /// As `Row`; the machine supports the level.
    unsafe fn at<S: Simd, A: Copy, B: Copy, F: Scalar<A, B, N>, const N: usize>(
        f: *const (),
        rows: &Rows<A, B, N>,
    ) {
        // SAFETY: the level is supported, and the formula is of this type.
        unsafe { S::new_unchecked().vectorize(Loop { f: *f.cast::<F>(), rows: *rows }) }
    }
    match level() {
        // 512-bit vectors bring nothing that 256 bits do not, for so little arithmetic.
        #[cfg(target_arch = "x86_64")]
        simd::Level::Avx512 | simd::Level::Avx2 => at::<simd::Avx2, A, B, F, N>,
        _ => at::<simd::Portable, A, B, F, N>,
    }
}

/// Below so many elements for each, a second thread costs more than it brings.
const GRAIN: usize = 32 << 10;

/// `y = cond ? a : b`, element by element; any `cond` but 0 is true.
///
/// # Safety
/// As for [`float`](super::float()).
pub unsafe fn select<T: Copy + Send + Sync>(shape: &[usize], cond: In<u8>, a: In<T>, b: In<T>, y: Out<T>) {
    let strides = [cond.strides, a.strides, b.strides, y.strides];
    let Some(mut nest) = Nest::sorted(shape, strides, MAX_OPERANDS) else { return };
    let (n, inner) = nest.take_inner();
    let ptrs = Shared((cond.ptr, a.ptr, b.ptr, y.ptr));
    let rows = nest.count();
    // One long row is cut, many are shared out.
    let piece = 4096;
    let pieces = n.div_ceil(piece);
    let level = level();
    pool::chunks(rows * pieces, GRAIN.div_ceil(n.min(piece)), |range| {
        for at in range {
            let first = at % pieces * piece;
            nest.each(at / pieces..at / pieces + 1, |offset| {
                let (cond, a, b, y) = ptrs.get();
                let shift = |k: usize| offset[k] + first as isize * inner[k];
                // SAFETY: the offsets lie inside the operands; the level was chosen by `level()`.
                unsafe {
                    let ptrs =
                        (cond.offset(shift(0)), a.offset(shift(1)), b.offset(shift(2)), y.offset(shift(3)));
                    let kernel = Select { ptrs, steps: inner, n: piece.min(n - first) };
                    crate::simd::dispatch_unchecked(level, kernel);
                }
            });
        }
    });
}

struct Select<T> {
    ptrs: (*const u8, *const T, *const T, *mut T),
    steps: [isize; 4],
    n: usize,
}

impl<T: Copy> Kernel for Select<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // Steps known to the compiler become vectors.
        match self.steps {
            [1, 1, 1, 1] => self.steps([1, 1, 1, 1]),
            [1, 0, 1, 1] => self.steps([1, 0, 1, 1]),
            [1, 1, 0, 1] => self.steps([1, 1, 0, 1]),
            steps => self.steps(steps),
        }
    }
}

impl<T: Copy> Select<T> {
    #[inline(always)]
    fn steps(self, [c, a, b, y]: [isize; 4]) {
        let (cond, left, right, out) = self.ptrs;
        for i in 0..self.n as isize {
            // SAFETY: n elements lie at the pointers in these steps.
            unsafe {
                // Both are read, so that it is a blend and not a branch.
                let (l, r) = (*left.offset(i * a), *right.offset(i * b));
                *out.offset(i * y) = if *cond.offset(i * c) != 0 { l } else { r };
            }
        }
    }
}
