//! What is reduced, and how two values become one.
use crate::simd::{Float, FloatVec, Simd};
use half::{bf16, f16};

/// A value while it is being reduced.
pub trait Accum: ReduceElem<Acc = Self> + PartialOrd {
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
    /// Whether it is a float.
    const IS_FLOAT: bool;
    /// Whether it is a NaN.
    fn is_nan(self) -> bool;
    /// Two times `C` values made `C`, lane by lane, into the first. Floats do it in vectors: left to itself, the compiler
    /// finds none for the extremes, and wrong ones for rows of lanes.
    #[inline(always)]
    fn lanes<S: Simd, R: Reduction, const C: usize>(_: S, r: R, acc: &mut [Self; C], x: &[Self; C]) {
        for (a, &x) in acc.iter_mut().zip(x) {
            *a = r.combine(*a, x);
        }
    }
}

/// [`Accum::lanes`] of floats.
#[inline(always)]
fn float_lanes<S: Simd, T: Float + Accum, R: Reduction, const C: usize>(
    simd: S,
    r: R,
    acc: &mut [T; C],
    x: &[T; C],
) {
    let lanes = T::Vec::<S>::LANES;
    let mut i = 0;
    // SAFETY: whole vectors inside the arrays.
    unsafe {
        while i + lanes <= C {
            let at = acc.as_mut_ptr().add(i);
            let x = T::Vec::<S>::load(simd, x.as_ptr().add(i));
            r.combine_vectors(T::Vec::<S>::load(simd, at), x).store(at);
            i += lanes;
        }
    }
    for (a, &x) in acc[i..].iter_mut().zip(&x[i..]) {
        *a = r.combine(*a, x);
    }
}

macro_rules! accum {
    ($($ty:ident $zero:literal $one:literal $low:expr, $high:expr, $plus:path, $times:path, |$x:ident| $nan:expr
        $(, $lanes:ident)?;)+) => { $(
        impl Accum for $ty {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LOWEST: Self = $low;
            const HIGHEST: Self = $high;
            const IS_FLOAT: bool = (1 as $ty) / (2 as $ty) != (0 as $ty);
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
            $(
                #[inline(always)]
                fn lanes<S: Simd, R: Reduction, const C: usize>(simd: S, r: R, acc: &mut [Self; C], x: &[Self; C]) {
                    $lanes(simd, r, acc, x)
                }
            )?
        }
    )+ };
}

accum! {
    f32 0.0 1.0 f32::NEG_INFINITY, f32::INFINITY, std::ops::Add::add, std::ops::Mul::mul, |x| x.is_nan(), float_lanes;
    f64 0.0 1.0 f64::NEG_INFINITY, f64::INFINITY, std::ops::Add::add, std::ops::Mul::mul, |x| x.is_nan(), float_lanes;
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
    /// The same in vectors, with the same results.
    fn combine_vectors<V: FloatVec>(self, a: V, b: V) -> V;
}

/// `x` if it is a NaN, else `other`.
#[inline(always)]
fn nan_or<A: Accum>(x: A, other: A) -> A {
    if x.is_nan() { x } else { other }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $identity:ident |$a:ident, $b:ident| $combine:expr, $vectors:expr;)+) => { $(
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
            #[inline(always)]
            fn combine_vectors<V: FloatVec>(self, $a: V, $b: V) -> V {
                $vectors
            }
        }
    )+ };
}

reductions! {
    /// The sum
    Sum ZERO |a, b| a.plus(b), a + b;
    /// The product
    Prod ONE |a, b| a.times(b), a * b;
    /// The largest; NaN where there is one
    Max LOWEST |a, b| nan_or(b, if b > a { b } else { a }), V::select(b.is_nan(), b, b.max(a));
    /// The smallest; NaN where there is one
    Min HIGHEST |a, b| nan_or(b, if b < a { b } else { a }), V::select(b.is_nan(), b, b.min(a));
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
