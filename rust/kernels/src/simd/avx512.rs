//! The AVX-512 level: 16 lanes of `f32`, 8 of `f64`, masks in their own registers.
use super::Level;
use super::macros::{float_basics, float_x86, int_x86, methods, operators};
use super::vector::{FloatVec, IntVec, Kernel, Mask, Simd, WordVec};
use std::arch::x86_64::*;

/// Proof that the machine has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Simd for Avx512 {
    const LEVEL: Level = Level::Avx512;
    type U32 = U32x16;
    type F32 = F32x16;
    type F64 = F64x8;
    type Half = super::avx2::Avx2;

    #[inline(always)]
    fn half(self) -> Self::Half {
        // SAFETY: a machine with AVX-512 has AVX2 too, see `new`.
        unsafe { super::avx2::Avx2::new_unchecked() }
    }

    fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && super::avx2::Avx2::new().is_some())
        .then_some(Self(()))
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

    #[inline(always)]
    unsafe fn vectorize_dot<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: the token, and the caller's promise.
        unsafe { kernel.enter_dot(self) }
    }
}

/// The function compiled for the level. As a method of the kernel it is compiled with the kernel's module: one codegen
/// unit for all kernels would be compiled by one thread.
trait Enter: Kernel {
    /// # Safety
    /// The machine supports the level.
    unsafe fn enter(self, simd: Avx512) -> Self::Output;
    /// # Safety
    /// The machine supports the level and has the dot product of bfloat16.
    unsafe fn enter_dot(self, simd: Avx512) -> Self::Output;
}

impl<K: Kernel> Enter for K {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn enter(self, simd: Avx512) -> K::Output {
        self.run(simd)
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi1,bmi2,lzcnt,popcnt"
    )]
    unsafe fn enter_dot(self, simd: Avx512) -> K::Output {
        self.run(simd)
    }
}

macro_rules! float {
    ($ty:ident, $elem:ty, $lanes:literal, $reg:ty, $bits:ty, $int:ident, $mask:ident;
     set1 $set1:path, load $loadu:path, load_first $maskz_loadu:path, store $storeu:path,
     store_first $mask_storeu:path, stream $stream:path, round $round:ident, xor $xor:path, compare $cmp:ident,
     blend $blend:path, bits $to_int:path, $from_int:path; zip $low:path, $high:path; part $extract:ident, $widen:path;
     ops $($op:ident $op_name:ident $op_intrinsic:path),+;
     1 $($one:ident = $one_intrinsic:path),+;
     2 $($two:ident = $two_intrinsic:path),+;
     3 $($three:ident = $three_intrinsic:path),+ $(; $($more:item)+)?) => {
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($elem), "`.")]
        #[derive(Clone, Copy)]
        pub struct $ty($reg);

        impl std::ops::Neg for $ty {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $xor(self.0, $set1(-0.0)) })
            }
        }

        /// One bit a lane.
        #[derive(Clone, Copy)]
        pub struct $mask($bits);

        impl Mask for $mask {
            #[inline(always)]
            fn any(self) -> bool {
                self.0 != 0
            }
            #[inline(always)]
            fn all(self) -> bool {
                self.0 == <$bits>::MAX
            }
        }
        impl std::ops::BitAnd for $mask {
            type Output = Self;
            #[inline(always)]
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }
        impl std::ops::BitOr for $mask {
            type Output = Self;
            #[inline(always)]
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
        impl std::ops::Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        operators!($ty: $($op $op_name $op_intrinsic),+);

        impl FloatVec for $ty {
            type Elem = $elem;
            type Token = Avx512;
            type Int = $int;
            type Mask = $mask;
            const LANES: usize = $lanes;

            float_basics!(Avx512, $elem, $int; splat $set1, load $loadu, store $storeu,
                bits $to_int, $from_int, zip $low, $high);
            float_x86!($elem, $mask; stream $stream, round $round, compare $cmp);
            #[inline(always)]
            unsafe fn load_first(_: Avx512, ptr: *const $elem, n: usize) -> Self {
                // SAFETY: the token, and the caller's promise; lanes masked out are not touched.
                Self(unsafe { $maskz_loadu(((1u32 << n) - 1) as $bits, ptr) })
            }
            #[inline(always)]
            unsafe fn load_joined(_: Avx512, ptr: *const $elem, n: usize, rest: *const $elem) -> Self {
                let first = ((1u32 << n) - 1) as $bits;
                // SAFETY: the token, and the caller's promise; lanes masked out are not touched.
                let (a, b) = unsafe { ($maskz_loadu(first, ptr), $maskz_loadu(!first, rest.wrapping_sub(n))) };
                Self::select($mask(first), Self(a), Self(b))
            }
            #[inline(always)]
            unsafe fn store_first(self, ptr: *mut $elem, n: usize) {
                // SAFETY: the vector, and the caller's promise; lanes masked out are not touched.
                unsafe { $mask_storeu(ptr, ((1u32 << n) - 1) as $bits, self.0) }
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $blend(mask.0, b.0, a.0) })
            }
            #[inline(always)]
            fn nth_128(self, i: usize) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe {
                    match i {
                        0 => self.0,
                        1 => $widen($extract::<1>(self.0)),
                        2 => $widen($extract::<2>(self.0)),
                        _ => $widen($extract::<3>(self.0)),
                    }
                })
            }
            methods!(1: $($one = $one_intrinsic),+);
            methods!(2: $($two = $two_intrinsic),+);
            methods!(3: $($three = $three_intrinsic),+);
            $($($more)+)?
        }
    };
}

