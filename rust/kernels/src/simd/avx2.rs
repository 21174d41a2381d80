//! The AVX2+FMA level: 8 lanes of `f32`, 4 of `f64`, masks as vectors.
use super::Level;
use super::macros::{float_basics, float_x86, int_x86, methods, operators};
use super::vector::{FloatVec, IntVec, Kernel, Mask, Simd, WordVec};
use std::arch::x86_64::*;

/// Proof that the machine has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Simd for Avx2 {
    const LEVEL: Level = Level::Avx2;
    type U32 = U32x8;
    type F32 = F32x8;
    type F64 = F64x4;
    type Half = Self;

    #[inline(always)]
    fn half(self) -> Self::Half {
        self
    }

    fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt"))
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
}

/// A window of 8 words into this, `n` words before its middle, has its first `n` words set.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first `n` of `lanes` lanes, for masked loads and stores.
#[inline(always)]
fn first(n: usize, lanes: usize) -> __m256i {
    debug_assert!(n <= lanes);
    let words = n * (8 / lanes);
    // SAFETY: n <= lanes, so the window starts at word 0 to 8; callers hold a token or a vector.
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - words).cast()) }
}

/// The function compiled for the level. As a method of the kernel it is compiled with the kernel's module: one codegen
/// unit for all kernels would be compiled by one thread.
trait Enter: Kernel {
    /// # Safety
    /// The machine supports the level.
    unsafe fn enter(self, simd: Avx2) -> Self::Output;
}

impl<K: Kernel> Enter for K {
    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn enter(self, simd: Avx2) -> K::Output {
        self.run(simd)
    }
}

macro_rules! float {
    ($ty:ident, $elem:ty, $lanes:literal, $reg:ty, $int:ident, $mask:ident;
     set1 $set1:path, load $loadu:path, load_first $maskload:path, store $storeu:path, store_first $maskstore:path,
     stream $stream:path, round $round:ident, compare $cmp:ident, blend $blend:path, movemask $movemask:path,
     bits $to_int:path, $from_int:path; zip $low:path, $high:path;
     part $extract:ident, $widen:path; logic $and:path, $andnot:path, $or:path, $xor:path;
     ops $($op:ident $op_name:ident $op_intrinsic:path),+;
     1 $($one:ident = $one_intrinsic:path),+;
     2 $($two:ident = $two_intrinsic:path),+;
     3 $($three:ident = $three_intrinsic:path),+ $(; $($more:item)+)?) => {
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($elem), "`.")]
        #[derive(Clone, Copy)]
        pub struct $ty($reg);

        /// All bits of a lane set, or none.
        #[derive(Clone, Copy)]
        pub struct $mask($reg);

        operators!($ty: $($op $op_name $op_intrinsic),+);
        operators!($mask: BitAnd bitand $and, BitOr bitor $or);

        impl std::ops::Neg for $ty {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $xor(self.0, $set1(-0.0)) })
            }
        }
        impl std::ops::Not for $mask {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $xor(self.0, $from_int(_mm256_set1_epi32(-1))) })
            }
        }
        impl Mask for $mask {
            #[inline(always)]
            fn any(self) -> bool {
                // SAFETY: as above.
                unsafe { $movemask(self.0) != 0 }
            }
            #[inline(always)]
            fn all(self) -> bool {
                // SAFETY: as above.
                unsafe { $movemask(self.0) == (1 << $lanes) - 1 }
            }
        }

        impl FloatVec for $ty {
            type Elem = $elem;
            type Token = Avx2;
            type Int = $int;
            type Mask = $mask;
            const LANES: usize = $lanes;

            float_basics!(Avx2, $elem, $int; splat $set1, load $loadu, store $storeu,
                bits $to_int, $from_int, zip $low, $high);
            float_x86!($elem, $mask; stream $stream, round $round, compare $cmp);
            #[inline(always)]
            unsafe fn load_first(_: Avx2, ptr: *const $elem, n: usize) -> Self {
                // SAFETY: the token, and the caller's promise; lanes masked out are not touched.
                Self(unsafe { $maskload(ptr, first(n, $lanes)) })
            }
            #[inline(always)]
            unsafe fn load_joined(_: Avx2, ptr: *const $elem, n: usize, rest: *const $elem) -> Self {
                // SAFETY: the token, and the caller's promise; lanes masked out are not touched.
                unsafe {
                    let first = first(n, $lanes);
                    let others = _mm256_andnot_si256(first, _mm256_set1_epi32(-1));
                    let (a, b) = ($maskload(ptr, first), $maskload(rest.wrapping_sub(n), others));
                    Self::from_bits(Self(a).to_bits() | Self(b).to_bits())
                }
            }
            #[inline(always)]
            unsafe fn store_first(self, ptr: *mut $elem, n: usize) {
                // SAFETY: the vector, and the caller's promise; lanes masked out are not touched.
                unsafe { $maskstore(ptr, first(n, $lanes), self.0) }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $andnot($set1(-0.0), self.0) })
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $blend(b.0, a.0, mask.0) })
            }
            #[inline(always)]
            fn nth_128(self, i: usize) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                if i == 0 { self } else { Self(unsafe { $widen($extract::<1>(self.0)) }) }
            }
            methods!(1: $($one = $one_intrinsic),+);
            methods!(2: $($two = $two_intrinsic),+);
            methods!(3: $($three = $three_intrinsic),+);
            $($($more)+)?
        }
    };
}

