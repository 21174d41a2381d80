//! Formulas on floats.
use super::adjacent::{self, Adjacent};
use super::drive::{BLOCK, Cost, SHORT, contiguous, drive, drive_contiguous, grain, one_row};
use super::gaps::gather;
use super::rows::{ACROSS, Line, Row, Rows};
use super::squares::{self, Squares};
use super::{Formula, stream};
use crate::operand::{In, Out};
use crate::simd::{
    Aligned, Float, FloatElem, FloatVec, Kernel, LINE, Level, MAX_LANES, Simd, before_whole, dispatch,
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
    // The more a formula costs, the more does a vector that is mostly empty.
    let cost = Cost { weight: F::WEIGHT, shortest: F::WEIGHT / 2, squares: false, adjacent: None };
    // SAFETY: the caller's promise. Where the element is what is computed in, its pointers are the row's.
    unsafe {
        if T::IS_COMPUTE {
            let x = x.map(|x| In { ptr: x.ptr.cast::<T::Compute>(), strides: x.strides });
            let y = Out { ptr: y.ptr.cast::<T::Compute>(), strides: y.strides };
            match whole {
                Some(n) if n < 2 * grain(F::WEIGHT) => {
                    dispatch(Contiguous { f, x: x.map(|x| x.ptr), y: y.ptr, n, past: false })
                }
                Some(n) => drive_contiguous(
                    row::<T::Compute, F, N>(),
                    formula,
                    F::WEIGHT,
                    n,
                    x.map(|x| x.ptr),
                    y.ptr,
                ),
                None => {
                    if let Some((n, step)) = one_row(shape, &x, &y)
                        && n < 2 * grain(F::WEIGHT)
                    {
                        let rows = Rows { step, ..Rows::contiguous(x.map(|x| x.ptr), y.ptr, n, false) };
                        return dispatch(Loop { f, rows });
                    }
                    let (squares, adjacent) =
                        (squares::pay::<T::Compute, F, N>(level()), adjacent::shortest::<T::Compute, F, N>());
                    let cost = Cost { squares, adjacent, ..cost };
                    drive(row::<T::Compute, F, N>(), formula, cost, shape, x, y)
                }
            }
        } else {
            let wrapped = Halves::<T, N> { row: row::<T::Compute, F, N>(), formula, level: level() };
            let formula = (&raw const wrapped).cast();
            match whole {
                Some(n) => {
                    drive_contiguous(half_rows::<T, N>, formula, F::WEIGHT, n, x.map(|x| x.ptr), y.ptr)
                }
                None => drive(half_rows::<T, N>, formula, Cost { shortest: SHORT, ..cost }, shape, x, y),
            }
        }
    }
}

/// Rows at the level's vectors.
struct Loop<T, F, const N: usize> {
    f: F,
    rows: Rows<T, T, N>,
}

/// One row of operands that are all contiguous: compiled by itself, so that nothing is asked at each vector.
struct Contiguous<T, F, const N: usize> {
    f: F,
    x: [*const T; N],
    y: *mut T,
    n: usize,
    past: bool,
}

impl<T: Float, F: Formula<N>, const N: usize> Kernel for Contiguous<T, F, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { f, x, y, n, past } = self;
        Loop { f, rows: Rows::contiguous(x, y, n, past) }.run(simd);
    }
}

/// How many vectors of a cheap formula are computed before they are written.
pub(super) const GROUP: usize = 4;

/// Whether rows are computed a vector wide from the first to the last, not one after the other.
#[inline(always)]
fn is_short<T, const N: usize>(rows: &Rows<T, T, N>) -> bool {
    rows.count > 1 && !rows.past && rows.n * size_of::<T>() <= 4 * LINE
}

/// # Safety
/// As for [`FloatVec::store`] or, where it is to go past the caches, [`FloatVec::stream`].
#[inline(always)]
pub(super) unsafe fn put<V: FloatVec>(value: V, to: *mut V::Elem, past: bool) {
    // SAFETY: the caller's promise.
    unsafe { if past { value.stream(to) } else { value.store(to) } }
}

