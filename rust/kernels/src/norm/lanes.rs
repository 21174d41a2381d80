//! Sums of a row in fixed lanes, and vectors at the end of a row.
use crate::row::{LANES, PARTS, V, fold, parts};
use crate::simd::{FloatElem, FloatVec, Simd};

/// Element `i` of a block is summed in lane `i % WIDTH`: twice the lanes of other rows, to hide the latency of additions.
pub(super) const WIDTH: usize = 2 * LANES;

/// The vectors that make up [`WIDTH`] lanes at a level.
pub(super) const fn vectors<V: FloatVec>() -> usize {
    WIDTH / LANES * parts::<V>()
}

/// The lanes of a sum that is taken block by block: each block's lanes are summed alone, then added to the total, so that
/// long rows lose few digits.
pub(super) struct Sum<V: FloatVec> {
    total: [V; PARTS],
    block: [V; 2 * PARTS],
}

impl<V: FloatVec> Sum<V> {
    #[inline(always)]
    pub fn new(simd: V::Token) -> Self {
        Self { total: [V::zero(simd); PARTS], block: [V::zero(simd); 2 * PARTS] }
    }

    /// Adds to vector `k` of the lanes.
    #[inline(always)]
    pub fn add(&mut self, k: usize, x: V) {
        self.block[k] = self.block[k] + x;
    }

    /// Adds a product to vector `k` of the lanes.
    #[inline(always)]
    pub fn add_product(&mut self, k: usize, a: V, b: V) {
        self.block[k] = a.mul_add(b, self.block[k]);
    }

    /// Ends a block.
    #[inline(always)]
    pub fn end_block(&mut self) {
        for k in 0..parts::<V>() {
            let (low, high) = (self.block[k], self.block[k + parts::<V>()]);
            self.total[k] = self.total[k] + (low + high);
            self.block[k] = low.lit(0.0);
            self.block[k + parts::<V>()] = low.lit(0.0);
        }
    }

    /// The lanes combined in halves.
    #[inline(always)]
    pub fn finish(self) -> V::Elem {
        fold(self.total, |a, b| a + b)
    }
}

/// The vector from element `at` of `n` contiguous ones on, widened; zero beyond the end, which is not reached where
/// `WHOLE`.
///
/// # Safety
/// `n` elements are readable, and what `WHOLE` says is so.
#[inline(always)]
pub(super) unsafe fn load<T: FloatElem, S: Simd, const WHOLE: bool>(
    simd: S,
    x: *const T,
    at: usize,
    n: usize,
) -> V<T, S> {
    // SAFETY: the caller's promise.
    unsafe {
        if WHOLE || at + V::<T, S>::LANES <= n {
            T::load(simd, x.add(at))
        } else if at < n {
            T::load_first(simd, x.add(at), n - at)
        } else {
            V::<T, S>::zero(simd)
        }
    }
}

/// As [`load`], of what is computed in.
///
/// # Safety
/// As for [`load`], and `at < n`.
#[inline(always)]
pub(super) unsafe fn peek<V: FloatVec>(simd: V::Token, x: *const V::Elem, at: usize, n: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        if at + V::LANES <= n { V::load(simd, x.add(at)) } else { V::load_first(simd, x.add(at), n - at) }
    }
}
