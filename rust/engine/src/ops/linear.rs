//! Linear layers: a product, a bias and perhaps an activation, and their gradients.
use retrograd_kernels::{formula, gemm};
use smallvec::smallvec;

use super::activation::{SigmoidBackward, TanhBackward, through_relu};
use super::attrs::{DimSet, choice, op};
use super::matmul::{
    Matmul, MatmulReluBackward, Matrix, PLAIN, Product, as_rows, rows, transposed, with_rows,
};
use super::pointwise;
use super::reduce::Sum;
use super::shape::Reshape;
use super::{Accepts::Float, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::tensor::Tensor;
use crate::vmap::BatchArg;

choice! {
    /// An activation whose derivative follows from its result.
    pub enum Activation {
        /// `max(x, 0)`
        Relu = "relu",
        /// The logistic function.
        Sigmoid = "sigmoid",
        /// The hyperbolic tangent.
        Tanh = "tanh",
    }
}

op! {
    /// `input @ weight.T + bias`: `input` is (…, in), `weight` (out, in), `bias` (out,).
    pub struct Linear {}

    /// `activation(input @ weight.T + bias)`: the same bits as the two ops one after the other.
    pub struct LinearActivation {
        /// Applied to each element of the result.
        activation: Activation,
    }

    /// The gradients of weight and bias: `grad.T @ input` and the sum of the rows of `grad`, both of them matrices.
    pub struct LinearBackward {}

    /// Adds the gradients of [`LinearBackward`] to those there are.
    pub struct AddLinearBackward {}
}

const SAMPLES: &[&str] = &[
    "(3,4) (5,4) (5,)",
    "(4,) (5,4) (5,)",
    "(2,3,4) (5,4) (5,)",
    "(0,4) (5,4) (5,)",
    "(4,3).T (5,4) (5,)",
    "(1,4) (2,4) (2,)",
    "(3,4) (5,4)::2 (5,)",
    "(3,0) (5,0) (5,)",
    "(32,64) (48,64) (48,)",
];

fn infer(x: &[&Meta]) -> Result<Metas> {
    let (input, weight, bias) = (&x[0].shape, &x[1].shape, &x[2].shape);
    let fits = !input.is_empty()
        && weight.len() == 2
        && bias.len() == 1
        && input[input.len() - 1] == weight[1]
        && weight[0] == bias[0];
    if !fits {
        bail!(
            Value,
            "input {input}, weight {weight} and bias {bias} do not fit: they must be (…, in), (out, in) and (out,)"
        );
    }
    let mut shape = *input;
    let last = shape.len() - 1;
    shape[last] = weight[0];
    Ok(smallvec![Meta::new(shape, x[0].dtype)])
}

fn run(x: &[View], out: &View, activation: gemm::Activation) -> Result<()> {
    let (input, weight, bias) = (&x[0], &x[1], &x[2]);
    let (n, k) = (weight.shape()[0], weight.shape()[1]);
    let m: usize = out.shape()[..out.shape().len() - 1].iter().product();
    with_rows(input, m, k, |a| {
        Product {
            dtype: out.dtype(),
            m,
            n,
            k,
            a,
            b: Matrix::new(weight).transposed(),
            c: Matrix { ptr: out.ptr, rows: n as isize, cols: 1 },
            bias: Some((bias.ptr, bias.strides[0])),
            activation,
            ..PLAIN
        }
        .run()
    })
}

/// The gradients of input, weight and bias, `g` being that of the sum before any activation.
fn vjp(b: &mut Back, g: Tensor) -> Result<()> {
    let g = rows(b, as_rows(b, g)?)?;
    let x = if b.needs(1) { Some(rows(b, as_rows(b, b.x(0)?)?)?) } else { None };
    if b.needs(0) {
        let gate = x.as_ref().filter(|_| b.may_gate(0));
        let gx = match gate {
            Some(x) => b.op(MatmulReluBackward {}, [&g, &b.x(1)?, x])?,
            None => b.op(Matmul {}, [&g, &b.x(1)?])?,
        };
        let shape = b.meta(0).shape;
        let gx = if *gx.shape() == shape { gx } else { b.op(Reshape { shape }, [&gx])? };
        if gate.is_some() { b.add_gated(0, gx)? } else { b.add(0, gx)? }
    }
    if let Some(x) = &x
        && b.needs(2)
        && !b.differentiable()
    {
        if let Some(weight) = b.grad_of_leaf(1, &[x, &g])
            && let Some(bias) = b.grad_of_leaf(2, &[x, &g, &weight])
        {
            return b.run(AddLinearBackward {}, [&weight, &bias, x, &g]);
        }
        let [weight, bias] = b.op2(LinearBackward {}, [x, &g])?;
        b.add(1, weight)?;
        return b.add(2, bias);
    }
    if let Some(x) = &x {
        let gt = transposed(b, &g)?;
        b.add(1, b.op(Matmul {}, [&gt, x])?)?;
    }
    if b.needs(2) {
        b.add(2, b.op(Sum { dims: DimSet::default().with(0), keepdim: false }, [&g])?)?;
    }
    Ok(())
}

fn batch(op: Op, x: &mut [BatchArg]) -> Result<Op> {
    if x[1].batched || x[2].batched {
        bail!(Unsupported, "with a batched weight or bias is not supported under vmap; use matmul and add");
    }
    Ok(op)
}

impl OpDef for Linear {
    const INFO: Info = info("linear", &["input", "weight", "bias"])
        .accepts(&[Float, Float, Float])
        .saves(&[(0, Save::X(1)), (1, Save::X(0))])
        .samples(SAMPLES);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        infer(x)
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        run(x, &y[0], gemm::Activation::None)
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        vjp(b, g)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        batch((*self).into(), x)
    }
}

