//! Float elements in memory: what they are computed in, and how they get there and back.
use super::vector::{Float, FloatVec, IntVec, Simd, WordVec};
use half::{bf16, f16};

/// An element type of float tensors. The 16-bit ones are computed in `f32`; widening is exact, narrowing rounds to
/// nearest, ties to even, and keeps NaN a NaN. Bits are the same at every level.
pub trait FloatElem: Copy + Send + Sync + 'static {
    /// What it is computed in.
    type Compute: Float + FloatElem<Compute = Self::Compute>;
    /// Whether memory holds the computing type itself.
    const IS_COMPUTE: bool;
    /// The step from one to the next larger number.
    const EPSILON: f64;
    /// Reads a vector's lanes.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load<S: Simd>(simd: S, ptr: *const Self) -> <Self::Compute as Float>::Vec<S>;
    /// Reads `n` lanes and nothing beyond; the others are zero.
    ///
    /// # Safety
    /// `n` elements are readable, and `n` is at most the number of lanes.
    unsafe fn load_first<S: Simd>(simd: S, ptr: *const Self, n: usize) -> <Self::Compute as Float>::Vec<S>;
    /// Writes a vector's lanes, rounded.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store<S: Simd>(simd: S, value: <Self::Compute as Float>::Vec<S>, ptr: *mut Self);
    /// Writes `n` lanes, rounded, and nothing beyond.
    ///
    /// # Safety
    /// `n` elements are writable, and `n` is at most the number of lanes.
    unsafe fn store_first<S: Simd>(
        simd: S,
        value: <Self::Compute as Float>::Vec<S>,
        ptr: *mut Self,
        n: usize,
    );
    /// One element, widened.
    fn widen(self) -> Self::Compute;
    /// One element, rounded.
    fn narrow(value: Self::Compute) -> Self;
}

macro_rules! full {
    ($($ty:ident),+) => { $(
        impl FloatElem for $ty {
            type Compute = $ty;
            const IS_COMPUTE: bool = true;
            const EPSILON: f64 = $ty::EPSILON as f64;
            #[inline(always)]
            unsafe fn load<S: Simd>(simd: S, ptr: *const Self) -> <$ty as Float>::Vec<S> {
                // SAFETY: the caller's promise.
                unsafe { FloatVec::load(simd, ptr) }
            }
            #[inline(always)]
            unsafe fn load_first<S: Simd>(simd: S, ptr: *const Self, n: usize) -> <$ty as Float>::Vec<S> {
                // SAFETY: the caller's promise.
                unsafe { FloatVec::load_first(simd, ptr, n) }
            }
            #[inline(always)]
            unsafe fn store<S: Simd>(_: S, value: <$ty as Float>::Vec<S>, ptr: *mut Self) {
                // SAFETY: the caller's promise.
                unsafe { value.store(ptr) }
            }
            #[inline(always)]
            unsafe fn store_first<S: Simd>(_: S, value: <$ty as Float>::Vec<S>, ptr: *mut Self, n: usize) {
                // SAFETY: the caller's promise.
                unsafe { value.store_first(ptr, n) }
            }
            #[inline(always)]
            fn widen(self) -> $ty {
                self
            }
            #[inline(always)]
            fn narrow(value: $ty) -> Self {
                value
            }
        }
    )+ };
}

