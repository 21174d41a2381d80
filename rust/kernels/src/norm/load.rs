//! Vectors at the end of a row.
use crate::row::V;
use crate::simd::{FloatElem, FloatVec, Simd};

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
