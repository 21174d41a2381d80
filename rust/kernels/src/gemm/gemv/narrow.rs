//! Few columns, close along the rows: what adds up stays in registers.
use super::{ROUNDS, Tiles, chains, group, piece};
use crate::gemm::{GemmElem, Sum, Vector};
use crate::simd::{FloatVec, Simd};
use std::ops::Range;

/// The most vectors of columns: a block's sums, a piece's, a group's and a chain's take four registers each.
const MOST: usize = 4;

impl<E: GemmElem> Tiles<'_, E> {
    /// Whether so many columns are few, and the vector is close as well.
    #[inline(always)]
    pub(super) fn is_narrow<S: Simd>(&self, n: usize) -> bool {
        n <= MOST * Vector::<E, S>::LANES && self.stretch.p.a_cs == 1
    }

    /// Sums up `n` columns from `first` on, over a block of `k`, to the room.
    ///
    /// # Safety
    /// They are inside the matrix, and [few](Self::is_narrow).
    #[inline(always)]
    pub(super) unsafe fn narrow<S: Simd>(&self, simd: S, first: usize, n: usize, k: Range<usize>) {
        const { assert!(MOST == 4) };
        let (half, lanes) = (Vector::<E, S::Half>::LANES, Vector::<E, S>::LANES);
        // SAFETY: promised by the caller.
        unsafe {
            // What is cut short reaches into the next cache line more seldom, the shorter the vectors.
            match (n.div_ceil(half), n.div_ceil(lanes)) {
                (1, _) => self.in_registers::<S::Half, 1>(simd.half(), first, n, k),
                (2, _) => self.in_registers::<S::Half, 2>(simd.half(), first, n, k),
                (_, 2) => self.in_registers::<S, 2>(simd, first, n, k),
                (_, 3) => self.in_registers::<S, 3>(simd, first, n, k),
                _ => self.in_registers::<S, 4>(simd, first, n, k),
            }
        }
    }

    /// In as many vectors, the last of which may be cut short.
    #[inline(always)]
    unsafe fn in_registers<S: Simd, const V: usize>(&self, simd: S, first: usize, n: usize, k: Range<usize>) {
        let (chains, group) = (chains::<Sum<E>>(), group::<Sum<E>>());
        let zero = [Vector::<E, S>::zero(simd); V];
        let columns = (first, n - (V - 1) * Vector::<E, S>::LANES);
        let mut sums = zero;
        // SAFETY: promised by the caller; the room has whole vectors.
        unsafe {
            for at in k.clone().step_by(piece::<Sum<E>>()) {
                let end = k.end.min(at + piece::<Sum<E>>());
                let mut piece = zero;
                for begin in (at..end.min(at + chains)).step_by(group) {
                    let mut some = zero;
                    // The compiler knows how many products a whole group has.
                    if begin + (ROUNDS - 1) * chains + group <= end {
                        for chain in 0..group {
                            let mut sum = zero;
                            for r in 0..ROUNDS {
                                self.multiply_add(simd, begin + chain + r * chains, columns, &mut sum);
                            }
                            add(&mut some, sum);
                        }
                    } else {
                        for chain in begin..end.min(begin + group) {
                            let mut sum = zero;
                            for k in (chain..end).step_by(chains) {
                                self.multiply_add(simd, k, columns, &mut sum);
                            }
                            add(&mut some, sum);
                        }
                    }
                    add(&mut piece, some);
                }
                add(&mut sums, piece);
            }
            for (v, sum) in sums.into_iter().enumerate() {
                sum.store(self.sums.add(v * Vector::<E, S>::LANES));
            }
        }
    }

    /// Adds the products of row `k` to what there is: those from column `first` on, of which the last vector has `last`.
    #[inline(always)]
    unsafe fn multiply_add<S: Simd, const V: usize>(
        &self,
        simd: S,
        k: usize,
        (first, last): (usize, usize),
        sums: &mut [Vector<E, S>; V],
    ) {
        let p = self.stretch.p;
        // SAFETY: promised by the caller.
        unsafe {
            let x = Vector::<E, S>::splat(simd, (*p.a.get().add(k)).widen());
            for (v, sum) in sums.iter_mut().enumerate() {
                let at = p.b_at(k, first).add(v * Vector::<E, S>::LANES);
                let columns = if v + 1 < V { E::load(simd, at) } else { E::load_first(simd, at, last) };
                *sum = x.mul_add(columns, *sum);
            }
        }
    }
}

#[inline(always)]
fn add<T: Copy + std::ops::Add<Output = T>, const V: usize>(to: &mut [T; V], from: [T; V]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *to + from;
    }
}
