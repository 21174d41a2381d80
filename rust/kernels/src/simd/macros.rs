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

pub(super) use {methods, operators};
