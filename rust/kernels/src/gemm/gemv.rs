//! Products of a vector and a matrix (one row, or one column, which is turned into a row).
//!
//! Memory is what takes time here, so each element of the matrix is read where it lies, in whichever order it lies. That
//! asks for a sum of its own: [`k_lanes`] partial sums, each of every so many products, in order (`fma` from zero), then
//! halved pairwise until one is left. What follows is as elsewhere.
use super::blocking::GRAIN;
use super::epilogue::{Finish, FinishTile};
use super::product::Product;
use super::{GemmElem, Single, Sum, Vector};
use crate::pool;
use crate::simd::{self, FloatVec, Kernel, Level, Simd};
use crate::transpose;
use std::mem::MaybeUninit;
use std::ops::Range;

/// How many partial sums an element has: a cache line of them.
const fn k_lanes<T>() -> usize {
    64 / size_of::<T>()
}

/// Columns dealt with at a time; few, so that their sums take little room.
const NARROW: usize = 128;

/// Columns dealt with at a time in a large matrix that is close along its rows: many, since memory likes long rows.
const WIDE: usize = 1024;

/// So few columns are no long rows.
const SHORT: usize = 256;

/// Bytes of a matrix that is large: no near cache holds it.
const LARGE_BYTES: usize = 1 << 20;

/// Rows of a large matrix read side by side.
const STREAMS: usize = 4;

/// Outputs that share what is loaded of the vector, where the matrix is close along `k`: as registers allow.
const fn outputs(level: Level) -> usize {
    match level {
        Level::Avx512 => 8,
        Level::Avx2 | Level::Neon => 4,
        Level::Portable => 2,
    }
}

/// The most vectors that [`k_lanes`] take: four, of 128 bits.
const MAX_VECTORS: usize = 4;

/// Computes a product of one row.
///
/// # Safety
/// As for `driver::run`; `m == 1`.
pub(super) unsafe fn run<E: GemmElem>(level: Level, product: &Product<E>, may_share: bool) {
    let finish = product.finish(true, true);
    let stretch = |columns| {
        // SAFETY: the level is supported; tasks write different columns.
        unsafe { simd::dispatch_unchecked(level, Stretch { p: product, finish: &finish, columns }) }
    };
    let n = product.n;
    if may_share && product.work() >= 2 * GRAIN {
        let unit = NARROW / 4;
        let grain = GRAIN.div_ceil(unit * product.k.max(1));
        pool::chunks(n.div_ceil(unit), grain, |range| stretch(range.start * unit..n.min(range.end * unit)));
    } else {
        stretch(0..n);
    }
}

/// Some columns.
struct Stretch<'a, E: GemmElem> {
    p: &'a Product<E>,
    finish: &'a Finish<Sum<E>>,
    columns: Range<usize>,
}

/// Room for the partial sums of `C` columns, lane by lane.
#[repr(align(64))]
struct Sums<T, const C: usize>(MaybeUninit<[[T; C]; 16]>);

impl<E: GemmElem> Kernel for Stretch<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.p;
        let reach = p.b_rs.unsigned_abs().saturating_mul(p.k).saturating_mul(size_of::<E>());
        let is_large = p.b_cs == 1 && self.columns.len() >= SHORT && reach >= LARGE_BYTES;
        if is_large { simd.vectorize(Large(self)) } else { self.tiles::<S, NARROW>(simd) }
    }
}

/// A function of its own, so that small products need not make room on the stack for large ones.
struct Large<'a, E: GemmElem>(Stretch<'a, E>);

impl<E: GemmElem> Kernel for Large<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.0.tiles::<S, WIDE>(simd);
    }
}

