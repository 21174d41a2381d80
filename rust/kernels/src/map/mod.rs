//! Elementwise kernels: a formula, written once, over operands of any strides.
//!
//! Loops are merged as far as strides allow; rows are computed where they lie, anything else in tiles or small blocks on the
//! stack.
//! Every element goes through the same vector formula, whatever its place, so its bits depend on its operands alone.
mod adjacent;
mod drive;
mod float;
mod gaps;
mod int;
mod joined;
mod rows;
mod squares;
mod stream;
#[cfg(test)]
mod tests;
mod tiles;

use crate::elem::Elem;
use crate::simd::FloatVec;

pub use drive::MAX_OPERANDS;
pub use float::float;
pub use int::{compare, int, select};

/// A function of `N` floats, computed lane by lane.
pub trait Formula<const N: usize>: Copy + Send + Sync + 'static {
    /// What it costs, in additions: decides from where on threads pay.
    const WEIGHT: usize = 1;
    /// The formula. Implementations are `#[inline(always)]`.
    fn eval<V: FloatVec>(self, x: [V; N]) -> V;
}

/// An integer element: `i64`, `i32` or `u8`.
pub trait IntElem: Elem + Ord {
    /// Wrapping difference.
    fn minus(self, other: Self) -> Self;
    /// Wrapping product.
    fn times(self, other: Self) -> Self;
    /// The quotient rounded down; 0 where the divisor is 0.
    fn floor_div(self, other: Self) -> Self;
    /// What [`floor_div`](IntElem::floor_div) leaves: it has the divisor's sign; 0 where the divisor is 0.
    fn remainder(self, other: Self) -> Self;
    /// Wrapping power, rounded towards zero; 0 for 0 to a negative one.
    fn power(self, exponent: Self) -> Self;
}

macro_rules! int_elem {
    ($($ty:ident),+) => { $(
        impl IntElem for $ty {
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn floor_div(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let quotient = self.wrapping_div(other);
                let rest = self.wrapping_rem(other);
                #[allow(unused_comparisons)]
                if rest != 0 && (rest < 0) != (other < 0) { quotient.wrapping_sub(1) } else { quotient }
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(other);
                #[allow(unused_comparisons)]
                if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest }
            }
            #[inline(always)]
            fn power(self, exponent: Self) -> Self {
                #[allow(unused_comparisons)]
                if exponent < 0 {
                    // Only 1 and -1 have whole reciprocals, themselves.
                    return match self {
                        1 => 1,
                        x if x.wrapping_add(1) == 0 => if exponent & 1 == 0 { 1 } else { x },
                        _ => 0,
                    };
                }
                // By squaring, since `wrapping_pow` takes no exponents of 64 bits.
                let (mut power, mut square, mut rest): (Self, Self, Self) = (1, self, exponent);
                while rest > 0 {
                    if rest & 1 == 1 {
                        power = power.wrapping_mul(square);
                    }
                    square = square.wrapping_mul(square);
                    rest >>= 1;
                }
                power
            }
        }
    )+ };
}
int_elem!(i64, i32, u8);

/// A function of `N` integers.
pub trait IntFormula<const N: usize>: Copy + Send + Sync + 'static {
    /// The formula. Implementations are `#[inline(always)]`.
    fn eval<T: IntElem>(self, x: [T; N]) -> T;
}

/// A relation between two elements.
pub trait Comparison: Copy + Send + Sync + 'static {
    /// Whether it holds. Implementations are `#[inline(always)]`.
    fn holds<T: PartialOrd>(self, a: T, b: T) -> bool;
}
