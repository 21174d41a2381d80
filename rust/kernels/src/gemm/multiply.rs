//! How items of `a` and `b` are multiplied: one by one, or in pairs where the machine can.
use super::Single;
use super::blocking::VECTORS;
use crate::simd::{self, FloatElem, FloatVec, Kernel, Simd, WordVec};
use half::bf16;

/// How tiles of `T` multiply and add: what an item of `a` and one of `b` are.
pub trait Multiply<T: Single>: Copy + Send + Sync + 'static {
    /// Whether an item is a pair of 16-bit elements.
    const IS_PAIR: bool;
    /// What items are made of, and `c`.
    type Elem: FloatElem<Compute = T>;
    /// Runs a kernel that multiplies so.
    ///
    /// # Safety
    /// The machine can.
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output;
    /// `a * b + c`.
    ///
    /// # Safety
    /// It is called inside [`vectorize`](Multiply::vectorize).
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V;
    /// A tile's row of items, of elements that lie side by side in one row of `b`, or in one and that `b_rs` further.
    ///
    /// # Safety
    /// They are readable, and it is called inside [`vectorize`](Multiply::vectorize).
    unsafe fn row<S: Simd>(simd: S, b: *const Self::Elem, b_rs: isize) -> [T::Vec<S>; VECTORS];
    /// Stores the first `n` lanes of a sum, rounded; whether it is one that [`mul_add`](Multiply::mul_add) made.
    ///
    /// # Safety
    /// As many elements are writable, and it is called inside [`vectorize`](Multiply::vectorize).
    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, sum: T::Vec<S>, _is_made: bool, to: *mut Self::Elem, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if n == T::Vec::<S>::LANES {
                Self::Elem::store(simd, sum, to)
            } else {
                Self::Elem::store_first(simd, sum, to, n)
            }
        }
    }
}

/// One by one.
#[derive(Clone, Copy)]
pub struct Ones;

impl<T: Single> Multiply<T> for Ones {
    const IS_PAIR: bool = false;
    type Elem = T;
    #[inline(always)]
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
        simd.vectorize(kernel)
    }
    #[inline(always)]
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V {
        a.mul_add(b, c)
    }
    #[inline(always)]
    unsafe fn row<S: Simd>(simd: S, b: *const T, _: isize) -> [T::Vec<S>; VECTORS] {
        // SAFETY: the caller's promise.
        unsafe { [T::Vec::<S>::load(simd, b), T::Vec::<S>::load(simd, b.add(T::Vec::<S>::LANES))] }
    }
}

/// Two and two, by an instruction that not all machines have.
#[derive(Clone, Copy)]
pub struct Pairs;

impl Multiply<f32> for Pairs {
    const IS_PAIR: bool = true;
    type Elem = bf16;
    #[inline(always)]
    unsafe fn vectorize<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { simd.vectorize_dot(kernel) }
    }
    #[inline(always)]
    unsafe fn mul_add<V: FloatVec>(a: V, b: V, c: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { a.dot_pairs(b, c) }
    }
    #[inline(always)]
    unsafe fn row<S: Simd>(simd: S, b: *const bf16, b_rs: isize) -> [S::F32; VECTORS] {
        // SAFETY: the caller's promise.
        let [first, second] = unsafe { S::U32::zip_u16(simd, b.cast(), b.offset(b_rs).cast()) };
        [S::F32::from_bits(first), S::F32::from_bits(second)]
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(_: S, sum: S::F32, is_made: bool, to: *mut bf16, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            // What takes subnormals for zero has made none.
            let bits = if is_made { sum.round_bf16() } else { simd::narrow_bf16(sum) };
            if n == S::F32::LANES { bits.store_u16(to.cast()) } else { bits.store_u16_first(to.cast(), n) }
        }
    }
}
