//! The matrix is close along its rows: vectors hold columns.
use super::{FAR_BYTES, ROUNDS, Tiles, b_bytes, chains, group, piece};
use crate::gemm::{GemmElem, Sum, Vector};
use crate::simd::{self, FloatVec, Simd};
use std::ops::Range;

/// Whether a chain is the first of its group, one of its others, or the last, with which the group goes to the piece: which it
/// is the first of, one of its others, or the last, with which the piece goes to the sums.
const FIRST: u8 = 0;
const NEXT: u8 = 1;
const BEGINS_PIECE: u8 = 2;
const LAST: u8 = 3;
const ENDS_PIECE: u8 = 4;

impl<E: GemmElem> Tiles<'_, E> {
    /// Sums up `n` columns from `first` on, over a block of `k`. Those of the [head](Self::head), whose number is returned, have
    /// a vector of their own before the others.
    ///
    /// # Safety
    /// They are inside the matrix, and fit the room.
    #[inline(always)]
    pub(super) unsafe fn rows<S: Simd>(&self, simd: S, first: usize, n: usize, k: Range<usize>) -> usize {
        if self.is_narrow::<S>(n) {
            // SAFETY: promised by the caller.
            unsafe { self.narrow(simd, first, n, k) };
            return 0;
        }
        let head = self.head::<S>(first, n);
        let room = n + Vector::<E, S>::LANES;
        let (p, chains, group) = (self.stretch.p, chains::<Sum<E>>(), group::<Sum<E>>());
        let whole = k.start + k.len() / piece::<Sum<E>>() * piece::<Sum<E>>();
        // SAFETY: inside the matrix and the room.
        unsafe {
            clear::<S, E>(simd, self.sums, room);
            // What a core fetches ahead by itself ends with the row.
            let is_far = p.b_rs.unsigned_abs() > n && b_bytes(p) > FAR_BYTES;
            if is_far {
                self.pieces::<S, true>(simd, k.start..whole, first, n, head);
            } else {
                self.pieces::<S, false>(simd, k.start..whole, first, n, head);
            }
            let depth = k.end;
            let end = depth.min(whole + chains);
            clear::<S, E>(simd, self.piece, room);
            for begin in (whole..end).step_by(group) {
                clear::<S, E>(simd, self.group, room);
                for k in begin..end.min(begin + group) {
                    const { assert!(ROUNDS == 4) };
                    match (depth - k).div_ceil(chains) {
                        1 => self.sweep::<S, 1, NEXT, false>(simd, k, first, n, head),
                        2 => self.sweep::<S, 2, NEXT, false>(simd, k, first, n, head),
                        3 => self.sweep::<S, 3, NEXT, false>(simd, k, first, n, head),
                        _ => self.sweep::<S, 4, NEXT, false>(simd, k, first, n, head),
                    }
                }
                add::<S, E>(simd, self.group, self.piece, room);
            }
            if end > whole {
                add::<S, E>(simd, self.piece, self.sums, room);
            }
        }
        head
    }

    /// Adds up whole pieces.
    #[inline(always)]
    unsafe fn pieces<S: Simd, const IS_FAR: bool>(
        &self,
        simd: S,
        k: Range<usize>,
        first: usize,
        n: usize,
        head: usize,
    ) {
        let (chains, group) = (chains::<Sum<E>>(), group::<Sum<E>>());
        for begin in k.step_by(piece::<Sum<E>>()) {
            for first_k in (begin..begin + chains).step_by(group) {
                let last_k = first_k + group - 1;
                // SAFETY: promised by the caller.
                unsafe {
                    self.sweep::<S, ROUNDS, FIRST, IS_FAR>(simd, first_k, first, n, head);
                    for k in first_k + 1..last_k {
                        self.sweep::<S, ROUNDS, NEXT, IS_FAR>(simd, k, first, n, head);
                    }
                    if first_k == begin {
                        self.sweep::<S, ROUNDS, BEGINS_PIECE, IS_FAR>(simd, last_k, first, n, head);
                    } else if last_k + 1 < begin + chains {
                        self.sweep::<S, ROUNDS, LAST, IS_FAR>(simd, last_k, first, n, head);
                    } else {
                        self.sweep::<S, ROUNDS, ENDS_PIECE, IS_FAR>(simd, last_k, first, n, head);
                    }
                }
            }
        }
    }

    /// A chain of each column: row `k` and the next `R - 1` rows of it.
    #[inline(always)]
    unsafe fn sweep<S: Simd, const R: usize, const PLACE: u8, const IS_FAR: bool>(
        &self,
        simd: S,
        k: usize,
        first: usize,
        n: usize,
        head: usize,
    ) {
        let (p, step) = (self.stretch.p, chains::<Sum<E>>() as isize);
        let a = p.a.get().wrapping_offset(k as isize * p.a_cs);
        let b = p.b.get().wrapping_offset(first as isize + k as isize * p.b_rs);
        // SAFETY: promised by the caller; the room has whole vectors.
        unsafe {
            let rows: [_; R] = std::array::from_fn(|r| b.offset(r as isize * step * p.b_rs));
            let mut factors = [Vector::<E, S>::zero(simd); R];
            for (r, factor) in factors.iter_mut().enumerate() {
                let x = *a.offset(r as isize * step * p.a_cs);
                *factor = Vector::<E, S>::splat(simd, x.widen());
            }
            let lanes = Vector::<E, S>::LANES;
            let shift = if head > 0 { lanes - head } else { 0 };
            if head > 0 {
                self.few::<S, R, PLACE>(simd, 0, head, factors, rows);
            }
            let mut v = head;
            while v + lanes <= n {
                let mut sum = Vector::<E, S>::zero(simd);
                for (factor, row) in factors.into_iter().zip(rows) {
                    sum = factor.mul_add(E::load(simd, row.add(v)), sum);
                    if IS_FAR {
                        simd::prefetch_far(row.wrapping_offset(v as isize + p.b_rs));
                    }
                }
                self.put::<S, PLACE>(simd, v + shift, sum);
                v += lanes;
            }
            if v < n {
                let rows = rows.map(|row| row.add(v));
                self.few::<S, R, PLACE>(simd, v + shift, n - v, factors, rows);
            }
        }
    }

    /// The chains of `count` columns, fewer than a vector, whose sums lie at `v`.
    #[inline(always)]
    unsafe fn few<S: Simd, const R: usize, const PLACE: u8>(
        &self,
        simd: S,
        v: usize,
        count: usize,
        factors: [Vector<E, S>; R],
        rows: [*const E; R],
    ) {
        let mut sum = Vector::<E, S>::zero(simd);
        // SAFETY: promised by the caller.
        unsafe {
            for (factor, row) in factors.into_iter().zip(rows) {
                sum = factor.mul_add(E::load_first(simd, row, count), sum);
            }
            self.put::<S, PLACE>(simd, v, sum);
        }
    }

    /// Columns before the first whose place is a vector's, if that holds in all rows: vectors that lie across two cache
    /// lines take twice the time. NumPy's arrays begin anywhere.
    #[inline(always)]
    fn head<S: Simd>(&self, first: usize, n: usize) -> usize {
        let p = self.stretch.p;
        let bytes = Vector::<E, S>::LANES * size_of::<E>();
        simd::before_whole_rows(p.b.get().wrapping_add(first), p.b_rs, bytes, n)
    }

    /// Adds chains at `v` to what they belong to.
    #[inline(always)]
    unsafe fn put<S: Simd, const PLACE: u8>(&self, simd: S, v: usize, mut sum: Vector<E, S>) {
        // SAFETY: promised by the caller.
        unsafe {
            let (sums, group, piece) = (self.sums.add(v), self.group.add(v), self.piece.add(v));
            if PLACE != FIRST {
                sum = Vector::<E, S>::load(simd, group) + sum;
            }
            if PLACE == LAST || PLACE == ENDS_PIECE {
                sum = Vector::<E, S>::load(simd, piece) + sum;
            }
            match PLACE {
                FIRST | NEXT => sum.store(group),
                BEGINS_PIECE | LAST => sum.store(piece),
                _ => (Vector::<E, S>::load(simd, sums) + sum).store(sums),
            }
        }
    }
}

/// Adds `n` sums to others.
#[inline(always)]
unsafe fn add<S: Simd, E: GemmElem>(simd: S, from: *const Sum<E>, to: *mut Sum<E>, n: usize) {
    for v in (0..n).step_by(Vector::<E, S>::LANES) {
        // SAFETY: promised by the caller.
        unsafe {
            let sum = Vector::<E, S>::load(simd, to.add(v)) + Vector::<E, S>::load(simd, from.add(v));
            sum.store(to.add(v));
        }
    }
}

#[inline(always)]
unsafe fn clear<S: Simd, E: GemmElem>(simd: S, sums: *mut Sum<E>, n: usize) {
    for v in (0..n).step_by(Vector::<E, S>::LANES) {
        // SAFETY: promised by the caller.
        unsafe { Vector::<E, S>::zero(simd).store(sums.add(v)) };
    }
}