float!(F32x8, f32, 8, __m256, U32x8, M8;
    set1 _mm256_set1_ps, load _mm256_loadu_ps, load_first _mm256_maskload_ps, store _mm256_storeu_ps,
    store_first _mm256_maskstore_ps, stream _mm256_stream_ps, round _mm256_round_ps, compare _mm256_cmp_ps,
    blend _mm256_blendv_ps, movemask _mm256_movemask_ps, bits _mm256_castps_si256, _mm256_castsi256_ps;
    zip _mm256_unpacklo_ps, _mm256_unpackhi_ps;
    part _mm256_extractf128_ps, _mm256_castps128_ps256;
    logic _mm256_and_ps, _mm256_andnot_ps, _mm256_or_ps, _mm256_xor_ps;
    ops Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps;
    1 sqrt = _mm256_sqrt_ps;
    2 max = _mm256_max_ps, min = _mm256_min_ps;
    3 mul_add = _mm256_fmadd_ps, neg_mul_add = _mm256_fnmadd_ps, mul_sub = _mm256_fmsub_ps;
#[inline(always)]
unsafe fn load_every_second(_: Avx2, ptr: *const f32) -> Self {
    // SAFETY: the token, and the caller's promise: the second vector ends with the last element.
    Self(unsafe {
        let both = _mm256_blend_ps::<0b10101010>(_mm256_loadu_ps(ptr), _mm256_loadu_ps(ptr.add(7)));
        _mm256_permutevar8x32_ps(both, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7))
    })
}
#[inline(always)]
fn look_up(table: &[f32; 16], index: U32x8) -> Self {
    // SAFETY: the index is a vector of the level; the table has sixteen entries.
    Self(unsafe {
        let lower = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr()), index.0);
        let upper = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr().add(8)), index.0);
        // The permutation reads three bits; the fourth becomes the sign, which the blend reads.
        _mm256_blendv_ps(lower, upper, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index.0)))
    })
});

float!(F64x4, f64, 4, __m256d, U64x4, M4;
    set1 _mm256_set1_pd, load _mm256_loadu_pd, load_first _mm256_maskload_pd, store _mm256_storeu_pd,
    store_first _mm256_maskstore_pd, stream _mm256_stream_pd, round _mm256_round_pd, compare _mm256_cmp_pd,
    blend _mm256_blendv_pd, movemask _mm256_movemask_pd, bits _mm256_castpd_si256, _mm256_castsi256_pd;
    zip _mm256_unpacklo_pd, _mm256_unpackhi_pd;
    part _mm256_extractf128_pd, _mm256_castpd128_pd256;
    logic _mm256_and_pd, _mm256_andnot_pd, _mm256_or_pd, _mm256_xor_pd;
    ops Add add _mm256_add_pd, Sub sub _mm256_sub_pd, Mul mul _mm256_mul_pd, Div div _mm256_div_pd;
    1 sqrt = _mm256_sqrt_pd;
    2 max = _mm256_max_pd, min = _mm256_min_pd;
    3 mul_add = _mm256_fmadd_pd, neg_mul_add = _mm256_fnmadd_pd, mul_sub = _mm256_fmsub_pd;
#[inline(always)]
unsafe fn load_every_second(_: Avx2, ptr: *const f64) -> Self {
    // SAFETY: the token, and the caller's promise: the second vector ends with the last element.
    Self(unsafe {
        let both = _mm256_blend_pd::<0b1010>(_mm256_loadu_pd(ptr), _mm256_loadu_pd(ptr.add(3)));
        _mm256_permute4x64_pd::<0b11_01_10_00>(both)
    })
});

