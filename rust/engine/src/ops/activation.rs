//! Activations, and their derivatives times a gradient as one kernel each. Those are ops with derivatives of their own, so
//! they are used whoever asks for the gradient.
use retrograd_kernels::formula;

use super::attrs::{choice, op};
use super::compare::{Compare, Kind};
use super::linear::{Activation, LinearActivation};
use super::pointwise::{
    Add, BINARY, Clamp, Exp, Mul, Neg, Square, Sub, UNARY, elementwise, float, pointwise,
};
use super::select::Where;
use super::{Accepts, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::error::Result;
use crate::layout::Meta;
use crate::tensor::Tensor;

use Save::{X, Y};

choice! {
    /// How gelu is computed.
    pub enum Approximate {
        /// By the error function, exactly.
        None = "none",
        /// By the formula with the hyperbolic tangent.
        Tanh = "tanh",
    }
}

const GELU: &[&str] = &[
    "(3,4) approximate=none",
    "(3,4) approximate=tanh",
    "() approximate=none",
    "(0,4) approximate=tanh",
    "(4,3).T approximate=tanh",
    "(3,4)::2 approximate=none",
    "(1037,) approximate=none",
    "(1037,) approximate=tanh",
];
const GELU_BACKWARD: &[&str] = &[
    "(3,4) (3,4) approximate=none",
    "(3,4) (3,4) approximate=tanh",
    "() () approximate=none",
    "(0,4) (0,4) approximate=tanh",
    "(4,3).T (4,) approximate=tanh",
    "(3,4)::2 (3,1) approximate=none",
    "(1037,) (1037,) approximate=none",
];
const SOFTPLUS: &[&str] = &[
    "(3,4) beta=1.0 threshold=20.0",
    "() beta=1.0 threshold=20.0",
    "(0,4) beta=1.0 threshold=20.0",
    "(4,3).T beta=0.5 threshold=20.0",
    "(3,4)::2 beta=2.0 threshold=1.7",
    "(1037,) beta=1.0 threshold=20.0",
];
const SOFTPLUS_BACKWARD: &[&str] = &[
    "(3,4) (3,4) beta=1.0 threshold=20.0",
    "() () beta=1.0 threshold=20.0",
    "(0,4) (0,4) beta=1.0 threshold=20.0",
    "(4,3).T (4,) beta=0.5 threshold=20.0",
    "(3,4)::2 (3,1) beta=2.0 threshold=1.7",
];

const LEAKY: &[&str] = &[
    "(3,4) slope=0.01",
    "() slope=0.5",
    "(0,4) slope=0.1",
    "(4,3).T slope=-0.5",
    "(3,4)::2 slope=0.0",
    "(1037,) slope=0.01",
];
const LEAKY_BACKWARD: &[&str] =
    &["(3,4) (3,4) slope=0.01", "() () slope=0.5", "(0,4) (0,4) slope=0.1", "(4,3).T (4,) slope=-0.5"];
const ELU: &[&str] = &[
    "(3,4) alpha=1.0",
    "() alpha=0.5",
    "(0,4) alpha=1.0",
    "(4,3).T alpha=1.7",
    "(3,4)::2 alpha=0.1",
    "(1037,) alpha=1.0",
];
const ELU_BACKWARD: &[&str] =
    &["(3,4) (3,4) alpha=1.0", "() () alpha=0.5", "(0,4) (0,4) alpha=1.0", "(4,3).T (4,) alpha=1.7"];

/// Whether the op's last step is a relu, whose result is what the op gives.
pub(crate) fn ends_in_relu(op: &Op) -> bool {
    matches!(op, Op::Relu(_) | Op::LinearActivation(LinearActivation { activation: Activation::Relu }))
}

/// The gradient before the relu in which the op [ends](ends_in_relu).
pub(super) fn through_relu(b: &Back) -> Result<Tensor> {
    let g = b.g()?;
    if b.is_gated() { Ok(g) } else { b.op(ReluBackward {}, (b.y(0)?, g)) }
}

/// Runs the formula of gelu that is asked for.
fn gelu(which: Approximate, x: &[View], y: &[View]) -> Result<()> {
    match which {
        Approximate::None => float(formula::Gelu, x, y),
        Approximate::Tanh => float(formula::GeluTanh, x, y),
    }
}

/// Runs the formula of gelu's derivative that is asked for.
fn gelu_backward(which: Approximate, x: &[View], y: &[View]) -> Result<()> {
    match which {
        Approximate::None => float(formula::GeluGrad, x, y),
        Approximate::Tanh => float(formula::GeluTanhGrad, x, y),
    }
}

/// `1 - 2 s`
fn one_less_twice(b: &Back, s: &Tensor) -> Result<Tensor> {
    b.op(Sub {}, (b.constant(1.0, s)?, b.op(Add {}, [s, s])?))
}

/// The second derivative of gelu: `phi(x) (2 - x^2)`, phi the density of the normal distribution.
fn gelu_second(b: &Back, x: &Tensor) -> Result<Tensor> {
    // Further out the density is nothing, which an infinite square would make NaN.
    let x = b.op(Clamp { min: -50.0, max: 50.0, closed: true }, [x])?;
    let square = b.op(Square {}, [&x])?;
    let bell = b.op(Exp {}, [&b.op(Mul {}, [&square, &b.constant(-0.5, &x)?])?])?;
    let density = b.op(Mul {}, [&bell, &b.constant(0.398_942_280_401_432_7, &x)?])?;
    b.op(Mul {}, [&density, &b.op(Sub {}, [&b.constant(2.0, &x)?, &square])?])
}

/// The second derivative of `x s(u)`, s the sigmoid and `u = a (x + c x^3)`: `s' (2 u' + x (u'^2 (1 - 2 s) + u''))`.
fn gelu_tanh_second(b: &Back, x: &Tensor) -> Result<Tensor> {
    let (a, c) = (1.595_769_121_605_730_8, 0.044715);
    let x = b.op(Clamp { min: -22.0, max: 22.0, closed: true }, [x])?;
    let square = b.op(Square {}, [&x])?;
    let series = |c0: f64, c1: f64| {
        b.op(Add {}, [&b.op(Mul {}, [&square, &b.constant(c1, &x)?])?, &b.constant(c0, &x)?])
    };
    let s = b.op(Sigmoid {}, [&b.op(Mul {}, [&x, &series(a, a * c)?])?])?;
    let slope = series(a, 3.0 * a * c)?;
    let steep = b.op(Mul {}, [&b.op(Square {}, [&slope])?, &one_less_twice(b, &s)?])?;
    let curve = b.op(Mul {}, [&x, &b.constant(6.0 * a * c, &x)?])?;
    let bent = b.op(Mul {}, [&x, &b.op(Add {}, [&steep, &curve])?])?;
    b.op(SigmoidBackward {}, [&s, &b.op(Add {}, [&b.op(Add {}, [&slope, &slope])?, &bent])?])
}

pointwise! {
    /// The hyperbolic tangent.
    Tanh(input) = "tanh", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Tanh),
    vjp |b| b.add(0, b.op(TanhBackward {}, (b.y(0)?, b.g()?))?);

    /// `grad * (1 - output * output)`.
    TanhBackward(output, grad) = "tanh_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))], samples BINARY,
    float(formula::TanhGrad),
    vjp |b| {
        let (y, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            let twice = b.op(Mul {}, (b.op(Add {}, [&y, &y])?, b.x(1)?))?;
            b.add(0, b.op(Neg {}, (b.op(Mul {}, (&g, twice))?,))?)?;
        }
        if b.needs(1) { b.add(1, b.op(TanhBackward {}, (y, g))?)?; }
        Ok(())
    };

    /// The logistic function, `1 / (1 + exp(-input))`.
    Sigmoid(input) = "sigmoid", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Sigmoid),
    vjp |b| b.add(0, b.op(SigmoidBackward {}, (b.y(0)?, b.g()?))?);

    /// `grad * output * (1 - output)`.
    SigmoidBackward(output, grad) = "sigmoid_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))],
    samples BINARY, float(formula::SigmoidGrad),
    vjp |b| {
        let (y, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            // d/dy y (1 - y) = 1 - 2 y
            let slope = one_less_twice(b, &y)?;
            b.add(0, b.op(Mul {}, (b.op(Mul {}, (&g, b.x(1)?))?, slope))?)?;
        }
        if b.needs(1) { b.add(1, b.op(SigmoidBackward {}, (y, g))?)?; }
        Ok(())
    };

    /// `input * sigmoid(input)`. Elfwing, Uchibe & Doya (2018).
    Silu(input) = "silu", Float, saves &[(0, X(0))], samples UNARY, float(formula::Silu),
    vjp |b| b.add(0, b.op(SiluBackward {}, (b.x(0)?, b.g()?))?);

    /// `grad` times the derivative of silu at `input`.
    SiluBackward(input, grad) = "silu_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))], samples BINARY,
    float(formula::SiluGrad),
    vjp |b| {
        let (x, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            // With s for sigmoid(x): silu'' = s (1 - s) (2 + x (1 - 2 s)).
            let s = b.op(Sigmoid {}, [&x])?;
            let bell = b.op(SigmoidBackward {}, [&s, &b.op(Mul {}, [&g, &b.x(1)?])?])?;
            let lean = b.op(Mul {}, [&x, &one_less_twice(b, &s)?])?;
            b.add(0, b.op(Mul {}, [&bell, &b.op(Add {}, [&lean, &b.constant(2.0, &x)?])?])?)?;
        }
        if b.needs(1) { b.add(1, b.op(SiluBackward {}, (x, g))?)?; }
        Ok(())
    };

    /// `input` times the normal distribution function of it, or the approximation of that by a tanh. Hendrycks & Gimpel (2016).
    Gelu {
        /// Which of the two formulas.
        approximate: Approximate,
    } (input) as op = "gelu", Float, saves &[(0, X(0))], samples GELU, gelu(op.approximate),
    vjp |b| b.add(0, b.op(GeluBackward { approximate: op.approximate }, (b.x(0)?, b.g()?))?);

    /// `grad` times the derivative of gelu at `input`.
    GeluBackward {
        /// Which of the two formulas.
        approximate: Approximate,
    } (input, grad) as op = "gelu_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))], samples GELU_BACKWARD,
    gelu_backward(op.approximate),
    vjp |b| {
        let (x, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            let slope = match op.approximate {
                Approximate::None => gelu_second(b, &x)?,
                Approximate::Tanh => gelu_tanh_second(b, &x)?,
            };
            b.add(0, b.op(Mul {}, [&b.op(Mul {}, [&g, &b.x(1)?])?, &slope])?)?;
        }
        if b.needs(1) { b.add(1, b.op(*op, (x, g))?)?; }
        Ok(())
    };

    /// `log(1 + exp(beta * input)) / beta`, and `input` itself where `beta * input` is above `threshold`. Dugas et al. (2001).
    Softplus {
        /// How sharp the bend is.
        beta: f64,
        /// From where on the function is linear.
        threshold: f64,
    } (input) as op = "softplus", Float, saves &[(0, X(0))], samples SOFTPLUS,
    float(formula::Softplus { beta: op.beta, threshold: op.threshold }),
    vjp |b| {
        let backward = SoftplusBackward { beta: op.beta, threshold: op.threshold };
        b.add(0, b.op(backward, (b.x(0)?, b.g()?))?)
    };

    /// `grad` times the derivative of softplus at `input`.
    SoftplusBackward {
        /// How sharp the bend is.
        beta: f64,
        /// From where on the function is linear.
        threshold: f64,
    } (input, grad) as op = "softplus_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))],
    samples SOFTPLUS_BACKWARD, float(formula::SoftplusGrad { beta: op.beta, threshold: op.threshold }),
    vjp |b| {
        let (x, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            let beta = b.constant(op.beta, &x)?;
            let t = b.op(Mul {}, [&x, &beta])?;
            let weight = b.op(Mul {}, [&b.op(Mul {}, [&g, &b.x(1)?])?, &beta])?;
            let bend = b.op(SigmoidBackward {}, [&b.op(Sigmoid {}, [&t])?, &weight])?;
            let linear = b.op(Compare { kind: Kind::Gt }, [&t, &b.constant(op.threshold, &x)?])?;
            b.add(0, b.op(Where {}, [&linear, &b.constant(0.0, &x)?, &bend])?)?;
        }
        if b.needs(1) { b.add(1, b.op(*op, (x, g))?)?; }
        Ok(())
    };

    /// `input` above zero, else `slope * input`. Maas, Hannun & Ng (2013).
    LeakyRelu {
        /// The slope below zero.
        slope: f64,
    } (input) as op = "leaky_relu", Float, saves &[(0, X(0))], samples LEAKY, float(formula::LeakyRelu { slope: op.slope }),
    vjp |b| b.add(0, b.op(LeakyReluBackward { slope: op.slope }, (b.x(0)?, b.g()?))?);

    /// `grad` where `input` is above zero, else `slope * grad`.
    LeakyReluBackward {
        /// The slope below zero.
        slope: f64,
    } (input, grad) as op = "leaky_relu_backward", Float, saves &[(1, X(0))], samples LEAKY_BACKWARD,
    float(formula::LeakyReluGrad { slope: op.slope }),
    vjp |b| if b.needs(1) { b.add(1, b.op(*op, (b.x(0)?, b.g()?))?) } else { Ok(()) };

    /// `input` above zero, else `alpha * (exp(input) - 1)`. Clevert, Unterthiner & Hochreiter (2015).
    Elu {
        /// What it tends to far to the left, negated.
        alpha: f64,
    } (input) as op = "elu", Float, saves &[(0, X(0))], samples ELU, float(formula::Elu { alpha: op.alpha }),
    vjp |b| b.add(0, b.op(EluBackward { alpha: op.alpha }, (b.x(0)?, b.g()?))?);

    /// `grad` where `input` is above zero, else `grad * alpha * exp(input)`.
    EluBackward {
        /// As in elu.
        alpha: f64,
    } (input, grad) as op = "elu_backward", Float, saves &[(0, X(0)), (0, X(1)), (1, X(0))], samples ELU_BACKWARD,
    float(formula::EluGrad { alpha: op.alpha }),
    vjp |b| {
        let (x, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            // Below zero the exponential is its own derivative; above, the slope is constant.
            let bend = b.op(*op, [&x, &b.op(Mul {}, [&g, &b.x(1)?])?])?;
            let zero = b.constant(0.0, &x)?;
            let straight = b.op(Compare { kind: Kind::Gt }, [&x, &zero])?;
            b.add(0, b.op(Where {}, [&straight, &zero, &bend])?)?;
        }
        if b.needs(1) { b.add(1, b.op(*op, (x, g))?)?; }
        Ok(())
    };

    /// `max(input, 0)`; its derivative at zero is zero.
    Relu(input) = "relu", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Relu),
    vjp |b| b.add(0, through_relu(b)?);

    /// `grad` where `output` is above zero, else zero.
    ReluBackward(output, grad) = "relu_backward", Float, saves &[(1, X(0))], samples BINARY, float(formula::ReluGrad),
    vjp |b| if b.needs(1) { b.add(1, b.op(ReluBackward {}, (b.x(0)?, b.g()?))?) } else { Ok(()) };
}
