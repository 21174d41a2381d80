//! The formulas of elementwise kernels: small `Copy` structs, one file a family.
//!
//! Transcendental ones state their error bound as `ULP` (for `f32`, over all arguments) and `ULP_F64`; a test holds
//! them to it. All use exactly rounded operations only, so every vector level gives the same bits.
mod activation;
mod arith;
mod compare;
mod complement;
mod erf;
mod exp;
mod gelu;
mod grad;
mod log;
mod piecewise;
mod pow;
mod tanh;
#[cfg(test)]
mod tests;
mod trig;

pub use activation::{Elu, LeakyRelu, Relu, Sigmoid, Silu, SiluGrad, Softplus, SoftplusGrad};
pub use arith::{
    Abs, Add, Clamp, Div, FloorDiv, Maximum, Minimum, Mul, Neg, Offset, Reciprocal, Remainder, Rsqrt, Scale,
    Sign, Sqrt, Square, Sub,
};
pub use compare::{Eq, Ge, Gt, Le, Lt, Ne};
pub use erf::Erf;
pub use exp::{Exp, Expm1};
pub use gelu::{Gelu, GeluGrad, GeluTanh, GeluTanhGrad};
pub use grad::{ClampGrad, EluGrad, LeakyReluGrad, LogGrad, ReluGrad, SigmoidGrad, TanhGrad};
pub use log::{Log, Log1p};
pub use pow::{Pow, PowScalar};
pub use tanh::Tanh;

pub(crate) use trig::quadrant;
pub use trig::{Cos, Sin};

use crate::simd::{Float, FloatVec};
pub(crate) use exp::exp;
pub(crate) use log::log;

/// A constant of the type the lanes have: the formulas of `f32` and `f64` differ in little more.
#[inline(always)]
fn pick<V: FloatVec>(x: V, single: f64, double: f64) -> V {
    x.lit(if V::Elem::IS_F64 { double } else { single })
}

/// A polynomial by Horner's rule, the highest coefficient first.
#[inline(always)]
fn horner<V: FloatVec, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let mut sum = x.lit(coefficients[0]);
    let mut i = 1;
    while i < N {
        sum = sum.mul_add(x, x.lit(coefficients[i]));
        i += 1;
    }
    sum
}

/// The sum, and what its rounding lost.
#[inline(always)]
fn two_sum<V: FloatVec>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}
