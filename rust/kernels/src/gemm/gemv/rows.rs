//! The matrix is close along its rows: vectors hold columns.
use super::{ROUNDS, Tiles, block, chains};
use crate::gemm::{GemmElem, Sum, Vector};
use crate::simd::{FloatVec, Simd};

/// Where a sum of products goes: it is a block's first, one of its others, or its last, which goes to the sum of blocks.
const FIRST: u8 = 0;
const NEXT: u8 = 1;
const LAST: u8 = 2;

impl<E: GemmElem> Tiles<'_, E> {
    /// Sums up `n` columns from `first` on.
    ///
    /// # Safety
    /// They are inside the matrix, and fit the room.
    #[inline(always)]
    pub(super) unsafe fn rows<S: Simd>(&self, simd: S, first: usize, n: usize) {
        let (chains, block) = (chains::<Sum<E>>(), block::<Sum<E>>());
        let depth = self.stretch.p.k;
        // SAFETY: inside the matrix and the room.
        unsafe {
            clear::<S, E>(simd, self.sums, n);
            let whole = depth / block * block;
            for k in (0..whole).step_by(block) {
                self.sweep::<S, ROUNDS, FIRST>(simd, k, first, n);
                for k in k + 1..k + chains - 1 {
                    self.sweep::<S, ROUNDS, NEXT>(simd, k, first, n);
                }
                self.sweep::<S, ROUNDS, LAST>(simd, k + chains - 1, first, n);
            }
            if whole == depth {
                return;
            }
            clear::<S, E>(simd, self.block, n);
            for k in whole..depth.min(whole + chains) {
                const { assert!(ROUNDS == 4) };
                match (depth - k).div_ceil(chains) {
                    1 => self.sweep::<S, 1, NEXT>(simd, k, first, n),
                    2 => self.sweep::<S, 2, NEXT>(simd, k, first, n),
                    3 => self.sweep::<S, 3, NEXT>(simd, k, first, n),
                    _ => self.sweep::<S, 4, NEXT>(simd, k, first, n),
                }
            }
            for v in (0..n).step_by(Vector::<E, S>::LANES) {
                let sum = Vector::<E, S>::load(simd, self.sums.add(v));
                (sum + Vector::<E, S>::load(simd, self.block.add(v))).store(self.sums.add(v));
            }
        }
    }

    /// A chain of each column: row `k` and the next `R - 1` rows of its lane.
    #[inline(always)]
    unsafe fn sweep<S: Simd, const R: usize, const PLACE: u8>(
        &self,
        simd: S,
        k: usize,
        first: usize,
        n: usize,
    ) {
        let (p, step) = (self.stretch.p, chains::<Sum<E>>());
        let a = p.a.get().wrapping_offset(k as isize * p.a_cs);
        let b = p.b.get().wrapping_offset(first as isize + k as isize * p.b_rs);
        // SAFETY: promised by the caller.
        unsafe {
            let mut xs = [Vector::<E, S>::zero(simd); R];
            let mut rows = [b; R];
            for r in 0..R {
                xs[r] = FloatVec::splat(simd, (*a.offset((r * step) as isize * p.a_cs)).widen());
                rows[r] = b.offset((r * step) as isize * p.b_rs);
            }
            let lanes = Vector::<E, S>::LANES;
            let whole = n / lanes * lanes;
            for v in (0..whole).step_by(lanes) {
                let mut sum = xs[0] * E::load(simd, rows[0].add(v));
                for r in 1..R {
                    sum = xs[r].mul_add(E::load(simd, rows[r].add(v)), sum);
                }
                self.put::<S, PLACE>(simd, v, sum);
            }
            if whole < n {
                let mut sum = xs[0] * E::load_first(simd, rows[0].add(whole), n - whole);
                for r in 1..R {
                    sum = xs[r].mul_add(E::load_first(simd, rows[r].add(whole), n - whole), sum);
                }
                self.put::<S, PLACE>(simd, whole, sum);
            }
        }
    }

    #[inline(always)]
    unsafe fn put<S: Simd, const PLACE: u8>(&self, simd: S, v: usize, sum: Vector<E, S>) {
        // SAFETY: promised by the caller; the room has whole vectors.
        unsafe {
            let (sums, block) = (self.sums.add(v), self.block.add(v));
            match PLACE {
                FIRST => sum.store(block),
                NEXT => (Vector::<E, S>::load(simd, block) + sum).store(block),
                _ => {
                    let sum = Vector::<E, S>::load(simd, block) + sum;
                    (Vector::<E, S>::load(simd, sums) + sum).store(sums);
                }
            }
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