macro_rules! half {
    ($($ty:ident, $widen:ident, $narrow:ident;)+) => { $(
        impl FloatElem for $ty {
            type Compute = f32;
            const IS_COMPUTE: bool = false;
            const EPSILON: f64 = $ty::EPSILON.to_f64_const();
            #[inline(always)]
            unsafe fn load<S: Simd>(simd: S, ptr: *const Self) -> S::F32 {
                // SAFETY: the caller's promise; the type is a transparent u16.
                $widen::<S>(unsafe { WordVec::load_u16(simd, ptr.cast()) })
            }
            #[inline(always)]
            unsafe fn load_first<S: Simd>(simd: S, ptr: *const Self, n: usize) -> S::F32 {
                // SAFETY: as above.
                $widen::<S>(unsafe { WordVec::load_u16_first(simd, ptr.cast(), n) })
            }
            #[inline(always)]
            unsafe fn store<S: Simd>(_: S, value: S::F32, ptr: *mut Self) {
                // SAFETY: as above.
                unsafe { $narrow(value).store_u16(ptr.cast()) }
            }
            #[inline(always)]
            unsafe fn store_first<S: Simd>(_: S, value: S::F32, ptr: *mut Self, n: usize) {
                // SAFETY: as above.
                unsafe { $narrow(value).store_u16_first(ptr.cast(), n) }
            }
            #[inline(always)]
            fn widen(self) -> f32 {
                self.to_f32()
            }
            #[inline(always)]
            fn narrow(value: f32) -> Self {
                Self::from_f32(value)
            }
        }
    )+ };
}

full!(f32, f64);
half! {
    bf16, widen_bf16, narrow_bf16;
    f16, widen_f16, narrow_f16;
}

#[inline(always)]
fn widen_bf16<S: Simd>(bits: S::U32) -> S::F32 {
    S::F32::from_bits(bits.shl(16))
}

#[inline(always)]
pub(crate) fn narrow_bf16<V: FloatVec>(x: V) -> V::Int {
    let bits = x.to_bits();
    let odd = bits.shr(16) & bits.lit(1);
    let rounded = (bits + bits.lit(0x7fff) + odd).shr(16);
    let quiet = bits.shr(16) | bits.lit(0x40);
    let is_nan = (bits & bits.lit(0x7fff_ffff)).gt(bits.lit(0x7f80_0000));
    V::Int::select(is_nan, quiet, rounded)
}

#[inline(always)]
fn widen_f16<S: Simd>(bits: S::U32) -> S::F32 {
    let magnitude = (bits & bits.lit(0x7fff)).shl(13);
    // The exponent is rebased by an exact product, which normalises subnormals as well.
    let number = S::F32::from_bits(magnitude);
    let number = (number * number.lit(f64::from_bits((1023 + 112) << 52))).to_bits();
    let inf_or_nan = magnitude | bits.lit(0x7f80_0000);
    let nan = inf_or_nan | bits.lit(0x0040_0000);
    let special = magnitude.gt(bits.lit((0x7c00 << 13) - 1));
    let is_nan = magnitude.gt(bits.lit(0x7c00 << 13));
    let magnitude = S::U32::select(special, S::U32::select(is_nan, nan, inf_or_nan), number);
    S::F32::from_bits(magnitude | (bits & bits.lit(0x8000)).shl(16))
}

#[inline(always)]
fn narrow_f16<V: FloatVec>(x: V) -> V::Int {
    let bits = x.to_bits();
    let magnitude = bits & bits.lit(0x7fff_ffff);
    // Below 2^-14 the spacing is 2^-24, which is that of f32 at one half: let the adder round.
    let half = x.lit(0.5);
    let subnormal = (x.abs() + half).to_bits() - half.to_bits();
    let odd = magnitude.shr(13) & bits.lit(1);
    let normal = (magnitude + bits.lit(0xfff) + odd - bits.lit(112 << 23)).shr(13);
    let number = V::Int::select(bits.lit(0x3880_0000).gt(magnitude), subnormal, normal);
    let number = V::Int::select(magnitude.gt(bits.lit(0x477f_ffff)), bits.lit(0x7c00), number);
    // A NaN keeps the top of its payload and becomes quiet.
    let nan = (magnitude.shr(13) & bits.lit(0x3ff)) | bits.lit(0x7e00);
    V::Int::select(magnitude.gt(bits.lit(0x7f80_0000)), nan, number) | (bits & bits.lit(0x8000_0000)).shr(16)
}
