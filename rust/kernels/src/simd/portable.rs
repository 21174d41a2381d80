//! The portable level: small arrays and plain loops, which the compiler may turn into whatever vectors the target's
//! baseline has.
use super::Level;
use super::vector::{FloatVec, IntVec, Kernel, Mask, Simd, WordVec};
use std::array::from_fn;

/// The portable level's token; anybody may have it.
#[derive(Clone, Copy, Debug)]
pub struct Portable(());

impl Simd for Portable {
    const LEVEL: Level = Level::Portable;
    type U32 = U32x8;
    type F32 = F32x8;
    type F64 = F64x4;
    type Half = Self;

    #[inline(always)]
    fn half(self) -> Self::Half {
        self
    }

    fn new() -> Option<Self> {
        Some(Self(()))
    }

    #[inline(always)]
    unsafe fn new_unchecked() -> Self {
        Self(())
    }

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.enter(self)
    }
}

/// The function for the level, a method of the kernel as at the other levels.
trait Enter: Kernel {
    fn enter(self, simd: Portable) -> Self::Output;
}

impl<K: Kernel> Enter for K {
    // Not inlined, as at the other levels, so that callers stay small.
    #[inline(never)]
    fn enter(self, simd: Portable) -> K::Output {
        self.run(simd)
    }
}

/// One truth value a lane.
#[derive(Clone, Copy)]
pub struct Bools<const N: usize>([bool; N]);

impl<const N: usize> Mask for Bools<N> {
    #[inline(always)]
    fn any(self) -> bool {
        self.0.iter().any(|&b| b)
    }
    #[inline(always)]
    fn all(self) -> bool {
        self.0.iter().all(|&b| b)
    }
}
impl<const N: usize> std::ops::Not for Bools<N> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(from_fn(|i| !self.0[i]))
    }
}

impl<const N: usize> std::ops::BitAnd for Bools<N> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] & other.0[i]))
    }
}
impl<const N: usize> std::ops::BitOr for Bools<N> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] | other.0[i]))
    }
}

/// Operators lane by lane, by a function of two lanes.
macro_rules! lanewise {
    ($ty:ty: $($op:ident $method:ident $lane:expr),+ $(,)?) => { $(
        impl std::ops::$op for $ty {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| $lane(self.0[i], other.0[i])))
            }
        }
    )+ };
}

