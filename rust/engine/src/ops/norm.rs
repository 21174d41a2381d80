//! Normalisation over the last dimensions.
use retrograd_kernels::Shape;
use retrograd_kernels::norm::{self, Gradients, Matrix, Statistics};
use retrograd_kernels::simd::FloatElem;
use smallvec::smallvec;

use super::Accepts::{Any, Float};
use super::Save::{X, Y};
use super::attrs::{DimSet, op};
use super::loss::compute_dtype;
use super::packed::Packed;
use super::pointwise::{Add, Mul, Rsqrt, Square, Sub};
use super::reduce::Sum;
use super::{Info, Metas, Op, OpDef, View, info};
use crate::apply::apply;
use crate::autograd::Back;
use crate::dtype::with_float;
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::scratch::Scratch;
use crate::tensor::Tensor;
use crate::vmap::BatchArg;

op! {
    /// `(input - mean) / sqrt(variance + eps) * weight + bias`, with mean and (biased) variance over the last `dims`
    /// dimensions, whose shape weight and bias have. Ba, Kiros & Hinton (2016).
    ///
    /// The second and third outputs, the means and the reciprocal square roots, are kept for the gradient.
    pub struct LayerNorm {
        /// How many dimensions, the last ones, are normalised over.
        dims: usize,
        /// What keeps the variance from zero.
        eps: f64,
    }

    /// The gradients of [`LayerNorm`] with respect to the input and, where there is a weight, to weight and bias.
    pub struct LayerNormBackward {
        /// How many dimensions, the last ones, were normalised over.
        dims: usize,
    }
}

/// The dimensions before the normalised ones, and those.
fn split(shape: &Shape, dims: usize) -> Result<(Shape, Shape)> {
    let rank = shape.len();
    if dims == 0 || dims > rank {
        bail!(
            Value,
            "cannot normalise the last {dims} dimensions of a tensor of shape {shape}; give a number from 1 to its {rank}"
        );
    }
    let part = |list: &[usize]| Shape::from_slice(list).unwrap_or_default();
    Ok((part(&shape[..rank - dims]), part(&shape[rank - dims..])))
}

/// Fails where `name` has not the shape of the normalised dimensions.
fn check_affine(name: &str, x: &Meta, input: &Shape, normalised: &Shape) -> Result<()> {
    if x.shape != *normalised {
        bail!(
            Value,
            "'{name}' of shape {} does not fit an input of shape {input}: it must have the shape of the normalised dimensions, {normalised}",
            x.shape
        );
    }
    Ok(())
}

/// An operand as a matrix whose columns are the last `dims` dimensions.
struct Rows {
    rows: usize,
    columns: usize,
    data: Packed,
}

impl Rows {
    fn new(x: &View, dims: usize) -> Result<Self> {
        let lead = x.shape().len() - dims;
        let (rows, columns) = (x.shape()[..lead].iter().product(), x.shape()[lead..].iter().product());
        Ok(Self { rows, columns, data: Packed::in_rows(x, &[rows, columns])? })
    }

    fn matrix<T>(&self) -> Matrix<T> {
        let strides = [self.data.strides[0], self.data.strides[1]];
        Matrix { rows: self.rows, columns: self.columns, ptr: self.data.ptr(), strides }
    }
}

/// An operand that may be left out: null then.
fn pointer<T>(x: &Option<Packed>) -> *mut T {
    x.as_ref().map_or(std::ptr::null_mut(), Packed::ptr)
}