float!(F32x16, f32, 16, __m512, u16, U32x16, M16;
    set1 _mm512_set1_ps, load _mm512_loadu_ps, load_first _mm512_maskz_loadu_ps, store _mm512_storeu_ps,
    store_first _mm512_mask_storeu_ps, stream _mm512_stream_ps, round _mm512_roundscale_ps, xor _mm512_xor_ps,
    compare _mm512_cmp_ps_mask, blend _mm512_mask_blend_ps, bits _mm512_castps_si512, _mm512_castsi512_ps;
    zip _mm512_unpacklo_ps, _mm512_unpackhi_ps;
    part _mm512_extractf32x4_ps, _mm512_castps128_ps512;
    ops Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps;
    1 abs = _mm512_abs_ps, sqrt = _mm512_sqrt_ps;
    2 max = _mm512_max_ps, min = _mm512_min_ps, scale = _mm512_scalef_ps;
    3 mul_add = _mm512_fmadd_ps, neg_mul_add = _mm512_fnmadd_ps, mul_sub = _mm512_fmsub_ps;
#[inline(always)]
unsafe fn load_every_second(_: Avx512, ptr: *const f32) -> Self {
    const INDEX: [u32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31];
    // SAFETY: the token, and the caller's promise: the second vector ends with the last element.
    Self(unsafe {
        let index = _mm512_loadu_si512(INDEX.as_ptr().cast());
        _mm512_permutex2var_ps(_mm512_loadu_ps(ptr), index, _mm512_loadu_ps(ptr.add(15)))
    })
}
#[inline(always)]
fn look_up(table: &[f32; 16], index: U32x16) -> Self {
    // SAFETY: the index is a vector of the level; the table has sixteen entries.
    Self(unsafe { _mm512_permutexvar_ps(index.0, _mm512_loadu_ps(table.as_ptr())) })
}
#[inline(always)]
unsafe fn dot_pairs(self, b: Self, c: Self) -> Self {
    // SAFETY: the caller's promise; both types are 512 bits.
    Self(unsafe {
        let pairs = |x: Self| std::mem::transmute::<__m512, __m512bh>(x.0);
        _mm512_dpbf16_ps(c.0, pairs(self), pairs(b))
    })
}
#[inline(always)]
unsafe fn round_bf16(self) -> U32x16 {
    // SAFETY: the caller's promise; both types are 256 bits.
    U32x16(unsafe { _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(self.0))) })
});

float!(F64x8, f64, 8, __m512d, u8, U64x8, M8;
    set1 _mm512_set1_pd, load _mm512_loadu_pd, load_first _mm512_maskz_loadu_pd, store _mm512_storeu_pd,
    store_first _mm512_mask_storeu_pd, stream _mm512_stream_pd, round _mm512_roundscale_pd, xor _mm512_xor_pd,
    compare _mm512_cmp_pd_mask, blend _mm512_mask_blend_pd, bits _mm512_castpd_si512, _mm512_castsi512_pd;
    zip _mm512_unpacklo_pd, _mm512_unpackhi_pd;
    part _mm512_extractf64x2_pd, _mm512_castpd128_pd512;
    ops Add add _mm512_add_pd, Sub sub _mm512_sub_pd, Mul mul _mm512_mul_pd, Div div _mm512_div_pd;
    1 abs = _mm512_abs_pd, sqrt = _mm512_sqrt_pd;
    2 max = _mm512_max_pd, min = _mm512_min_pd, scale = _mm512_scalef_pd;
    3 mul_add = _mm512_fmadd_pd, neg_mul_add = _mm512_fnmadd_pd, mul_sub = _mm512_fmsub_pd;
#[inline(always)]
unsafe fn load_every_second(_: Avx512, ptr: *const f64) -> Self {
    const INDEX: [u64; 8] = [0, 2, 4, 6, 9, 11, 13, 15];
    // SAFETY: the token, and the caller's promise: the second vector ends with the last element.
    Self(unsafe {
        let index = _mm512_loadu_si512(INDEX.as_ptr().cast());
        _mm512_permutex2var_pd(_mm512_loadu_pd(ptr), index, _mm512_loadu_pd(ptr.add(7)))
    })
});

