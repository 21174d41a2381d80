//! What is reduced, and how two values become one.
use half::{bf16, f16};

/// A value while it is being reduced.
pub trait Accum: Copy + PartialOrd + Send + Sync + 'static {
    /// The empty sum.
    const ZERO: Self;
    /// The empty product.
    const ONE: Self;
    /// Nothing is smaller.
    const LOWEST: Self;
    /// Nothing is larger.
    const HIGHEST: Self;
    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// The product; integers wrap.
    fn times(self, other: Self) -> Self;
    /// Whether it is a NaN.
    fn is_nan(self) -> bool;
}

macro_rules! accum {
    ($($ty:ident $zero:literal $one:literal $low:expr, $high:expr, $plus:path, $times:path, |$x:ident| $nan:expr;)+) => { $(
        impl Accum for $ty {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LOWEST: Self = $low;
            const HIGHEST: Self = $high;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $plus(self, other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $times(self, other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                let $x = self;
                $nan
            }
        }
    )+ };
}

accum! {
    f32 0.0 1.0 f32::NEG_INFINITY, f32::INFINITY, std::ops::Add::add, std::ops::Mul::mul, |x| x.is_nan();
    f64 0.0 1.0 f64::NEG_INFINITY, f64::INFINITY, std::ops::Add::add, std::ops::Mul::mul, |x| x.is_nan();
    i64 0 1 i64::MIN, i64::MAX, i64::wrapping_add, i64::wrapping_mul, |_x| false;
    i32 0 1 i32::MIN, i32::MAX, i32::wrapping_add, i32::wrapping_mul, |_x| false;
    u8 0 1 u8::MIN, u8::MAX, u8::wrapping_add, u8::wrapping_mul, |_x| false;
}

/// An element that can be reduced; 16-bit floats are accumulated in `f32` and rounded once.
pub trait ReduceElem: Copy + Send + Sync + 'static {
    /// What it is accumulated in.
    type Acc: Accum;
    /// Whether memory holds the accumulating type itself.
    const IS_ACC: bool;
    /// Widened.
    fn widen(self) -> Self::Acc;
    /// Rounded.
    fn narrow(value: Self::Acc) -> Self;
}

macro_rules! elems {
    ($($ty:ident $acc:ident $is:literal |$x:ident| $widen:expr, |$y:ident| $narrow:expr;)+) => { $(
        impl ReduceElem for $ty {
            type Acc = $acc;
            const IS_ACC: bool = $is;
            #[inline(always)]
            fn widen(self) -> $acc {
                let $x = self;
                $widen
            }
            #[inline(always)]
            fn narrow($y: $acc) -> Self {
                $narrow
            }
        }
    )+ };
}

elems! {
    f32 f32 true |x| x, |y| y;
    f64 f64 true |x| x, |y| y;
    i64 i64 true |x| x, |y| y;
    i32 i32 true |x| x, |y| y;
    u8 u8 true |x| x, |y| y;
    bf16 f32 false |x| f32::from_bits((x.to_bits() as u32) << 16), |y| bf16::from_f32(y);
    f16 f32 false |x| x.to_f32(), |y| f16::from_f32(y);
}

/// How two values become one, and what changes nothing.
pub trait Reduction: Copy + Send + Sync + 'static {
    /// The value of no elements.
    fn identity<A: Accum>(self) -> A;
    /// Two values made one.
    fn combine<A: Accum>(self, a: A, b: A) -> A;
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $identity:ident |$a:ident, $b:ident| $combine:expr;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;
        impl Reduction for $name {
            #[inline(always)]
            fn identity<A: Accum>(self) -> A {
                A::$identity
            }
            #[inline(always)]
            fn combine<A: Accum>(self, $a: A, $b: A) -> A {
                $combine
            }
        }
    )+ };
}

reductions! {
    /// The sum
    Sum ZERO |a, b| a.plus(b);
    /// The product
    Prod ONE |a, b| a.times(b);
    /// The largest; NaN where there is one
    Max LOWEST |a, b| if a > b || a.is_nan() { a } else { b };
    /// The smallest; NaN where there is one
    Min HIGHEST |a, b| if a < b || a.is_nan() { a } else { b };
}

/// Which element is meant, where there are several alike: always the first.
pub trait ArgReduction: Copy + Send + Sync + 'static {
    /// The reduction that gives its value.
    type Value: Reduction;
    /// That reduction.
    fn value(self) -> Self::Value;
    /// Whether a later value takes the place of an earlier.
    #[inline(always)]
    fn beats<A: Accum>(self, later: A, earlier: A) -> bool {
        let best = self.value().combine(earlier, later);
        !earlier.is_nan() && (later.is_nan() || (later != earlier && best == later))
    }
}

/// Where the largest element is; NaN counts as larger than all
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArgMax;
impl ArgReduction for ArgMax {
    type Value = Max;
    #[inline(always)]
    fn value(self) -> Max {
        Max
    }
}

/// Where the smallest element is; NaN counts as smaller than all
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArgMin;
impl ArgReduction for ArgMin {
    type Value = Min;
    #[inline(always)]
    fn value(self) -> Min {
        Min
    }
}