impl OpDef for LayerNorm {
    const INFO: Info = info("layer_norm", &["input", "weight", "bias"])
        .accepts(&[Float, Float, Float])
        .optional(2)
        .saves(&[(0, X(0)), (0, X(1)), (0, Y(1)), (0, Y(2)), (1, X(0)), (1, X(1)), (1, Y(1)), (1, Y(2))])
        .samples(&[
            "(3,4) (4,) (4,) dims=1 eps=1e-05",
            "(3,4) (4,) dims=1 eps=1e-05",
            "(3,4) dims=1 eps=0.1",
            "(2,3,5) (3,5) (3,5) dims=2 eps=1e-05",
            "(2,3,5) (5,) (5,) dims=1 eps=1e-05",
            "(4,) (4,) (4,) dims=1 eps=1e-05",
            "(1,1) (1,) (1,) dims=1 eps=1e-05",
            "(0,4) (4,) (4,) dims=1 eps=1e-05",
            "(3,0) (0,) (0,) dims=1 eps=1e-05",
            "(4,3).T (4,)::2 (4,) dims=1 eps=1e-05",
            "(3,4)::2 (4,) (4,)::2 dims=1 eps=1e-05",
            "(2,4,3).T (4,) (4,) dims=1 eps=1e-05",
            "(70,130) (130,) (130,) dims=1 eps=1e-05",
            "(2,1037) (1037,) (1037,) dims=1 eps=1e-05",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let (lead, normalised) = split(&x[0].shape, self.dims)?;
        for (name, operand) in Self::INFO.operands.iter().zip(x).skip(1) {
            check_affine(name, operand, &x[0].shape, &normalised)?;
        }
        let rows = Meta::new(lead, compute_dtype(x[0].dtype));
        Ok(smallvec![*x[0], rows, rows])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let input = Rows::new(&x[0], self.dims)?;
        let weight = x.get(1).map(Packed::contiguous).transpose()?;
        let bias = x.get(2).map(Packed::contiguous).transpose()?;
        with_float!(y[0].dtype(), T => {
            let kept = Statistics { mean: y[1].ptr.cast(), rstd: y[2].ptr.cast() };
            let (weight, bias) = (pointer::<T>(&weight), pointer::<T>(&bias));
            // SAFETY: the matrix describes the input's memory, weight and bias hold an element a column, and the
            // outputs are fresh and contiguous.
            unsafe { norm::layer_norm::<T>(input.matrix(), weight, bias, self.eps, y[0].ptr.cast(), kept) }
        });
        Ok(())
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        if !b.needs(0) && !b.needs(1) {
            return b.add(2, g);
        }
        if b.differentiable() {
            return self.differentiable_gradient(b, &g);
        }
        let (x, mean, rstd) = (b.x(0)?, b.y(1)?, b.y(2)?);
        let backward = LayerNormBackward { dims: self.dims };
        if b.len() == 1 {
            return b.add(0, b.op(backward, [&g, &x, &mean, &rstd])?);
        }
        let grads = apply(backward, &[&g, &x, &mean, &rstd, &b.x(1)?])?;
        for (i, grad) in grads.into_iter().take(b.len()).enumerate() {
            b.add(i, grad)?;
        }
        Ok(())
    }

    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        if !x[0].batched || x[1..].iter().any(|operand| operand.batched) {
            bail!(
                Unsupported,
                "under vmap, the input must be batched and weight and bias must not; scale and shift the result instead"
            );
        }
        Ok((*self).into())
    }
}

impl LayerNorm {
    /// The gradients of ops that have derivatives; with n the normalised input and h = g weight,
    /// `rstd (h - mean(h) - n mean(h n))` for the input, `g n` for the weight, `g` for the bias.
    fn differentiable_gradient(&self, b: &mut Back, g: &Tensor) -> Result<()> {
        let x = b.x(0)?;
        let (lead, normalised) = split(x.shape(), self.dims)?;
        let dims = (lead.len()..x.rank()).fold(DimSet::default(), DimSet::with);
        let share = b.constant(1.0 / normalised.numel() as f64, &x)?;
        let mean = |b: &Back, t: &Tensor| b.op(Mul {}, [&b.op(Sum { dims, keepdim: true }, [t])?, &share]);
        let centred = b.op(Sub {}, [&x, &mean(b, &x)?])?;
        let variance = mean(b, &b.op(Square {}, [&centred])?)?;
        let rstd = b.op(Rsqrt {}, [&b.op(Add {}, [&variance, &b.constant(self.eps, &x)?])?])?;
        let normal = b.op(Mul {}, [&centred, &rstd])?;
        if b.needs(0) {
            let h = if b.len() > 1 { b.op(Mul {}, [g, &b.x(1)?])? } else { g.clone() };
            let along = mean(b, &b.op(Mul {}, [&h, &normal])?)?;
            let rest = b.op(Sub {}, [&h, &mean(b, &h)?])?;
            let rest = b.op(Sub {}, [&rest, &b.op(Mul {}, [&normal, &along])?])?;
            b.add(0, b.op(Mul {}, [&rest, &rstd])?)?;
        }
        if b.needs(1) {
            b.add(1, b.op(Mul {}, [g, &normal])?)?;
        }
        if b.needs(2) {
            b.add(2, g.clone())?;
        }
        Ok(())
    }
}