macro_rules! int {
    ($ty:ident, $lane:ty, $mask:ident; set1 $set1:path, sll $sll:path, srl $srl:path, eq $eq:path, gt $gt:path,
     blend $blend:path; ops $($op:ident $op_name:ident $op_intrinsic:path),+) => {
        /// Unsigned integers.
        #[derive(Clone, Copy)]
        pub struct $ty(__m512i);

        operators!($ty: $($op $op_name $op_intrinsic),+);

        impl IntVec for $ty {
            type Token = Avx512;
            type Mask = $mask;

            int_x86!(Avx512, $lane; set1 $set1, sll $sll, srl $srl);
            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $eq(self.0, other.0) })
            }
            #[inline(always)]
            fn gt(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $gt(self.0, other.0) })
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $blend(mask.0, b.0, a.0) })
            }
        }
    };
}

int!(U32x16, i32, M16; set1 _mm512_set1_epi32, sll _mm512_sllv_epi32, srl _mm512_srlv_epi32,
    eq _mm512_cmpeq_epi32_mask, gt _mm512_cmpgt_epi32_mask, blend _mm512_mask_blend_epi32;
    ops Add add _mm512_add_epi32, Sub sub _mm512_sub_epi32, BitAnd bitand _mm512_and_si512,
    BitOr bitor _mm512_or_si512, BitXor bitxor _mm512_xor_si512);

int!(U64x8, i64, M8; set1 _mm512_set1_epi64, sll _mm512_sllv_epi64, srl _mm512_srlv_epi64,
    eq _mm512_cmpeq_epi64_mask, gt _mm512_cmpgt_epi64_mask, blend _mm512_mask_blend_epi64;
    ops Add add _mm512_add_epi64, Sub sub _mm512_sub_epi64, BitAnd bitand _mm512_and_si512,
    BitOr bitor _mm512_or_si512, BitXor bitxor _mm512_xor_si512);

impl WordVec for U32x16 {
    const LANES: usize = 16;
    #[inline(always)]
    fn mul_wide(self, other: Self) -> (Self, Self) {
        // SAFETY: a vector exists only where its level is supported.
        unsafe {
            let even = _mm512_mul_epu32(self.0, other.0);
            let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(self.0), _mm512_srli_epi64::<32>(other.0));
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
            let low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64::<32>(odd));
            (Self(high), Self(low))
        }
    }
    #[inline(always)]
    fn to_f32(self) -> F32x16 {
        // SAFETY: as above.
        F32x16(unsafe { _mm512_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn load(_: Avx512, ptr: *const u32) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { _mm512_loadu_si512(ptr.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u32) {
        // SAFETY: the vector, and the caller's promise.
        unsafe { _mm512_storeu_si512(ptr.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_u16(_: Avx512, ptr: *const u16) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { _mm512_cvtepu16_epi32(_mm256_loadu_si256(ptr.cast())) })
    }
    #[inline(always)]
    unsafe fn zip_u16(_: Avx512, low: *const u16, high: *const u16) -> [Self; 2] {
        // SAFETY: the token, and the caller's promise.
        unsafe {
            let (low, high) = (_mm512_loadu_si512(low.cast()), _mm512_loadu_si512(high.cast()));
            let (first, second) =
                (_mm512_loadu_si512(ZIP[0].as_ptr().cast()), _mm512_loadu_si512(ZIP[1].as_ptr().cast()));
            [
                Self(_mm512_permutex2var_epi16(low, first, high)),
                Self(_mm512_permutex2var_epi16(low, second, high)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_u16_first(_: Avx512, ptr: *const u16, n: usize) -> Self {
        // SAFETY: the token, and the caller's promise; lanes masked out are not touched.
        Self(unsafe { _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(((1u32 << n) - 1) as u16, ptr.cast())) })
    }
    #[inline(always)]
    unsafe fn store_u16(self, ptr: *mut u16) {
        // SAFETY: the vector, and the caller's promise.
        unsafe { _mm256_storeu_si256(ptr.cast(), _mm512_cvtepi32_epi16(self.0)) }
    }
    #[inline(always)]
    unsafe fn store_u16_first(self, ptr: *mut u16, n: usize) {
        // SAFETY: the vector, and the caller's promise; lanes masked out are not touched.
        unsafe {
            _mm256_mask_storeu_epi16(ptr.cast(), ((1u32 << n) - 1) as u16, _mm512_cvtepi32_epi16(self.0))
        }
    }
}

/// Half-words of two vectors in turns.
static ZIP: [[u16; 32]; 2] = {
    let mut order = [[0; 32]; 2];
    let mut i = 0;
    while i < 64 {
        order[i / 32][i % 32] = (i / 2 + i % 2 * 32) as u16;
        i += 1;
    }
    order
};