impl<E: GemmElem> Stretch<'_, E> {
    /// All columns, up to `C` at a time.
    #[inline(always)]
    fn tiles<S: Simd, const C: usize>(&self, simd: S) {
        let p = self.p;
        let mut room = Sums::<Sum<E>, C>(MaybeUninit::uninit());
        let sums = room.0.as_mut_ptr().cast::<Sum<E>>();
        let mut first = self.columns.start;
        while first < self.columns.end {
            let n = C.min(self.columns.end - first);
            // SAFETY: the columns are inside the matrix, the sums fit their room.
            unsafe {
                // A column alone is close both ways: along `k` it makes whole vectors.
                if p.b_cs != 1 || (p.n == 1 && p.b_rs == 1) {
                    self.columns::<S, C>(simd, first, n, sums);
                } else if C == WIDE {
                    let whole = n / Vector::<E, S>::LANES * Vector::<E, S>::LANES;
                    self.stream(simd, first, whole, sums);
                    self.rows::<S, C>(simd, first + whole, n - whole, sums.add(whole));
                } else {
                    self.rows::<S, C>(simd, first, n, sums);
                }
                halve::<S, Sum<E>, C>(simd, n, sums);
                FinishTile::<E> {
                    finish: self.finish,
                    sums,
                    stride: C,
                    rows: 1,
                    columns: n,
                    row: 0,
                    column: first,
                    c: p.c.get().offset(first as isize * p.c_cs),
                    c_rs: p.c_rs,
                    c_cs: p.c_cs,
                    acc: std::ptr::null_mut(),
                    acc_rs: 0,
                }
                .run(simd);
            }
            first += n;
        }
    }
}

/// Adds up the lanes of `n` columns, into the first.
#[inline(always)]
unsafe fn halve<S: Simd, T: Single, const C: usize>(simd: S, n: usize, sums: *mut T) {
    let lanes = T::Vec::<S>::LANES;
    for j in (0..n).step_by(lanes) {
        let mut half = k_lanes::<T>();
        let mut all = [T::Vec::<S>::zero(simd); 16];
        // SAFETY: the room has whole vectors.
        unsafe {
            for (l, sum) in all.iter_mut().enumerate().take(half) {
                *sum = T::Vec::<S>::load(simd, sums.add(l * C + j));
            }
            while half > 1 {
                half /= 2;
                for l in 0..half {
                    all[l] = all[l] + all[l + half];
                }
            }
            all[0].store(sums.add(j));
        }
    }
}

