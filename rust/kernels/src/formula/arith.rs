//! Arithmetic, rounded as IEEE 754 says; integers wrap.
use crate::map::{Formula, IntElem, IntFormula};
use crate::simd::{Float, FloatVec, MAX_LANES, Mask};

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

/// The quotient rounded down, as in Python: of the exact one, where it is below 2^24 (2^53)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloorDiv;

impl Formula<2> for FloorDiv {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [a, b]: [V; 2]) -> V {
        let (zero, infinity) = (a.lit(0.0), a.lit(f64::INFINITY));
        let quotient = (a / b).floor();
        let rest = quotient.fma(-b, a);
        let quotient = V::select(wrong_side(rest, b), quotient - a.lit(1.0), quotient);
        let within = V::select(wrong_side(a, b), a.lit(-1.0), quotient);
        let quotient = V::select(b.abs().equals(infinity) & a.abs().lt(infinity), within, quotient);
        V::select(a.abs().equals(infinity) & !b.equals(zero), a.lit(f64::NAN), quotient)
    }
}

/// Whether `rest` lies on the side of zero where `b` does not.
#[inline(always)]
fn wrong_side<V: FloatVec>(rest: V, b: V) -> V::Mask {
    let zero = b.lit(0.0);
    (rest.lt(zero) & b.gt(zero)) | (rest.gt(zero) & b.lt(zero))
}

/// What a division rounded down leaves: it has the divisor's sign, as in Python
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remainder;

impl Formula<2> for Remainder {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [a, b]: [V; 2]) -> V {
        let quotient = (a / b).floor();
        let rest = quotient.fma(-b, a);
        // A quotient rounded up to an integer leaves a little less than nothing.
        let rest = V::select(wrong_side(rest, b), rest + b, rest);
        // A finite number within an infinite divisor stays, or wraps to the divisor where the signs differ.
        let infinity = a.lit(f64::INFINITY);
        let within = V::select(wrong_side(a, b), b, a);
        let rest = V::select(b.abs().equals(infinity) & a.abs().lt(infinity), within, rest);
        let far = quotient.abs().ge(a.lit((1u64 << V::Elem::MANTISSA_BITS) as f64));
        if far.any() { exact_remainders(rest, far, a, b) } else { rest }
    }
}

/// `rest` with the chosen lanes computed one by one: where a quotient has more digits than a float, its product with the
/// divisor is worth nothing. So rare that time does not count.
#[inline(always)]
fn exact_remainders<V: FloatVec>(rest: V, far: V::Mask, a: V, b: V) -> V {
    let token = a.token();
    let chosen = V::select(far, a.lit(1.0), a.lit(0.0));
    let mut lanes = [[V::Elem::default(); MAX_LANES]; 4];
    for (lane, x) in lanes.iter_mut().zip([chosen, rest, a, b]) {
        // SAFETY: the array holds the lanes of the widest vector.
        unsafe { x.store(lane.as_mut_ptr()) };
    }
    let [chosen, mut rest, a, b] = lanes;
    for i in 0..V::LANES {
        if chosen[i].to_f64() != 0.0 {
            let (a, b) = (a[i].to_f64(), b[i].to_f64());
            let r = a % b;
            rest[i] = V::Elem::from_f64(if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r });
        }
    }
    // SAFETY: as above.
    unsafe { V::load(token, rest.as_ptr()) }
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
