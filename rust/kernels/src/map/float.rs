//! Formulas on floats.
use super::drive::{BLOCK, Row, contiguous, drive, drive_contiguous, grain};
use super::gaps::gather;
use super::{Formula, stream};
use crate::operand::{In, Out};
use crate::simd::{
    Float, FloatElem, FloatVec, Kernel, LINE, Level, MAX_LANES, Simd, before_whole, dispatch,
    dispatch_unchecked, level,
};
use std::mem::MaybeUninit;

/// `y = f(x...)`, element by element. 16-bit types are computed in `f32` and rounded once.
///
/// # Safety
/// The operands are valid for `shape` and their strides; `y` may be exactly one of the inputs (same pointer, same
/// strides), and overlaps them in no other way.
#[inline]
pub unsafe fn float<T: FloatElem, F: Formula<N>, const N: usize>(
    f: F,
    shape: &[usize],
    x: [In<T>; N],
    y: Out<T>,
) {
    let whole = contiguous(shape, &x, &y);
    let formula = (&raw const f).cast();
    // SAFETY: the caller's promise. Where the element is what is computed in, its pointers are the row's.
    unsafe {
        if T::IS_COMPUTE {
            let x = x.map(|x| In { ptr: x.ptr.cast::<T::Compute>(), strides: x.strides });
            let y = Out { ptr: y.ptr.cast::<T::Compute>(), strides: y.strides };
            match whole {
                Some(n) if n < 2 * grain(F::WEIGHT) => {
                    dispatch(Loop { f, x: x.map(|x| x.ptr), step: [1; N], y: y.ptr, n, past: false })
                }
                Some(n) => drive_contiguous(
                    row::<T::Compute, F, N>(),
                    formula,
                    F::WEIGHT,
                    n,
                    x.map(|x| x.ptr),
                    y.ptr,
                ),
                None => drive(row::<T::Compute, F, N>(), formula, F::WEIGHT, shape, x, y),
            }
        } else {
            let wrapped = Halves::<T, N> { row: row::<T::Compute, F, N>(), formula, level: level() };
            let formula = (&raw const wrapped).cast();
            match whole {
                Some(n) => drive_contiguous(half_row::<T, N>, formula, F::WEIGHT, n, x.map(|x| x.ptr), y.ptr),
                None => drive(half_row::<T, N>, formula, F::WEIGHT, shape, x, y),
            }
        }
    }
}

/// One row at the level's vectors.
struct Loop<T, F, const N: usize> {
    f: F,
    x: [*const T; N],
    step: [usize; N],
    y: *mut T,
    n: usize,
    /// Whether to store past the caches.
    past: bool,
}

/// How many vectors of a cheap formula are computed before they are written.
const GROUP: usize = 4;

/// # Safety
/// As for [`FloatVec::store`] or, where it is to go past the caches, [`FloatVec::stream`].
#[inline(always)]
unsafe fn put<V: FloatVec>(value: V, to: *mut V::Elem, past: bool) {
    // SAFETY: the caller's promise.
    unsafe { if past { value.stream(to) } else { value.store(to) } }
}

/// A vector of a row.
///
/// # Safety
/// The row is as [`Row`] describes it, and has as many elements.
#[inline(always)]
unsafe fn get<V: FloatVec>(token: V::Token, x: *const V::Elem, step: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if step == 2 { V::load_every_second(token, x) } else { V::load(token, x) } }
}

/// The first `n` elements of a vector of a row.
///
/// # Safety
/// As for [`get`].
#[inline(always)]
unsafe fn get_first<V: FloatVec>(token: V::Token, x: *const V::Elem, step: usize, n: usize) -> V {
    if step != 2 {
        // SAFETY: the caller's promise.
        return unsafe { V::load_first(token, x, n) };
    }
    let mut together = [V::Elem::default(); MAX_LANES];
    // SAFETY: the caller's promise; the array holds the widest vector.
    unsafe {
        gather(x, 2, together.as_mut_ptr(), n);
        V::load(token, together.as_ptr())
    }
}

/// A load whose address ends in the same twelve bits as that of a store under way waits for it. So where the row of
/// `y` begins, but for whole pages, a few lines after one of `x`, as memory straight from the system does, each load would
/// wait for the store before; from the last vector to the first none does.
#[inline(always)]
fn backwards<T, const N: usize>(x: [*const T; N], step: [usize; N], y: *const T) -> bool {
    const PAGE: usize = 4096;
    const NEAR: usize = 512;
    let (mut after, mut before) = (NEAR, NEAR);
    for k in 0..N {
        let distance = y.addr().wrapping_sub(x[k].addr()) % PAGE;
        if step[k] == 1 && distance != 0 {
            after = after.min(distance);
            before = before.min(PAGE - distance);
        }
    }
    after < before
}