/// A vector of a row.
///
/// # Safety
/// The row is as [`Rows`] describes it, and has as many elements.
#[inline(always)]
unsafe fn get<V: FloatVec>(token: V::Token, x: *const V::Elem, step: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        match step {
            0 => V::splat(token, *x),
            2 => V::load_every_second(token, x),
            _ => V::load(token, x),
        }
    }
}

/// The first `n` elements of a vector of a row.
///
/// # Safety
/// As for [`get`].
#[inline(always)]
unsafe fn get_first<V: FloatVec>(token: V::Token, x: *const V::Elem, step: usize, n: usize) -> V {
    // SAFETY: the caller's promise; the array holds the widest vector.
    unsafe {
        match step {
            0 => V::splat(token, *x),
            2 => {
                let mut together = [V::Elem::default(); MAX_LANES];
                gather(x, 2, together.as_mut_ptr(), n);
                V::load(token, together.as_ptr())
            }
            _ => V::load_first(token, x, n),
        }
    }
}

impl<T: Float, F: Formula<N>, const N: usize> Kernel for Loop<T, F, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { f, rows } = self;
        let Rows { step, count, n, past, .. } = rows;
        let lanes = T::Vec::<S>::LANES;
        let downwards = is_short(&rows);
        let lines = if downwards { (n / lanes).max(1) } else { count };
        // One element for a whole row is written out once, and read like any other vector.
        let written_out = !downwards && (0..N).any(|k| step[k] == 0) && (0..N).all(|k| step[k] < 2);
        for line in 0..lines {
            let (whole, parts) = if downwards { rows.down(line, lanes) } else { rows.along(line, lanes) };
            // SAFETY: rows as `Rows` describes them.
            unsafe {
                if written_out {
                    with_repeated(simd, f, whole, step, past);
                } else {
                    vectors(simd, f, whole, step, past);
                }
                for Line { mut x, mut y, by, y_by, count, len } in parts {
                    for _ in 0..count {
                        let mut v = [T::Vec::<S>::zero(simd); N];
                        for k in 0..N {
                            v[k] = get_first(simd, x[k], step[k], len);
                            x[k] = x[k].wrapping_offset(by[k]);
                        }
                        f.eval(v).store_first(y, len);
                        y = y.wrapping_offset(y_by);
                    }
                }
            }
        }
    }
}

/// Computes whole vectors, some operands being one element all along.
///
/// # Safety
/// As for [`vectors`].
#[inline(always)]
unsafe fn with_repeated<S: Simd, T: Float, F: Formula<N>, const N: usize>(
    simd: S,
    f: F,
    mut line: Line<T, T, N>,
    step: [usize; N],
    past: bool,
) {
    if line.count == 0 {
        return;
    }
    // Each in one cache line, so that it can be read as soon as it is written.
    let mut repeated = [Aligned([T::default(); MAX_LANES]); N];
    // SAFETY: the caller's promise; there is room for the widest vector.
    unsafe {
        for k in (0..N).filter(|&k| step[k] == 0) {
            T::Vec::<S>::splat(simd, *line.x[k]).store(repeated[k].0.as_mut_ptr());
            line.x[k] = repeated[k].0.as_ptr();
        }
        vectors(simd, f, line, [1; N], past);
    }
}

/// Computes whole vectors.
///
/// # Safety
/// As for [`get`], and the same of `y`.
#[inline(always)]
unsafe fn vectors<S: Simd, T: Float, F: Formula<N>, const N: usize>(
    simd: S,
    f: F,
    Line { mut x, mut y, by, y_by, count: mut left, .. }: Line<T, T, N>,
    step: [usize; N],
    past: bool,
) {
    let mut v = [T::Vec::<S>::zero(simd); N];
    // SAFETY: the caller's promise.
    unsafe {
        // Of cheap formulas several at a time, all read before any is written: for what one direction does not cure.
        while F::WEIGHT == 1 && left >= GROUP {
            let mut values = [v[0]; GROUP];
            for value in &mut values {
                for k in 0..N {
                    v[k] = get(simd, x[k], step[k]);
                    x[k] = x[k].wrapping_offset(by[k]);
                }
                *value = f.eval(v);
            }
            for value in values {
                put(value, y, past);
                y = y.wrapping_offset(y_by);
            }
            left -= GROUP;
        }
        for _ in 0..left {
            for k in 0..N {
                v[k] = get(simd, x[k], step[k]);
                x[k] = x[k].wrapping_offset(by[k]);
            }
            put(f.eval(v), y, past);
            y = y.wrapping_offset(y_by);
        }
    }
}

