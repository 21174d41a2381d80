//! Derivatives times the gradient `g`, fused: what a backward pass computes. NaN in either operand gives NaN.
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
