//! Softmax along a dimension, its logarithm, and their gradients, which are functions of their outputs.
use retrograd_kernels::Shape;
use retrograd_kernels::softmax::{self, Rows, Steps};
use smallvec::smallvec;

use super::Accepts::Float;
use super::Save::{X, Y};
use super::attrs::{DimSet, op};
use super::packed::Packed;
use super::pointwise::{Exp, Mul, Neg, Sub};
use super::reduce::Sum;
use super::{Info, Metas, Op, OpDef, View, info};
use crate::autograd::Back;
use crate::dtype::with_float;
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::tensor::Tensor;
use crate::vmap::BatchArg;

op! {
    /// `exp(input) / sum(exp(input))` along `dim`, shifted by the maximum so that nothing overflows.
    pub struct Softmax {
        /// The dimension along which the result adds up to 1.
        dim: usize,
    }

    /// `output * (grad - sum(grad * output))` along `dim`: the gradient of [`Softmax`].
    pub struct SoftmaxBackward {
        /// The dimension.
        dim: usize,
    }

    /// `input - log(sum(exp(input)))` along `dim`, shifted by the maximum so that nothing overflows.
    pub struct LogSoftmax {
        /// The dimension along which the exponentials of the result add up to 1.
        dim: usize,
    }

    /// `grad - exp(output) * sum(grad)` along `dim`: the gradient of [`LogSoftmax`].
    pub struct LogSoftmaxBackward {
        /// The dimension.
        dim: usize,
    }
}

const SAMPLES: &[&str] = &[
    "(3,4) dim=1",
    "(3,4) dim=0",
    "(2,3,5) dim=1",
    "() dim=0",
    "(1,) dim=0",
    "(0,4) dim=1",
    "(0,4) dim=0",
    "(4,3).T dim=1",
    "(2,4,3).T dim=0",
    "(3,4)::2 dim=0",
    "(70,130) dim=1",
    "(2,1037) dim=1",
];
const BACKWARD_SAMPLES: &[&str] = &[
    "(3,4) (3,4) dim=1",
    "(3,4) (3,4) dim=0",
    "(2,3,5) (2,3,5) dim=1",
    "() () dim=0",
    "(0,4) (0,4) dim=1",
    "(4,3).T (3,4) dim=1",
    "(3,4) (3,4)::2 dim=0",
    "(70,130) (70,130) dim=1",
];

/// The shape rule: all operands have the output's shape.
fn same(x: &[&Meta], dim: usize) -> Result<Metas> {
    let shape = &x[0].shape;
    if dim >= shape.len().max(1) {
        bail!(Index, "dimension {dim} is out of range for a tensor of {} dimensions", shape.len());
    }
    if x.iter().any(|operand| operand.shape != *shape) {
        bail!(Value, "'output' and 'grad' must have one shape, not {shape} and {}", x[1].shape);
    }
    Ok(smallvec![*x[0]])
}

/// The extents before, along and after a dimension.
fn around(shape: &Shape, dim: usize) -> [usize; 3] {
    let after = shape.len().min(dim + 1);
    [shape[..dim].iter().product(), shape.get(dim).copied().unwrap_or(1), shape[after..].iter().product()]
}

/// What a kernel is told of rows along a dimension, and of a contiguous output.
fn rows([before, along, after]: [usize; 3]) -> (Rows, Steps) {
    (Rows { count: [before, after], columns: along }, [(along * after) as isize, 1, after as isize])
}

fn steps(x: &Packed) -> Steps {
    [x.strides[0], x.strides[2], x.strides[1]]
}

/// The product of two tensors, summed along a dimension that stays.
fn dot(b: &Back, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    total(b, &b.op(Mul {}, [x, y])?, dim)
}

/// The sum along a dimension that stays.
fn total(b: &Back, x: &Tensor, dim: usize) -> Result<Tensor> {
    let dims = if x.rank() == 0 { DimSet::default() } else { DimSet::default().with(dim) };
    b.op(Sum { dims, keepdim: true }, [x])
}