impl OpDef for LayerNormBackward {
    const INFO: Info = info("layer_norm_backward", &["grad", "input", "mean", "rstd", "weight"])
        .accepts(&[Float, Float, Any, Any, Float])
        .optional(1)
        .no_gradient()
        .samples(&[
            "(3,4) (3,4) (3,) (3,)+ (4,) dims=1",
            "(3,4) (3,4) (3,) (3,)+ dims=1",
            "(2,3,5) (2,3,5) (2,) (2,)+ (3,5) dims=2",
            "(2,3,5) (2,3,5) (2,3) (2,3)+ (5,) dims=1",
            "(0,4) (0,4) (0,) (0,)+ (4,) dims=1",
            "(3,0) (3,0) (3,) (3,)+ (0,) dims=1",
            "(4,3).T (3,4) (3,)::2 (3,)+ (4,) dims=1",
            "(3,4)::2 (4,3).T (3,) (3,)+ (4,)::2 dims=1",
            "(1,1) (1,1) (1,) (1,)+ (1,) dims=1",
            "(70,130) (70,130) (70,) (70,)+ (130,) dims=1",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let (lead, normalised) = split(&x[1].shape, self.dims)?;
        if x[0].shape != x[1].shape {
            bail!(Value, "'grad' must have the input's shape {}, not {}", x[1].shape, x[0].shape);
        }
        let rows = Meta::new(lead, compute_dtype(x[1].dtype));
        for (name, operand) in Self::INFO.operands.iter().zip(x).skip(2).take(2) {
            if operand.dtype != rows.dtype {
                bail!(DType, "'{name}' must be {} beside an input of {}", rows.dtype, x[1].dtype);
            }
            if operand.shape != rows.shape {
                bail!(Value, "'{name}' must have shape {}, not {}", rows.shape, operand.shape);
            }
        }
        let Some(weight) = x.get(4) else { return Ok(smallvec![*x[1]]) };
        check_affine("weight", weight, &x[1].shape, &normalised)?;
        Ok([x[1], weight, weight].into_iter().copied().collect())
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (grad, input) = (Rows::new(&x[0], self.dims)?, Rows::new(&x[1], self.dims)?);
        let (mean, rstd) = (Packed::contiguous(&x[2])?, Packed::contiguous(&x[3])?);
        let weight = x.get(4).map(Packed::contiguous).transpose()?;
        with_float!(y[0].dtype(), T => {
            let kept = Statistics { mean: mean.ptr::<<T as FloatElem>::Compute>(), rstd: rstd.ptr() };
            let weight = pointer::<T>(&weight);
            let bytes = if weight.is_null() { 0 } else { norm::workspace::<T>(input.rows, input.columns) };
            let scratch = Scratch::new(bytes)?;
            let output = |i: usize| y.get(i).map_or(std::ptr::null_mut(), |y| y.ptr.cast());
            let out = Gradients { input: output(0), weight: output(1), bias: output(2) };
            // SAFETY: the matrices describe the operands' memory, the rest is contiguous and as large as `infer`
            // says, and the scratch as large as asked for.
            unsafe {
                norm::layer_norm_backward::<T>(
                    grad.matrix(), input.matrix(), kept, weight, out, scratch.ptr(),
                )
            }
        });
        Ok(())
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