macro_rules! int {
    ($ty:ident, $lane:ty, $mask:ident; set1 $set1:path, sll $sll:path, srl $srl:path, eq $eq:path, gt $gt:path,
     cast $cast:path; ops $($op:ident $op_name:ident $op_intrinsic:path),+) => {
        /// Unsigned integers.
        #[derive(Clone, Copy)]
        pub struct $ty(__m256i);

        operators!($ty: $($op $op_name $op_intrinsic),+);

        impl IntVec for $ty {
            type Token = Avx2;
            type Mask = $mask;

            int_x86!(Avx2, $lane; set1 $set1, sll $sll, srl $srl);
            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $cast($eq(self.0, other.0)) })
            }
            #[inline(always)]
            fn gt(self, other: Self) -> $mask {
                // SAFETY: as above.
                $mask(unsafe { $cast($gt(self.0, other.0)) })
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                <Self as Lanes>::Floats::select(mask, FloatVec::from_bits(a), FloatVec::from_bits(b)).to_bits()
            }
        }
    };
}

/// The floats as wide as an integer vector.
trait Lanes: IntVec {
    type Floats: FloatVec<Int = Self, Mask = Self::Mask>;
}
impl Lanes for U32x8 {
    type Floats = F32x8;
}
impl Lanes for U64x4 {
    type Floats = F64x4;
}

int!(U32x8, i32, M8; set1 _mm256_set1_epi32, sll _mm256_sllv_epi32, srl _mm256_srlv_epi32,
    eq _mm256_cmpeq_epi32, gt _mm256_cmpgt_epi32, cast _mm256_castsi256_ps;
    ops Add add _mm256_add_epi32, Sub sub _mm256_sub_epi32, BitAnd bitand _mm256_and_si256,
    BitOr bitor _mm256_or_si256, BitXor bitxor _mm256_xor_si256);

int!(U64x4, i64, M4; set1 _mm256_set1_epi64x, sll _mm256_sllv_epi64, srl _mm256_srlv_epi64,
    eq _mm256_cmpeq_epi64, gt _mm256_cmpgt_epi64, cast _mm256_castsi256_pd;
    ops Add add _mm256_add_epi64, Sub sub _mm256_sub_epi64, BitAnd bitand _mm256_and_si256,
    BitOr bitor _mm256_or_si256, BitXor bitxor _mm256_xor_si256);

impl WordVec for U32x8 {
    const LANES: usize = 8;
    #[inline(always)]
    fn mul_wide(self, other: Self) -> (Self, Self) {
        // SAFETY: a vector exists only where its level is supported.
        unsafe {
            let even = _mm256_mul_epu32(self.0, other.0);
            let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(self.0), _mm256_srli_epi64::<32>(other.0));
            let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
            let low = _mm256_blend_epi32::<0xaa>(even, _mm256_slli_epi64::<32>(odd));
            (Self(high), Self(low))
        }
    }
    #[inline(always)]
    fn to_f32(self) -> F32x8 {
        // SAFETY: as above.
        F32x8(unsafe { _mm256_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn load(_: Avx2, ptr: *const u32) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { _mm256_loadu_si256(ptr.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u32) {
        // SAFETY: the vector, and the caller's promise.
        unsafe { _mm256_storeu_si256(ptr.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_u16(_: Avx2, ptr: *const u16) -> Self {
        // SAFETY: the token, and the caller's promise.
        Self(unsafe { _mm256_cvtepu16_epi32(_mm_loadu_si128(ptr.cast())) })
    }
    #[inline(always)]
    unsafe fn store_u16(self, ptr: *mut u16) {
        // SAFETY: the vector, and the caller's promise.
        unsafe {
            // The pack saturates, so the high halves go first; it works on 128-bit halves, so they are joined.
            let low = _mm256_and_si256(self.0, _mm256_set1_epi32(0xffff));
            let packed = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            _mm_storeu_si128(ptr.cast(), packed);
        }
    }
}