impl<T: Float, F: Formula<N>, const N: usize> Kernel for Loop<T, F, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { f, x, step, y, n, past } = self;
        let lanes = T::Vec::<S>::LANES;
        let mut v = [T::Vec::<S>::zero(simd); N];
        // Streaming stores are of whole, aligned vectors.
        let head = if past { before_whole(y, lanes * size_of::<T>(), n) } else { 0 };
        let count = (n - head) / lanes;
        let tail = head + count * lanes;
        let (mut i, mut by) = (head, lanes);
        if count > 1 && backwards(x, step, y) {
            (i, by) = (tail - lanes, lanes.wrapping_neg());
        }
        let mut left = count;
        // SAFETY: rows as `Row` describes them: n elements, or a vector of copies.
        unsafe {
            // Of cheap formulas several at a time, all read before any is written: for what one direction does not cure.
            while F::WEIGHT == 1 && left >= GROUP {
                let mut values = [v[0]; GROUP];
                for (j, value) in values.iter_mut().enumerate() {
                    let i = i.wrapping_add(j.wrapping_mul(by));
                    for k in 0..N {
                        v[k] = get(simd, x[k].add(i * step[k]), step[k]);
                    }
                    *value = f.eval(v);
                }
                for value in values {
                    put(value, y.add(i), past);
                    i = i.wrapping_add(by);
                }
                left -= GROUP;
            }
            for _ in 0..left {
                for k in 0..N {
                    v[k] = get(simd, x[k].add(i * step[k]), step[k]);
                }
                put(f.eval(v), y.add(i), past);
                i = i.wrapping_add(by);
            }
            for (i, n) in [(0, head), (tail, n - tail)] {
                if n > 0 {
                    for k in 0..N {
                        v[k] = get_first(simd, x[k].add(i * step[k]), step[k], n);
                    }
                    f.eval(v).store_first(y.add(i), n);
                }
            }
        }
    }
}

/// The row function at the chosen level.
fn row<T: Float, F: Formula<N>, const N: usize>() -> Row<T, T, N> {
    /// # Safety
    /// As `Row`; the machine supports the level.
    unsafe fn at<S: Simd, T: Float, F: Formula<N>, const N: usize>(
        f: *const (),
        x: [*const T; N],
        step: [usize; N],
        y: *mut T,
        n: usize,
        past: bool,
    ) {
        // SAFETY: the level is supported, and the formula is of this type.
        unsafe { S::new_unchecked().vectorize(Loop { f: *f.cast::<F>(), x, step, y, n, past }) }
    }
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => at::<crate::simd::Avx512, T, F, N>,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => at::<crate::simd::Avx2, T, F, N>,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => at::<crate::simd::Neon, T, F, N>,
        _ => at::<crate::simd::Portable, T, F, N>,
    }
}

/// How a row of 16-bit floats is computed: by the row function of the type they are widened to.
struct Halves<T: FloatElem, const N: usize> {
    row: Row<T::Compute, T::Compute, N>,
    formula: *const (),
    level: Level,
}

/// # Safety
/// As `Row`; the formula is a [`Halves`].
unsafe fn half_row<T: FloatElem, const N: usize>(
    formula: *const (),
    x: [*const T; N],
    step: [usize; N],
    y: *mut T,
    n: usize,
    past: bool,
) {
    // SAFETY: the caller's promise.
    let Halves { row, formula, level } = unsafe { &*formula.cast::<Halves<T, N>>() };
    let mut wide = [[MaybeUninit::<T::Compute>::uninit(); BLOCK]; N];
    let mut together = [MaybeUninit::<T>::uninit(); BLOCK];
    let mut out = [MaybeUninit::<T::Compute>::uninit(); BLOCK];
    let mut lines = Lines([MaybeUninit::<T>::uninit(); BLOCK]);
    let lines = lines.0.as_mut_ptr().cast::<T>();
    let mut start = 0;
    // The first block ends where the first line does.
    let mut len = if past { before_whole(y, LINE, n) } else { 0 };
    while start < n {
        if len == 0 {
            len = BLOCK.min(n - start);
        }
        // SAFETY: rows as `Row` describes them; blocks hold what is asked for; the level was chosen by `level()`.
        unsafe {
            for k in 0..N {
                let n = if step[k] == 0 { MAX_LANES } else { len };
                let mut x = x[k].add(start * step[k]);
                if step[k] == 2 {
                    gather(x, 2, together.as_mut_ptr().cast(), n);
                    x = together.as_ptr().cast();
                }
                let kernel = Widen { x, y: wide[k].as_mut_ptr().cast(), n };
                dispatch_unchecked(*level, kernel);
            }
            let ptrs = std::array::from_fn(|k| wide[k].as_ptr().cast());
            row(*formula, ptrs, step.map(|step| step.min(1)), out.as_mut_ptr().cast(), len, false);
            let y = y.add(start);
            let aligned = past && y.addr().is_multiple_of(LINE);
            let narrow = Narrow { x: out.as_ptr().cast(), y: if aligned { lines } else { y }, n: len };
            dispatch_unchecked(*level, narrow);
            if aligned {
                stream::lines(*level, lines, y, len);
            }
        }
        start += len;
        len = 0;
    }
}

/// A block of results on their way past the caches.
#[repr(align(64))]
struct Lines<T>([MaybeUninit<T>; BLOCK]);

struct Widen<T: FloatElem> {
    x: *const T,
    y: *mut T::Compute,
    n: usize,
}

impl<T: FloatElem> Kernel for Widen<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = <T::Compute as Float>::Vec::<S>::LANES;
        let mut i = 0;
        // SAFETY: n elements lie at both pointers.
        unsafe {
            while i + lanes <= self.n {
                T::load(simd, self.x.add(i)).store(self.y.add(i));
                i += lanes;
            }
            T::load_first(simd, self.x.add(i), self.n - i).store_first(self.y.add(i), self.n - i);
        }
    }
}

struct Narrow<T: FloatElem> {
    x: *const T::Compute,
    y: *mut T,
    n: usize,
}

impl<T: FloatElem> Kernel for Narrow<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = <T::Compute as Float>::Vec::<S>::LANES;
        let mut i = 0;
        // SAFETY: n elements lie at both pointers.
        unsafe {
            while i + lanes <= self.n {
                T::store(simd, FloatVec::load(simd, self.x.add(i)), self.y.add(i));
                i += lanes;
            }
            T::store_first(
                simd,
                FloatVec::load_first(simd, self.x.add(i), self.n - i),
                self.y.add(i),
                self.n - i,
            );
        }
    }
}