/// The row function at the chosen level.
fn row<T: Float, F: Formula<N>, const N: usize>() -> Row<T, T, N> {
    /// # Safety
    /// As `Row`; the machine supports the level.
    unsafe fn at<S: Simd, T: Float, F: Formula<N>, const N: usize>(f: *const (), rows: &Rows<T, T, N>) {
        // SAFETY: the level is supported, and the formula is of this type.
        let (simd, f) = unsafe { (S::new_unchecked(), *f.cast::<F>()) };
        if squares::pay::<T, F, N>(S::LEVEL) {
            let rows = *rows;
            if rows.step[0] == ACROSS {
                return simd.vectorize(Squares::<T, F, N, 0> { f, rows });
            } else if rows.step[N - 1] == ACROSS {
                return simd.vectorize(Squares::<T, F, N, 1> { f, rows });
            }
        }
        if let Some(column) = adjacent::column::<T, F, N>(rows) {
            let rows = *rows;
            return match column {
                0 => simd.vectorize(Adjacent::<T, F, N, 0> { f, rows }),
                1 => simd.vectorize(Adjacent::<T, F, N, 1> { f, rows }),
                _ => simd.vectorize(Adjacent::<T, F, N, 2> { f, rows }),
            };
        }
        if rows.step != [1; N] || is_short(rows) {
            return simd.vectorize(Loop { f, rows: *rows });
        }
        for r in 0..rows.count {
            rows.ask_for_next(r);
            let (x, y) = rows.at(r, 0);
            simd.vectorize(Contiguous { f, x, y, n: rows.n, past: rows.past });
        }
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
unsafe fn half_rows<T: FloatElem, const N: usize>(formula: *const (), rows: &Rows<T, T, N>) {
    // SAFETY: the caller's promise.
    unsafe {
        let halves = &*formula.cast::<Halves<T, N>>();
        for r in 0..rows.count {
            rows.ask_for_next(r);
            let (x, y) = rows.at(r, 0);
            half_row(halves, x, rows.step, y, rows.n, rows.past);
        }
    }
}

/// # Safety
/// As [`half_rows`].
unsafe fn half_row<T: FloatElem, const N: usize>(
    Halves { row, formula, level }: &Halves<T, N>,
    x: [*const T; N],
    step: [usize; N],
    y: *mut T,
    n: usize,
    past: bool,
) {
    let mut wide = [[MaybeUninit::<T::Compute>::uninit(); BLOCK]; N];
    let mut together = [MaybeUninit::<T>::uninit(); BLOCK];
    let mut out = [MaybeUninit::<T::Compute>::uninit(); BLOCK];
    // Results on their way past the caches.
    let mut lines = Aligned([MaybeUninit::<T>::uninit(); BLOCK]);
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
                let n = if step[k] == 0 { 1 } else { len };
                let mut x = x[k].add(start * step[k]);
                if step[k] == 2 {
                    gather(x, 2, together.as_mut_ptr().cast(), n);
                    x = together.as_ptr().cast();
                }
                let kernel = Widen { x, y: wide[k].as_mut_ptr().cast(), n };
                dispatch_unchecked(*level, kernel);
            }
            let ptrs = std::array::from_fn(|k| wide[k].as_ptr().cast());
            let mut rows = Rows::contiguous(ptrs, out.as_mut_ptr().cast(), len, false);
            rows.step = step.map(|step| step.min(1));
            row(*formula, &rows);
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