impl<E: GemmElem> Stretch<'_, E> {
    /// The matrix is close along its rows: several columns a vector, lane after lane.
    #[inline(always)]
    unsafe fn rows<S: Simd, const C: usize>(&self, simd: S, first: usize, n: usize, sums: *mut Sum<E>) {
        let lanes = Vector::<E, S>::LANES;
        let (mut j, full) = (0, n / lanes);
        // SAFETY: inside the matrix.
        unsafe {
            for _ in 0..full / 8 {
                self.vectors::<S, 8, C>(simd, first + j, lanes, sums.add(j));
                j += 8 * lanes;
            }
            if full & 4 != 0 {
                self.vectors::<S, 4, C>(simd, first + j, lanes, sums.add(j));
                j += 4 * lanes;
            }
            if full & 2 != 0 {
                self.vectors::<S, 2, C>(simd, first + j, lanes, sums.add(j));
                j += 2 * lanes;
            }
            if full & 1 != 0 {
                self.vectors::<S, 1, C>(simd, first + j, lanes, sums.add(j));
                j += lanes;
            }
            if j < n {
                self.vectors::<S, 1, C>(simd, first + j, n - j, sums.add(j));
            }
        }
    }

    /// A whole tile of a large matrix: a few rows of the same lane side by side, along their whole length.
    #[inline(always)]
    unsafe fn stream<S: Simd>(&self, simd: S, first: usize, n: usize, sums: *mut Sum<E>) {
        let (p, lanes, step) = (self.p, Vector::<E, S>::LANES, k_lanes::<Sum<E>>());
        // SAFETY: inside the matrix; the room holds all lanes.
        unsafe {
            for l in 0..step {
                for v in (0..n).step_by(lanes) {
                    Vector::<E, S>::zero(simd).store(sums.add(l * WIDE + v));
                }
            }
            for block in (0..p.k).step_by(STREAMS * step) {
                for l in 0..step.min(p.k - block) {
                    let k = block + l;
                    let to = sums.add(l * WIDE);
                    match (p.k - k).div_ceil(step) {
                        1 => self.side_by_side::<S, 1>(simd, k, first, n, to),
                        2 => self.side_by_side::<S, 2>(simd, k, first, n, to),
                        3 => self.side_by_side::<S, 3>(simd, k, first, n, to),
                        _ => self.side_by_side::<S, STREAMS>(simd, k, first, n, to),
                    }
                }
            }
        }
    }

    /// Adds `n` columns of row `k` and of the next `R - 1` rows of its lane to the lane's sums.
    #[inline(always)]
    unsafe fn side_by_side<S: Simd, const R: usize>(
        &self,
        simd: S,
        k: usize,
        first: usize,
        n: usize,
        sums: *mut Sum<E>,
    ) {
        let (p, step) = (self.p, k_lanes::<Sum<E>>() as isize);
        let a = p.a.get().wrapping_offset(k as isize * p.a_cs);
        let b = p.b.get().wrapping_offset(first as isize + k as isize * p.b_rs);
        let (a_step, b_step) = (step * p.a_cs, step * p.b_rs);
        // SAFETY: promised by the caller.
        unsafe {
            let mut xs = [Vector::<E, S>::zero(simd); R];
            for (r, x) in xs.iter_mut().enumerate() {
                *x = Vector::<E, S>::splat(simd, (*a.offset(r as isize * a_step)).widen());
            }
            for v in (0..n).step_by(Vector::<E, S>::LANES) {
                let mut sum = Vector::<E, S>::load(simd, sums.add(v));
                for (r, x) in xs.into_iter().enumerate() {
                    let b = E::load(simd, b.offset(r as isize * b_step).add(v));
                    sum = x.mul_add(b, sum);
                }
                sum.store(sums.add(v));
            }
        }
    }

    /// All lanes of `V` vectors of columns, the last of `last` columns.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const V: usize, const C: usize>(
        &self,
        simd: S,
        j: usize,
        last: usize,
        sums: *mut Sum<E>,
    ) {
        // Two rows side by side suit memory better, where there are registers for them.
        // SAFETY: promised by the caller.
        unsafe {
            match S::LEVEL {
                Level::Avx512 | Level::Neon => self.row_lanes::<S, V, 2, C>(simd, j, last, sums),
                Level::Avx2 | Level::Portable => self.row_lanes::<S, V, 1, C>(simd, j, last, sums),
            }
        }
    }

    /// The same, `L` lanes at a time.
    #[inline(always)]
    unsafe fn row_lanes<S: Simd, const V: usize, const L: usize, const C: usize>(
        &self,
        simd: S,
        j: usize,
        last: usize,
        sums: *mut Sum<E>,
    ) {
        let (p, lanes, step) = (self.p, Vector::<E, S>::LANES, k_lanes::<Sum<E>>());
        let (a, b) = (p.a.get(), p.b.get().wrapping_offset(j as isize * p.b_cs));
        for first in (0..step).step_by(L) {
            let mut acc = [[Vector::<E, S>::zero(simd); V]; L];
            for k in (first..p.k).step_by(step) {
                for (l, acc) in acc.iter_mut().enumerate().take_while(|(l, _)| k + l < p.k) {
                    // SAFETY: inside the matrix.
                    unsafe {
                        let x = Vector::<E, S>::splat(simd, (*a.offset((k + l) as isize * p.a_cs)).widen());
                        let row = b.offset((k + l) as isize * p.b_rs);
                        for (v, acc) in acc.iter_mut().enumerate() {
                            let b = row.add(v * lanes);
                            let b =
                                if last < lanes { E::load_first(simd, b, last) } else { E::load(simd, b) };
                            *acc = x.mul_add(b, *acc);
                        }
                    }
                }
            }
            for (l, acc) in acc.into_iter().enumerate() {
                for (v, acc) in acc.into_iter().enumerate() {
                    // SAFETY: the room has whole vectors.
                    unsafe { acc.store(sums.add((first + l) * C + v * lanes)) };
                }
            }
        }
    }

    /// The matrix is close along `k`, or nowhere: all lanes of some columns at once.
    #[inline(always)]
    unsafe fn columns<S: Simd, const C: usize>(&self, simd: S, first: usize, n: usize, sums: *mut Sum<E>) {
        const GROUP: usize = 16;
        let step = k_lanes::<Sum<E>>();
        let mut room = MaybeUninit::<[[Sum<E>; 16]; GROUP]>::uninit();
        let flat = room.as_mut_ptr().cast::<Sum<E>>();
        for j in (0..n).step_by(GROUP) {
            let count = GROUP.min(n - j);
            let mut done = 0;
            // SAFETY: inside the matrix; the room has a line for each column.
            unsafe {
                while done < count {
                    let (to, left) = (flat.add(done * step), count - done);
                    let at = first + j + done;
                    done += match outputs(S::LEVEL) {
                        8 if left >= 8 => self.column_lanes::<S, 8>(simd, at, to),
                        8 | 4 if left >= 4 => self.column_lanes::<S, 4>(simd, at, to),
                        _ if left >= 2 => self.column_lanes::<S, 2>(simd, at, to),
                        _ => self.column_lanes::<S, 1>(simd, at, to),
                    };
                }
                transpose::panel(simd, count, step, flat, step as isize, sums.add(j), C);
            }
        }
    }

    /// All lanes of `G` columns from `j` on, a line of `to` each.
    #[inline(always)]
    unsafe fn column_lanes<S: Simd, const G: usize>(&self, simd: S, j: usize, to: *mut Sum<E>) -> usize {
        let (p, lanes, step) = (self.p, Vector::<E, S>::LANES, k_lanes::<Sum<E>>());
        let vectors = step / lanes;
        let close = p.a_cs == 1 && p.b_rs == 1;
        let whole = if close { p.k / step * step } else { 0 };
        let mut acc = [[Vector::<E, S>::zero(simd); G]; MAX_VECTORS];
        // SAFETY: inside the matrix; `to` has a line for each column.
        unsafe {
            let a = p.a.get();
            let columns: [*const E; G] = std::array::from_fn(|g| p.b.get().offset((j + g) as isize * p.b_cs));
            for k in (0..whole).step_by(step) {
                for (v, acc) in acc.iter_mut().enumerate().take(vectors) {
                    let x = E::load(simd, a.add(k + v * lanes));
                    for (acc, column) in acc.iter_mut().zip(columns) {
                        *acc = x.mul_add(E::load(simd, column.add(k + v * lanes)), *acc);
                    }
                }
            }
            for k in (whole..p.k).step_by(step) {
                for (v, acc) in acc.iter_mut().enumerate().take(vectors) {
                    let n = lanes.min(p.k.saturating_sub(k + v * lanes));
                    let at = (k + v * lanes) as isize;
                    let x = first_of::<S, E>(simd, a.wrapping_offset(at * p.a_cs), p.a_cs, n);
                    for (acc, column) in acc.iter_mut().zip(columns) {
                        let b = column.wrapping_offset(at * p.b_rs);
                        *acc = x.mul_add(first_of::<S, E>(simd, b, p.b_rs, n), *acc);
                    }
                }
            }
            for (v, acc) in acc.into_iter().enumerate().take(vectors) {
                for (g, acc) in acc.into_iter().enumerate() {
                    acc.store(to.add(g * step + v * lanes));
                }
            }
        }
        G
    }
}

/// `n` elements, `stride` apart; the other lanes are zero.
#[inline(always)]
unsafe fn first_of<S: Simd, E: GemmElem>(simd: S, ptr: *const E, stride: isize, n: usize) -> Vector<E, S> {
    // SAFETY: promised by the caller.
    unsafe {
        if stride == 1 {
            return E::load_first(simd, ptr, n);
        }
        let mut buffer = [Sum::<E>::default(); simd::MAX_LANES];
        for (i, lane) in buffer.iter_mut().enumerate().take(n) {
            *lane = (*ptr.offset(i as isize * stride)).widen();
        }
        Vector::<E, S>::load(simd, buffer.as_ptr())
    }
}
