//! Arithmetic, rounded as IEEE 754 says; integers wrap.
use crate::map::{Formula, IntElem, IntFormula};
use crate::simd::FloatVec;

/// A formula on floats: its name, its operands, what it is.
macro_rules! floats {
    ($($(#[$doc:meta])* $name:ident |$($x:ident),+| $eval:expr;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;
        impl Formula<{ [$(stringify!($x)),+].len() }> for $name {
            #[inline(always)]
            fn eval<V: FloatVec>(self, [$($x),+]: [V; [$(stringify!($x)),+].len()]) -> V {
                $eval
            }
        }
    )+ };
}

/// The same on integers, for structs declared already.
macro_rules! ints {
    ($($name:ident |$($x:ident),+| $eval:expr;)+) => { $(
        impl IntFormula<{ [$(stringify!($x)),+].len() }> for $name {
            #[inline(always)]
            fn eval<T: IntElem>(self, [$($x),+]: [T; [$(stringify!($x)),+].len()]) -> T {
                $eval
            }
        }
    )+ };
}

floats! {
    /// `a + b`
    Add |a, b| a + b;
    /// `a - b`
    Sub |a, b| a - b;
    /// `a * b`
    Mul |a, b| a * b;
    /// `a / b`
    Div |a, b| a / b;
    /// `-x`
    Neg |x| -x;
    /// `|x|`
    Abs |x| x.abs();
    /// 1, -1, or the zero or NaN that `x` is
    Sign |x| V::select(x.gt(x.lit(0.0)), x.lit(1.0), V::select(x.lt(x.lit(0.0)), x.lit(-1.0), x));
    /// The square root
    Sqrt |x| x.sqrt();
    /// `1 / sqrt(x)`, rounded twice
    Rsqrt |x| x.lit(1.0) / x.sqrt();
    /// `1 / x`
    Reciprocal |x| x.lit(1.0) / x;
    /// `x * x`
    Square |x| x * x;
    /// The larger; NaN where either is
    Maximum |a, b| V::select(a.is_nan(), a, a.max(b));
    /// The smaller; NaN where either is
    Minimum |a, b| V::select(a.is_nan(), a, a.min(b));
    /// `floor(a / b)` of the rounded quotient
    FloorDiv |a, b| (a / b).floor();
}

ints! {
    Add |a, b| a.plus(b);
    Sub |a, b| a.minus(b);
    Mul |a, b| a.times(b);
    Neg |x| T::default().minus(x);
    Abs |x| if x < T::default() { T::default().minus(x) } else { x };
    Sign |x| T::from_i32((x > T::default()) as i32 - (x < T::default()) as i32);
    Square |x| x.times(x);
    Maximum |a, b| a.max(b);
    Minimum |a, b| a.min(b);
    FloorDiv |a, b| a.floor_div(b);
    Remainder |a, b| a.remainder(b);
}

/// What a division rounded down leaves: it has the divisor's sign, as in Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remainder;

impl Formula<2> for Remainder {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [a, b]: [V; 2]) -> V {
        // Exact wherever the quotient is below 2^24 (2^53): the product is not rounded before the difference.
        let rest = (a / b).floor().neg_mul_add(b, a);
        let zero = a.lit(0.0);
        // A quotient rounded up to an integer leaves a little less than nothing.
        let wrong = (rest.lt(zero) & b.gt(zero)) | (rest.gt(zero) & b.lt(zero));
        let rest = V::select(wrong, rest + b, rest);
        // A finite number within an infinite divisor stays, or wraps to the divisor where the signs differ.
        let infinite = b.abs().equals(b.lit(f64::INFINITY)) & a.abs().lt(a.lit(f64::INFINITY));
        let differ = (a.lt(zero) & b.gt(zero)) | (a.gt(zero) & b.lt(zero));
        V::select(infinite, V::select(differ, b, a), rest)
    }
}

/// `alpha * x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The factor, rounded to the element's type.
    pub alpha: f64,
}

impl Formula<1> for Scale {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        x * x.lit(self.alpha)
    }
}

/// `x + beta`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// The summand, rounded to the element's type.
    pub beta: f64,
}

impl Formula<1> for Offset {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        x + x.lit(self.beta)
    }
}

/// `min(max(x, min), max)`; NaN stays, and `max` wins where it is below `min`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// The lower bound; minus infinity for none.
    pub min: f64,
    /// The upper bound; infinity for none.
    pub max: f64,
}

impl Formula<1> for Clamp {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        // The bound comes first: where `x` is NaN the comparison fails and `x` remains.
        let low = x.lit(self.min).max(x);
        x.lit(self.max).min(low)
    }
}
