//! Derivatives times the gradient `g`, fused: what a backward pass computes. NaN in either operand gives NaN, except where a comparison alone
//! decides.
use super::exp::exp;
use crate::map::Formula;
use crate::simd::FloatVec;

macro_rules! gradients {
    ($($(#[$doc:meta])* $name:ident |$x:ident, $g:ident| $eval:expr;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;
        impl Formula<2> for $name {
            #[inline(always)]
            fn eval<V: FloatVec>(self, [$x, $g]: [V; 2]) -> V {
                $eval
            }
        }
    )+ };
}

gradients! {
    /// Of `y = tanh(x)`: `g (1 - y^2)`
    TanhGrad |y, g| g * y.neg_mul_add(y, y.lit(1.0));
    /// Of `y = sigmoid(x)`: `g (1 - y) y`
    SigmoidGrad |y, g| g * ((y.lit(1.0) - y) * y);
    /// Of `y = relu(x)`: `g` where `y > 0`, else 0
    ReluGrad |y, g| V::select(y.gt(y.lit(0.0)), g, y.lit(0.0));
    /// Of `log(x)`: `g / x`
    LogGrad |x, g| g / x;
}

/// Of `leaky_relu(x)`: `g` where `x` is above zero, else `slope g`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyReluGrad {
    /// The slope below zero.
    pub slope: f64,
}

impl Formula<2> for LeakyReluGrad {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        V::select(x.gt(x.lit(0.0)), g, g * x.lit(self.slope))
    }
}

/// Of `elu(x)`: `g` where `x` is above zero, else `g alpha e^x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EluGrad {
    /// As in [`Elu`](super::Elu).
    pub alpha: f64,
}

impl Formula<2> for EluGrad {
    const WEIGHT: usize = 5;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        V::select(x.gt(x.lit(0.0)), g, g * (exp(x) * x.lit(self.alpha)))
    }
}

/// Of `clamp(x)`: `g` where `x` is between `min` and `max`, else 0
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClampGrad {
    /// The lower bound.
    pub min: f64,
    /// The upper bound.
    pub max: f64,
    /// Whether the bounds themselves count as between.
    pub closed: bool,
}

impl Formula<2> for ClampGrad {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        let (min, max, zero) = (x.lit(self.min), x.lit(self.max), x.lit(0.0));
        let inside = if self.closed { x.ge(min) & x.le(max) } else { x.gt(min) & x.lt(max) };
        V::select(inside, g, zero)
    }
}
