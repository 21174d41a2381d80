//! Shorthand for the levels made of intrinsics: a method is an intrinsic on the wrapped registers.

/// `Add add intrinsic, ...`: operators of two vectors.
macro_rules! operators {
    ($ty:ty: $($op:ident $method:ident $intrinsic:path),+ $(,)?) => { $(
        impl std::ops::$op for $ty {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a vector exists only where its level is supported.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )+ };
}

/// `method = intrinsic, ...`: methods from vectors to a vector.
macro_rules! methods {
    (1: $($method:ident = $intrinsic:path),+ $(,)?) => { $(
        #[inline(always)]
        fn $method(self) -> Self {
            // SAFETY: a vector exists only where its level is supported.
            Self(unsafe { $intrinsic(self.0) })
        }
    )+ };
    (2: $($method:ident = $intrinsic:path),+ $(,)?) => { $(
        #[inline(always)]
        fn $method(self, other: Self) -> Self {
            // SAFETY: a vector exists only where its level is supported.
            Self(unsafe { $intrinsic(self.0, other.0) })
        }
    )+ };
    (3: $($method:ident = $intrinsic:path),+ $(,)?) => { $(
        #[inline(always)]
        fn $method(self, b: Self, c: Self) -> Self {
            // SAFETY: a vector exists only where its level is supported.
            Self(unsafe { $intrinsic(self.0, b.0, c.0) })
        }
    )+ };
}

/// `token, element, integers; intrinsics`: what a vector of floats does by one intrinsic at every level.
macro_rules! float_basics {
    ($token:ty, $elem:ty, $int:ident; splat $splat:path, load $load:path, store $store:path,
     bits $to_int:path, $from_int:path, zip $low:path, $high:path) => {
        #[inline(always)]
        fn splat(_: $token, value: $elem) -> Self {
            // SAFETY: the token proves support.
            Self(unsafe { $splat(value) })
        }
        #[inline(always)]
        unsafe fn load(_: $token, ptr: *const $elem) -> Self {
            // SAFETY: the token, and the caller's promise.
            Self(unsafe { $load(ptr) })
        }
        #[inline(always)]
        unsafe fn store(self, ptr: *mut $elem) {
            // SAFETY: the vector, and the caller's promise.
            unsafe { $store(ptr, self.0) }
        }
        #[inline(always)]
        fn to_bits(self) -> $int {
            // SAFETY: a vector exists only where its level is supported.
            $int(unsafe { $to_int(self.0) })
        }
        #[inline(always)]
        fn from_bits(bits: $int) -> Self {
            // SAFETY: as above.
            Self(unsafe { $from_int(bits.0) })
        }
        #[inline(always)]
        fn zip(self, other: Self) -> (Self, Self) {
            // SAFETY: as above.
            unsafe { (Self($low(self.0, other.0)), Self($high(self.0, other.0))) }
        }
    };
}

/// What a vector of floats does alike at both levels of x86: their intrinsics take the same constants.
#[cfg(target_arch = "x86_64")]
macro_rules! float_x86 {
    ($elem:ty, $mask:ident; stream $stream:path, round $round:ident, compare $compare:ident) => {
        #[inline(always)]
        unsafe fn stream(self, ptr: *mut $elem) {
            // SAFETY: the vector, and the caller's promise.
            unsafe { $stream(ptr, self.0) }
        }
        #[inline(always)]
        fn round(self) -> Self {
            // SAFETY: a vector exists only where its level is supported.
            Self(unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
        }
        #[inline(always)]
        fn floor(self) -> Self {
            // SAFETY: as above.
            Self(unsafe { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0) })
        }
        #[inline(always)]
        fn gt(self, other: Self) -> $mask {
            // SAFETY: as above.
            $mask(unsafe { $compare::<_CMP_GT_OQ>(self.0, other.0) })
        }
        #[inline(always)]
        fn ge(self, other: Self) -> $mask {
            // SAFETY: as above.
            $mask(unsafe { $compare::<_CMP_GE_OQ>(self.0, other.0) })
        }
        #[inline(always)]
        fn equals(self, other: Self) -> $mask {
            // SAFETY: as above.
            $mask(unsafe { $compare::<_CMP_EQ_OQ>(self.0, other.0) })
        }
        #[inline(always)]
        fn is_nan(self) -> $mask {
            // SAFETY: as above.
            $mask(unsafe { $compare::<_CMP_UNORD_Q>(self.0, self.0) })
        }
    };
}

/// The same of integers.
#[cfg(target_arch = "x86_64")]
macro_rules! int_x86 {
    ($token:ty, $lane:ty; set1 $set1:path, sll $sll:path, srl $srl:path) => {
        #[inline(always)]
        fn splat(_: $token, value: u64) -> Self {
            // SAFETY: the token proves support.
            Self(unsafe { $set1(value as $lane) })
        }
        #[inline(always)]
        fn shl(self, n: u32) -> Self {
            // SAFETY: a vector exists only where its level is supported.
            Self(unsafe { $sll(self.0, $set1(n as $lane)) })
        }
        #[inline(always)]
        fn shr(self, n: u32) -> Self {
            // SAFETY: as above.
            Self(unsafe { $srl(self.0, $set1(n as $lane)) })
        }
    };
}

pub(super) use {float_basics, methods, operators};
#[cfg(target_arch = "x86_64")]
pub(super) use {float_x86, int_x86};
