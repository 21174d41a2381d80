//! The NEON level: 4 lanes of `f32`, 2 of `f64`. AArch64 always has it.
// NEON is in the target's baseline, so today's compiler calls most of its intrinsics safe; the oldest supported does not.
#![allow(unused_unsafe)]
use super::Level;
use super::macros::{float_basics, methods, operators};
use super::vector::{FloatVec, IntVec, Kernel, Mask, Simd, WordVec};
use std::arch::aarch64::*;

/// Proof that the machine has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Simd for Neon {
    const LEVEL: Level = Level::Neon;
    type U32 = U32x4;
    type F32 = F32x4;
    type F64 = F64x2;
    type Half = Self;

    #[inline(always)]
    fn half(self) -> Self::Half {
        self
    }

    fn new() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    #[inline(always)]
    unsafe fn new_unchecked() -> Self {
        Self(())
    }

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: the token proves support.
        unsafe { kernel.enter(self) }
    }
}

/// The function compiled for the level. As a method of the kernel it is compiled with the kernel's module: one codegen
/// unit for all kernels would be compiled by one thread.
trait Enter: Kernel {
    /// # Safety
    /// The machine supports the level.
    unsafe fn enter(self, simd: Neon) -> Self::Output;
}

impl<K: Kernel> Enter for K {
    #[target_feature(enable = "neon")]
    unsafe fn enter(self, simd: Neon) -> K::Output {
        self.run(simd)
    }
}

macro_rules! float {
    ($ty:ident, $elem:ty, $lanes:literal, $reg:ty, $int:ident, $mask:ident, $mask_reg:ty;
     set1 $set1:path, load $load:path, store $store:path, fma $fma:path, fms $fms:path, neg $neg:path,
     compare $gt:path, $ge:path, $eq:path, blend $blend:path, bits $to_int:path, $from_int:path;
     zip $low:path, $high:path;
     mask $and:path, $or:path, $xor:path, $ones:expr, $words:path;
     ops $($op:ident $op_name:ident $op_intrinsic:path),+;
     1 $($one:ident = $one_intrinsic:path),+ $(; $($more:item)+)?) => {
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($elem), "`.")]
        #[derive(Clone, Copy)]
        pub struct $ty($reg);

        /// All bits of a lane set, or none.
        #[derive(Clone, Copy)]
        pub struct $mask($mask_reg);

        operators!($ty: $($op $op_name $op_intrinsic),+);
        operators!($mask: BitAnd bitand $and, BitOr bitor $or);

        impl std::ops::Neg for $ty {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $neg(self.0) })
            }
        }
        impl std::ops::Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $xor(self.0, $ones) })
            }
        }
        impl Mask for $mask {
            #[inline(always)]
            fn any(self) -> bool {
                // SAFETY: as above.
                unsafe { vmaxvq_u32($words(self.0)) != 0 }
            }
            #[inline(always)]
            fn all(self) -> bool {
                // SAFETY: as above.
                unsafe { vminvq_u32($words(self.0)) != 0 }
            }
        }

        impl FloatVec for $ty {
            type Elem = $elem;
            type Token = Neon;
            type Int = $int;
            type Mask = $mask;
            const LANES: usize = $lanes;

            float_basics!(Neon, $elem, $int; splat $set1, load $load, store $store,
                bits $to_int, $from_int, zip $low, $high);
            #[inline(always)]
            unsafe fn load_first(token: Neon, ptr: *const $elem, n: usize) -> Self {
                let mut spill = [0.0; $lanes];
                // SAFETY: the caller's promise.
                unsafe {
                    for lane in 0..n {
                        spill[lane] = *ptr.add(lane);
                    }
                    Self::load(token, spill.as_ptr())
                }
            }
            #[inline(always)]
            unsafe fn store_first(self, ptr: *mut $elem, n: usize) {
                let mut spill = [0.0; $lanes];
                // SAFETY: the caller's promise.
                unsafe {
                    self.store(spill.as_mut_ptr());
                    for lane in 0..n {
                        *ptr.add(lane) = spill[lane];
                    }
                }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $fma(c.0, self.0, b.0) })
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $fms(c.0, self.0, b.0) })
            }
            // The instructions of these names treat NaN and zeros otherwise than the trait says.
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self::select(self.gt(other), self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self::select(other.gt(self), self, other)
            }
            #[inline(always)]
            fn gt(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $gt(self.0, other.0) })
            }
            #[inline(always)]
            fn ge(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $ge(self.0, other.0) })
            }
            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $eq(self.0, other.0) })
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $blend(mask.0, a.0, b.0) })
            }
            #[inline(always)]
            fn nth_128(self, _: usize) -> Self {
                self
            }
            methods!(1: $($one = $one_intrinsic),+);
            $($($more)+)?
        }
    };
}