macro_rules! vectors {
    ($float:ident, $elem:ty, $int:ident, $bits:ty, $signed:ty, $lanes:literal) => {
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($elem), "`.")]
        #[derive(Clone, Copy)]
        pub struct $float([$elem; $lanes]);
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($bits), "`.")]
        #[derive(Clone, Copy)]
        pub struct $int([$bits; $lanes]);

        lanewise!($float: Add add std::ops::Add::add, Sub sub std::ops::Sub::sub, Mul mul std::ops::Mul::mul,
            Div div std::ops::Div::div);
        lanewise!($int: Add add <$bits>::wrapping_add, Sub sub <$bits>::wrapping_sub,
            BitAnd bitand std::ops::BitAnd::bitand, BitOr bitor std::ops::BitOr::bitor,
            BitXor bitxor std::ops::BitXor::bitxor);

        impl std::ops::Neg for $float {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(self.0.map(|x| -x))
            }
        }

        impl FloatVec for $float {
            type Elem = $elem;
            type Token = Portable;
            type Int = $int;
            type Mask = Bools<$lanes>;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(_: Portable, value: $elem) -> Self {
                Self([value; $lanes])
            }
            #[inline(always)]
            unsafe fn load(_: Portable, ptr: *const $elem) -> Self {
                // SAFETY: the caller's promise.
                Self(unsafe { ptr.cast::<[$elem; $lanes]>().read() })
            }
            #[inline(always)]
            unsafe fn load_first(_: Portable, ptr: *const $elem, n: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller's promise.
                unsafe { std::ptr::copy_nonoverlapping(ptr, lanes.as_mut_ptr(), n) };
                Self(lanes)
            }
            #[inline(always)]
            unsafe fn store(self, ptr: *mut $elem) {
                // SAFETY: the caller's promise.
                unsafe { ptr.cast::<[$elem; $lanes]>().write(self.0) }
            }
            #[inline(always)]
            unsafe fn store_first(self, ptr: *mut $elem, n: usize) {
                // SAFETY: the caller's promise.
                unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), ptr, n) }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                Self(from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                Self(from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i])))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.map(<$elem>::abs))
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self(from_fn(|i| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] }))
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self(from_fn(|i| if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] }))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(self.0.map(<$elem>::sqrt))
            }
            #[inline(always)]
            fn round(self) -> Self {
                Self(self.0.map(<$elem>::round_ties_even))
            }
            #[inline(always)]
            fn floor(self) -> Self {
                Self(self.0.map(<$elem>::floor))
            }
            #[inline(always)]
            fn gt(self, other: Self) -> Self::Mask {
                Bools(from_fn(|i| self.0[i] > other.0[i]))
            }
            #[inline(always)]
            fn ge(self, other: Self) -> Self::Mask {
                Bools(from_fn(|i| self.0[i] >= other.0[i]))
            }
            #[inline(always)]
            fn equals(self, other: Self) -> Self::Mask {
                Bools(from_fn(|i| self.0[i] == other.0[i]))
            }
            #[inline(always)]
            fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
                Self(from_fn(|i| if mask.0[i] { a.0[i] } else { b.0[i] }))
            }
            #[inline(always)]
            fn look_up(table: &[f32; 16], index: $int) -> Self {
                Self(index.0.map(|i| table[(i & 15) as usize].into()))
            }
            #[inline(always)]
            fn to_bits(self) -> $int {
                $int(self.0.map(<$elem>::to_bits))
            }
            #[inline(always)]
            fn from_bits(bits: $int) -> Self {
                Self(bits.0.map(<$elem>::from_bits))
            }
        }

        impl IntVec for $int {
            type Token = Portable;
            type Mask = Bools<$lanes>;
            #[inline(always)]
            fn splat(_: Portable, value: u64) -> Self {
                Self([value as $bits; $lanes])
            }
            #[inline(always)]
            fn shl(self, n: u32) -> Self {
                Self(self.0.map(|x| x << n))
            }
            #[inline(always)]
            fn shr(self, n: u32) -> Self {
                Self(self.0.map(|x| x >> n))
            }
            #[inline(always)]
            fn equals(self, other: Self) -> Self::Mask {
                Bools(from_fn(|i| self.0[i] == other.0[i]))
            }
            #[inline(always)]
            fn gt(self, other: Self) -> Self::Mask {
                Bools(from_fn(|i| self.0[i] as $signed > other.0[i] as $signed))
            }
            #[inline(always)]
            fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
                Self(from_fn(|i| if mask.0[i] { a.0[i] } else { b.0[i] }))
            }
        }
    };
}

vectors!(F32x8, f32, U32x8, u32, i32, 8);
vectors!(F64x4, f64, U64x4, u64, i64, 4);

impl WordVec for U32x8 {
    const LANES: usize = 8;
    #[inline(always)]
    fn mul_wide(self, other: Self) -> (Self, Self) {
        let product = |i: usize| self.0[i] as u64 * other.0[i] as u64;
        (Self(from_fn(|i| (product(i) >> 32) as u32)), Self(from_fn(|i| product(i) as u32)))
    }
    #[inline(always)]
    fn to_f32(self) -> F32x8 {
        F32x8(self.0.map(|x| x as i32 as f32))
    }
    #[inline(always)]
    unsafe fn load(_: Portable, ptr: *const u32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { ptr.cast::<[u32; 8]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { ptr.cast::<[u32; 8]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn load_u16(_: Portable, ptr: *const u16) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { ptr.cast::<[u16; 8]>().read() }.map(u32::from))
    }
    #[inline(always)]
    unsafe fn store_u16(self, ptr: *mut u16) {
        // SAFETY: the caller's promise.
        unsafe { ptr.cast::<[u16; 8]>().write(self.0.map(|x| x as u16)) }
    }
}