impl OpDef for LinearActivation {
    const INFO: Info = info("linear_activation", &["input", "weight", "bias"])
        .accepts(&[Float, Float, Float])
        .saves(&[(0, Save::X(1)), (0, Save::Y(0)), (1, Save::X(0)), (1, Save::Y(0)), (2, Save::Y(0))])
        .samples(&[
            "(3,4) (5,4) (5,) activation=relu",
            "(3,4) (5,4) (5,) activation=tanh",
            "(3,4) (5,4) (5,) activation=sigmoid",
            "(4,) (5,4) (5,) activation=tanh",
            "(2,3,4) (5,4) (5,) activation=relu",
            "(0,4) (5,4) (5,) activation=tanh",
            "(4,3).T (5,4) (5,) activation=sigmoid",
            "(1,4) (2,4) (2,) activation=relu",
            "(32,64) (48,64) (48,) activation=tanh",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        infer(x)
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        match self.activation {
            Activation::Relu => run(x, &y[0], gemm::Activation::Relu),
            Activation::Sigmoid => {
                run(x, &y[0], gemm::Activation::None)?;
                pointwise::float(formula::Sigmoid, y, y)
            }
            Activation::Tanh => {
                run(x, &y[0], gemm::Activation::None)?;
                pointwise::float(formula::Tanh, y, y)
            }
        }
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = match self.activation {
            Activation::Relu => through_relu(b)?,
            Activation::Sigmoid => b.op(SigmoidBackward {}, (b.y(0)?, b.g()?))?,
            Activation::Tanh => b.op(TanhBackward {}, (b.y(0)?, b.g()?))?,
        };
        vjp(b, g)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        batch((*self).into(), x)
    }
}

/// Computes both gradients from `input` and `grad`; with `adds`, adds them to what is there.
fn run_backward(input: &View, grad: &View, weight: &View, bias: &View, adds: bool) -> Result<()> {
    let (k, m) = (grad.shape()[0], grad.shape()[1]);
    let n = input.shape()[1];
    Product {
        dtype: grad.dtype(),
        m,
        n,
        k,
        a: Matrix::new(grad).transposed(),
        b: Matrix::new(input),
        c: Matrix::new(weight),
        adds,
        row_sums: Some((bias.ptr, bias.strides[0])),
        ..PLAIN
    }
    .run()
}

/// The shapes of the gradients of weight and bias.
fn infer_backward(x: &[&Meta]) -> Result<Metas> {
    let (input, grad) = (&x[0].shape, &x[1].shape);
    if input.len() != 2 || grad.len() != 2 || input[0] != grad[0] {
        bail!(Value, "input {input} and grad {grad} do not fit: they must be (rows, in) and (rows, out)");
    }
    let dtype = x[0].dtype;
    let weight = crate::layout::shape_of(&[grad[1], input[1]])?;
    crate::layout::checked_numel(&weight, dtype)?;
    Ok(smallvec![Meta::new(weight, dtype), Meta::new(crate::layout::shape_of(&[grad[1]])?, dtype)])
}

impl OpDef for LinearBackward {
    const INFO: Info =
        info("linear_backward", &["input", "grad"]).accepts(&[Float, Float]).no_gradient().samples(&[
            "(3,4) (3,5)",
            "(1,4) (1,5)",
            "(0,4) (0,5)",
            "(3,0) (3,5)",
            "(4,3).T (5,3).T",
            "(3,4)::2 (3,5)",
            "(64,33) (64,17)",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        infer_backward(x)
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        run_backward(&x[0], &x[1], &y[0], &y[1], false)
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}

impl OpDef for AddLinearBackward {
    const INFO: Info = info("add_linear_backward", &["weight_grad", "bias_grad", "input", "grad"])
        .accepts(&[Float, Float, Float, Float])
        .no_gradient()
        .mutates(&[0, 1])
        .samples(&["(5,4) (5,) (3,4) (3,5)", "(5,4) (5,) (0,4) (0,5)", "(17,33) (17,) (64,33) (64,17)"]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let sums = infer_backward(&x[2..])?;
        if sums[0].shape != x[0].shape || sums[1].shape != x[1].shape {
            bail!(
                Value,
                "gradients of shapes {} and {} cannot be added to {} and {}",
                sums[0].shape,
                sums[1].shape,
                x[0].shape,
                x[1].shape
            );
        }
        Ok(Metas::new())
    }
    fn run(&self, x: &[View], _y: &[View]) -> Result<()> {
        run_backward(&x[2], &x[3], &x[0], &x[1], true)
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