/// Softmax or its logarithm, and its backward: names, kernels, and the second derivative.
macro_rules! softmax {
    (
        $name:ident = $text:literal, $kernel:ident;
        $backward:ident = $backward_text:literal, $backward_kernel:ident, vjp |$b:ident, $dim:ident| $vjp:expr;
    ) => {
        impl OpDef for $name {
            const INFO: Info = info($text, &["input"]).accepts(&[Float]).saves(&[(0, Y(0))]).samples(SAMPLES);

            fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                same(x, self.dim)
            }
            fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                let shape = around(x[0].shape(), self.dim);
                let (x, (rows, out)) = (Packed::in_rows(&x[0], &shape)?, rows(shape));
                with_float!(y[0].dtype(), T => {
                    // SAFETY: the rows are the operand's, and the output is contiguous.
                    unsafe { softmax::$kernel::<T>(rows, x.ptr(), steps(&x), y[0].ptr.cast(), out) }
                });
                Ok(())
            }
            fn vjp(&self, b: &mut Back) -> Result<()> {
                b.add(0, b.op($backward { dim: self.dim }, (b.y(0)?, b.g()?))?)
            }
            fn batch(&self, _x: &mut [BatchArg]) -> Result<Op> {
                Ok($name { dim: self.dim + 1 }.into())
            }
        }

        impl OpDef for $backward {
            const INFO: Info = info($backward_text, &["output", "grad"])
                .accepts(&[Float, Float])
                .saves(&[(0, X(0)), (0, X(1)), (1, X(0))])
                .samples(BACKWARD_SAMPLES);

            fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                same(x, self.dim)
            }
            fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                let shape = around(x[0].shape(), self.dim);
                let (output, grad, (rows, out)) =
                    (Packed::in_rows(&x[0], &shape)?, Packed::in_rows(&x[1], &shape)?, rows(shape));
                with_float!(y[0].dtype(), T => {
                    let (output, grad) = ((output.ptr::<T>().cast_const(), steps(&output)), (grad.ptr::<T>().cast_const(), steps(&grad)));
                    // SAFETY: the rows are the operands', and the output is contiguous.
                    unsafe { softmax::$backward_kernel::<T>(rows, output, grad, (y[0].ptr.cast(), out)) }
                });
                Ok(())
            }
            fn vjp(&self, $b: &mut Back) -> Result<()> {
                let $dim = self.dim;
                $vjp
            }
            fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
                for operand in x {
                    operand.expand()?;
                }
                Ok($backward { dim: self.dim + 1 }.into())
            }
        }
    };
}

softmax! {
    Softmax = "softmax", softmax;
    SoftmaxBackward = "softmax_backward", softmax_backward,
    vjp |b, dim| {
        let (y, g) = (b.x(0)?, b.g()?);
        if b.needs(0) {
            // Of y (grad - sum(grad y)) in y: g (grad - sum(grad y)) - grad sum(g y).
            let grad = b.x(1)?;
            let first = b.op(Mul {}, [&g, &b.op(Sub {}, [&grad, &dot(b, &grad, &y, dim)?])?])?;
            b.add(0, b.op(Sub {}, [&first, &b.op(Mul {}, [&grad, &dot(b, &g, &y, dim)?])?])?)?;
        }
        if b.needs(1) { b.add(1, b.op(SoftmaxBackward { dim }, [&y, &g])?)?; }
        Ok(())
    };
}

softmax! {
    LogSoftmax = "log_softmax", log_softmax;
    LogSoftmaxBackward = "log_softmax_backward", log_softmax_backward,
    vjp |b, dim| {
        let (g, p) = (b.g()?, b.op(Exp {}, [&b.x(0)?])?);
        if b.needs(0) {
            let weight = b.op(Mul {}, [&p, &total(b, &b.x(1)?, dim)?])?;
            b.add(0, b.op(Neg {}, [&b.op(Mul {}, [&g, &weight])?])?)?;
        }
        if b.needs(1) { b.add(1, b.op(Sub {}, [&g, &dot(b, &g, &p, dim)?])?)?; }
        Ok(())
    };
}