float!(F32x4, f32, 4, float32x4_t, U32x4, M32, uint32x4_t;
    set1 vdupq_n_f32, load vld1q_f32, store vst1q_f32, fma vfmaq_f32, fms vfmsq_f32, neg vnegq_f32,
    compare vcgtq_f32, vcgeq_f32, vceqq_f32, blend vbslq_f32, bits vreinterpretq_u32_f32, vreinterpretq_f32_u32;
    zip vzip1q_f32, vzip2q_f32;
    mask vandq_u32, vorrq_u32, veorq_u32, vdupq_n_u32(u32::MAX), std::convert::identity;
    ops Add add vaddq_f32, Sub sub vsubq_f32, Mul mul vmulq_f32, Div div vdivq_f32;
    1 abs = vabsq_f32, sqrt = vsqrtq_f32, round = vrndnq_f32, floor = vrndmq_f32;
#[inline(always)]
unsafe fn load_every_second(_: Neon, ptr: *const f32) -> Self {
    // SAFETY: the token, and the caller's promise: the second vector ends with the last element.
    Self(unsafe {
        let (low, high) = (vld1q_f32(ptr), vld1q_f32(ptr.add(3)));
        vuzp1q_f32(low, vextq_f32::<1>(high, high))
    })
}
#[inline(always)]
fn look_up(table: &[f32; 16], index: U32x4) -> Self {
    // SAFETY: the index is a vector of the level; the table has sixty-four bytes.
    Self(unsafe {
        // The four bytes of an entry are neighbours.
        let first = vmulq_u32(vandq_u32(index.0, vdupq_n_u32(15)), vdupq_n_u32(0x0404_0404));
        let bytes = vreinterpretq_u8_u32(vaddq_u32(first, vdupq_n_u32(0x0302_0100)));
        vreinterpretq_f32_u8(vqtbl4q_u8(vld1q_u8_x4(table.as_ptr().cast()), bytes))
    })
});

float!(F64x2, f64, 2, float64x2_t, U64x2, M64, uint64x2_t;
    set1 vdupq_n_f64, load vld1q_f64, store vst1q_f64, fma vfmaq_f64, fms vfmsq_f64, neg vnegq_f64,
    compare vcgtq_f64, vcgeq_f64, vceqq_f64, blend vbslq_f64, bits vreinterpretq_u64_f64, vreinterpretq_f64_u64;
    zip vzip1q_f64, vzip2q_f64;
    mask vandq_u64, vorrq_u64, veorq_u64, vdupq_n_u64(u64::MAX), vreinterpretq_u32_u64;
    ops Add add vaddq_f64, Sub sub vsubq_f64, Mul mul vmulq_f64, Div div vdivq_f64;
    1 abs = vabsq_f64, sqrt = vsqrtq_f64, round = vrndnq_f64, floor = vrndmq_f64);

macro_rules! int {
    ($ty:ident, $lane:ty, $signed:ty, $reg:ty, $mask:ident; set1 $set1:path, shift $shift:path, $set1_signed:path,
     eq $eq:path, gt $gt:path, $to_signed:path, blend $blend:path;
     ops $($op:ident $op_name:ident $op_intrinsic:path),+) => {
        /// Unsigned integers.
        #[derive(Clone, Copy)]
        pub struct $ty($reg);

        operators!($ty: $($op $op_name $op_intrinsic),+);

        impl IntVec for $ty {
            type Token = Neon;
            type Mask = $mask;
            #[inline(always)]
            fn splat(_: Neon, value: u64) -> Self {
                // SAFETY: the token proves support.
                Self(unsafe { $set1(value as $lane) })
            }
            #[inline(always)]
            fn shl(self, n: u32) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $shift(self.0, $set1_signed(n as $signed)) })
            }
            #[inline(always)]
            fn shr(self, n: u32) -> Self {
                // SAFETY: as above. A negative count shifts right.
                Self(unsafe { $shift(self.0, $set1_signed(-(n as $signed))) })
            }
            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $eq(self.0, other.0) })
            }
            #[inline(always)]
            fn gt(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $gt($to_signed(self.0), $to_signed(other.0)) })
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $blend(mask.0, a.0, b.0) })
            }
        }
    };
}

int!(U32x4, u32, i32, uint32x4_t, M32; set1 vdupq_n_u32, shift vshlq_u32, vdupq_n_s32,
    eq vceqq_u32, gt vcgtq_s32, vreinterpretq_s32_u32, blend vbslq_u32;
    ops Add add vaddq_u32, Sub sub vsubq_u32, BitAnd bitand vandq_u32, BitOr bitor vorrq_u32, BitXor bitxor veorq_u32);

int!(U64x2, u64, i64, uint64x2_t, M64; set1 vdupq_n_u64, shift vshlq_u64, vdupq_n_s64,
    eq vceqq_u64, gt vcgtq_s64, vreinterpretq_s64_u64, blend vbslq_u64;
    ops Add add vaddq_u64, Sub sub vsubq_u64, BitAnd bitand vandq_u64, BitOr bitor vorrq_u64, BitXor bitxor veorq_u64);

impl WordVec for U32x4 {
    const LANES: usize = 4;
    #[inline(always)]
    fn mul_wide(self, other: Self) -> (Self, Self) {
        // SAFETY: a vector exists only where its level is supported.
        unsafe {
            let low = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(self.0), vget_low_u32(other.0)));
            let high = vreinterpretq_u32_u64(vmull_high_u32(self.0, other.0));
            (Self(vuzp2q_u32(low, high)), Self(vuzp1q_u32(low, high)))
        }
    }
    #[inline(always)]
    fn to_f32(self) -> F32x4 {
        // SAFETY: as above.
        F32x4(unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(self.0)) })
    }
    #[inline(always)]
    unsafe fn load(_: Neon, ptr: *const u32) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { vld1q_u32(ptr) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u32) {
        // SAFETY: the vector, and the caller's promise.
        unsafe { vst1q_u32(ptr, self.0) }
    }
    #[inline(always)]
    unsafe fn load_u16(_: Neon, ptr: *const u16) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { vmovl_u16(vld1_u16(ptr)) })
    }
    #[inline(always)]
    unsafe fn store_u16(self, ptr: *mut u16) {
        // SAFETY: the vector, and the caller's promise.
        unsafe { vst1_u16(ptr, vmovn_u32(self.0)) }
    }
}
