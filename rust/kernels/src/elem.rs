//! The element types tensors have, and how one becomes another.
use half::{bf16, f16};

/// A truth value as one byte, 0 or 1. Reading any other byte as one is harmless, unlike with Rust's `bool`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bool(pub u8);

/// An element of a tensor.
///
/// Conversions follow torch: floats lose their fraction on the way to integers (and saturate where they do not
/// fit; NaN becomes 0), integers wrap, whatever is not zero is true, and half types go by way of `f32`.
pub trait Elem: Copy + Send + Sync + Default + PartialEq + 'static {
    /// This value as another type.
    fn cast<B: Elem>(self) -> B;
    /// The nearest value of this type.
    fn from_f32(x: f32) -> Self;
    /// The nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// The nearest value of this type; integers wrap.
    fn from_i64(x: i64) -> Self;
    /// The nearest value of this type; integers wrap.
    fn from_i32(x: i32) -> Self;
    /// The nearest value of this type.
    fn from_u8(x: u8) -> Self;
    /// The sum, rounded to this type. Integers wrap; for truth values it is the disjunction.
    fn plus(self, other: Self) -> Self;
}

macro_rules! number {
    ($type:ty, $from:ident, $a:ident, $b:ident, $sum:expr) => {
        impl Elem for $type {
            #[inline(always)]
            fn cast<B: Elem>(self) -> B {
                B::$from(self)
            }
            #[inline(always)]
            fn from_f32(x: f32) -> Self {
                x as $type
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn from_i64(x: i64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn from_i32(x: i32) -> Self {
                x as $type
            }
            #[inline(always)]
            fn from_u8(x: u8) -> Self {
                x as $type
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $sum
            }
        }
    };
}

number!(f32, from_f32, a, b, a + b);
number!(f64, from_f64, a, b, a + b);
number!(i64, from_i64, a, b, a.wrapping_add(b));
number!(i32, from_i32, a, b, a.wrapping_add(b));
number!(u8, from_u8, a, b, a.wrapping_add(b));

/// Types defined by way of another: `$out` makes the other from `x`, `$in` makes this from the other.
macro_rules! by_way_of {
    ($type:ty, $way:ty, $from:ident, |$x:ident| $out:expr, |$y:ident: $t:ty| $in:expr, $plus:expr) => {
        impl Elem for $type {
            #[inline(always)]
            fn cast<B: Elem>(self) -> B {
                let $x = self;
                B::$from($out)
            }
            by_way_of!(@from from_f32 f32, $y, $in);
            by_way_of!(@from from_f64 f64, $y, $in);
            by_way_of!(@from from_i64 i64, $y, $in);
            by_way_of!(@from from_i32 i32, $y, $in);
            by_way_of!(@from from_u8 u8, $y, $in);
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let plus: fn(Self, Self) -> Self = $plus;
                plus(self, other)
            }
        }
    };
    (@from $name:ident $t:ty, $y:ident, $in:expr) => {
        #[inline(always)]
        fn $name($y: $t) -> Self {
            $in
        }
    };
}

by_way_of!(bf16, f32, from_f32, |x| x.to_f32(), |y: f32| bf16::from_f32(y as f32), |a, b| a + b);
by_way_of!(f16, f32, from_f32, |x| x.to_f32(), |y: f32| f16::from_f32(y as f32), |a, b| a + b);
by_way_of!(
    Bool,
    u8,
    from_u8,
    |x| u8::from(x.0 != 0),
    |y: u8| Bool(u8::from(y != Default::default())),
    |a, b| { Bool(u8::from((a.0 | b.0) != 0)) }
);
