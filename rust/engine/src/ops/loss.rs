//! Softmax with cross-entropy over logits, fused.
use retrograd_kernels::simd::{Float, FloatElem};
use retrograd_kernels::{Shape, reduce, softmax};
use smallvec::smallvec;

use super::attrs::{DimSet, choice, op};
use super::compare::{Compare, Kind};
use super::index::ScatterAdd;
use super::pointwise::{Div, Mul, Sub};
use super::reduce::Sum;
use super::select::Where;
use super::shape::{Expand, Reshape};
use super::softmax::Softmax;
use super::{Accepts, Info, Metas, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::{DType, with_float};
use crate::error::{Error, Result, bail};
use crate::host::Number;
use crate::layout::Meta;
use crate::make;
use crate::scratch::Scratch;

choice! {
    /// What becomes of the losses of the rows.
    pub enum Reduction {
        /// They are returned.
        None = "none",
        /// Their mean over the rows that are not ignored.
        Mean = "mean",
        /// Their sum.
        Sum = "sum",
    }
}

op! {
    /// `-log softmax(input)[target]` of each row of (N, C) logits; rows whose target is `ignore_index` count nothing.
    ///
    /// The second output, the logarithm of each row's sum of exponentials, is kept for the gradient.
    pub struct CrossEntropy {
        /// The target of rows to leave out.
        ignore_index: i64,
        /// What becomes of the losses of the rows.
        reduction: Reduction,
    }

    /// The gradient of [`CrossEntropy`] with respect to the logits.
    pub struct CrossEntropyBackward {
        /// The target of rows to leave out.
        ignore_index: i64,
        /// What became of the losses of the rows.
        reduction: Reduction,
    }
}

/// The dtype in which the rows' sums are kept.
pub(super) fn compute_dtype(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The strides of rows and columns.
fn matrix_strides(x: &View) -> [isize; 2] {
    [x.strides[0], x.strides[1]]
}

fn check(logits: &Meta, target: &Meta) -> Result<()> {
    if logits.shape.len() != 2 || target.shape.len() != 1 || logits.shape[0] != target.shape[0] {
        bail!(
            Value,
            "logits of shape {} and targets of shape {} do not fit: they must be (N, C) and (N,)",
            logits.shape,
            target.shape
        );
    }
    Ok(())
}

fn bad_target(bad: softmax::BadTarget, classes: usize, ignore_index: i64) -> Error {
    Error::new(
        crate::error::Kind::Index,
        format!(
            "target {} is neither one of {classes} classes (0 to {}) nor ignore_index ({ignore_index})",
            bad.target,
            classes as isize - 1
        ),
    )
}

/// How many rows count.
fn counted(target: &View, ignore_index: i64) -> usize {
    let (n, stride) = (target.shape()[0], target.strides[0]);
    let first = target.ptr.cast_const().cast::<i64>();
    // SAFETY: the view holds n int64 values at that stride.
    (0..n as isize).filter(|&i| unsafe { *first.offset(i * stride) } != ignore_index).count()
}

impl OpDef for CrossEntropy {
    const INFO: Info = info("cross_entropy", &["input", "target"])
        .accepts(&[Accepts::Float, Accepts::Index])
        .saves(&[(0, Save::X(0)), (0, Save::X(1)), (0, Save::Y(1))])
        .samples(&[
            "(3,4) (3,)i4 ignore_index=-100 reduction=mean",
            "(3,4) (3,)i4 ignore_index=-100 reduction=none",
            "(3,4) (3,)i4 ignore_index=1 reduction=sum",
            "(5,4) (5,)i4 ignore_index=2 reduction=mean",
            "(1,1) (1,)i1 ignore_index=-100 reduction=mean",
            "(4,3).T (3,)i4 ignore_index=-100 reduction=mean",
            "(0,4) (0,)i4 ignore_index=-100 reduction=sum",
            "(70,130) (70,)i130 ignore_index=-100 reduction=mean",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check(x[0], x[1])?;
        let rows = Meta::new(x[1].shape, compute_dtype(x[0].dtype));
        let loss = match self.reduction {
            Reduction::None => Meta::new(x[1].shape, x[0].dtype),
            _ => Meta::new(Shape::new(), x[0].dtype),
        };
        Ok(smallvec![loss, rows])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (logits, target) = (&x[0], &x[1]);
        let (n, classes) = (logits.shape()[0], logits.shape()[1]);
        let reduce_rows = self.reduction != Reduction::None;
        with_float!(logits.dtype(), T => {
            let rows = Scratch::new(if reduce_rows { n * size_of::<T>() } else { 0 })?;
            let losses: *mut T = if reduce_rows { rows.ptr().cast() } else { y[0].ptr.cast() };
            // SAFETY: shapes and strides describe the operands' memory; the losses have room for n rows.
            unsafe {
                softmax::cross_entropy::<T>(
                    n,
                    classes,
                    logits.ptr.cast_const().cast(),
                    matrix_strides(logits),
                    target.ptr.cast_const().cast(),
                    target.strides[0],
                    self.ignore_index,
                    losses,
                    y[1].ptr.cast(),
                )
            }
            .map_err(|bad| bad_target(bad, classes, self.ignore_index))?;
            if reduce_rows {
                let scratch = Scratch::new(reduce::workspace::<T>(&[], &[n]))?;
                // SAFETY: the losses of n rows were just written, contiguously; the output is a scalar.
                unsafe {
                    reduce::reduce::<T, _>(
                        reduce::Sum, &[], &[n], losses.cast_const(), &[], &[1], y[0].write(), scratch.ptr(),
                    )
                };
            }
            if self.reduction == Reduction::Mean {
                let count = counted(target, self.ignore_index) as f64;
                let total = y[0].ptr;
                // SAFETY: the output is one element of the logits' dtype.
                unsafe {
                    if let Number::Float(sum) = crate::host::read(total, logits.dtype()) {
                        crate::host::write(total, logits.dtype(), sum / count);
                    }
                }
            }
        });
        Ok(())
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let (x, target, g) = (b.x(0)?, b.x(1)?, b.g()?);
        if b.differentiable() {
            let grad = self.differentiable_gradient(b, &x, &target, &g)?;
            return b.add(0, grad);
        }
        let backward = CrossEntropyBackward { ignore_index: self.ignore_index, reduction: self.reduction };
        b.add(0, b.op(backward, [&g, &x, &target, &b.y(1)?])?)
    }
}

impl CrossEntropy {
    /// (softmax(x) - onehot(target)) · g, of ops that have derivatives.
    fn differentiable_gradient(
        &self,
        b: &Back,
        x: &crate::tensor::Tensor,
        target: &crate::tensor::Tensor,
        g: &crate::tensor::Tensor,
    ) -> Result<crate::tensor::Tensor> {
        let (n, meta) = (x.shape()[0], *x.meta());
        if meta.numel() == 0 {
            return make::zeros(meta);
        }
        let column = Shape::from_slice(&[n, 1]).unwrap_or_default();
        let p = b.op(Softmax { dim: 1 }, [x])?;

        let target = b.op(Reshape { shape: column }, [target])?;
        let ignored = Number::Int(self.ignore_index).to_tensor(DType::I64)?;
        let counts = b.op(Compare { kind: Kind::Ne }, [&target, &ignored])?;
        let first = Number::Int(0).to_tensor(DType::I64)?;
        let safe = b.op(Where {}, [&counts, &target, &first])?;
        let ones = make::full(Meta::new(column, meta.dtype), 1.0)?;
        let onehot = b.op(ScatterAdd { dim: 1 }, [&make::zeros(meta)?, &safe, &ones])?;

        let g = match self.reduction {
            Reduction::None => b.op(Reshape { shape: column }, [g])?,
            _ => b.op(Expand { shape: column }, [g])?,
        };
        let zero = make::zeros(Meta::new(Shape::new(), meta.dtype))?;
        let mut g = b.op(Where {}, [&counts, &g, &zero])?;
        if self.reduction == Reduction::Mean {
            let weights = b.op(super::cast::Cast { dtype: meta.dtype }, [&counts])?;
            let rows = DimSet::default().with(0);
            g = b.op(Div {}, [&g, &b.op(Sum { dims: rows, keepdim: true }, [&weights])?])?;
        }
        b.op(Mul {}, [&b.op(Sub {}, [&p, &onehot])?, &g])
    }
}

impl OpDef for CrossEntropyBackward {
    const INFO: Info = info("cross_entropy_backward", &["grad", "input", "target", "lse"])
        .accepts(&[Accepts::Float, Accepts::Float, Accepts::Index, Accepts::Any])
        .no_gradient()
        .samples(&[
            "() (3,4) (3,)i4 (3,) ignore_index=-100 reduction=mean",
            "(3,) (3,4) (3,)i4 (3,) ignore_index=-100 reduction=none",
            "() (4,3).T (3,)i4 (3,) ignore_index=1 reduction=sum",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check(x[1], x[2])?;
        let grad = if self.reduction == Reduction::None { x[2].shape } else { Shape::new() };
        if x[3].dtype != compute_dtype(x[1].dtype) {
            bail!(DType, "'lse' must be {} beside {} logits", compute_dtype(x[1].dtype), x[1].dtype);
        }
        if x[0].shape != grad || x[3].shape != x[2].shape {
            bail!(
                Value,
                "'grad' must have shape {grad} and 'lse' {}, not {} and {}",
                x[2].shape,
                x[0].shape,
                x[3].shape
            );
        }
        Ok(smallvec![*x[1]])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (grad, logits, target, lse) = (&x[0], &x[1], &x[2], &x[3]);
        if !crate::layout::is_contiguous(lse.shape(), lse.strides) {
            bail!(Value, "'lse' must be contiguous");
        }
        let (n, classes) = (logits.shape()[0], logits.shape()[1]);
        let scale = match self.reduction {
            Reduction::Mean => 1.0 / counted(target, self.ignore_index) as f64,
            _ => 1.0,
        };
        let grad_stride = grad.strides.first().copied().unwrap_or(0);
        with_float!(logits.dtype(), T => {
            // SAFETY: shapes and strides describe the operands' memory; `lse` is contiguous, as checked.
            unsafe {
                softmax::cross_entropy_backward::<T>(
                    n,
                    classes,
                    logits.ptr.cast_const().cast(),
                    matrix_strides(logits),
                    target.ptr.cast_const().cast(),
                    target.strides[0],
                    self.ignore_index,
                    lse.ptr.cast_const().cast(),
                    grad.ptr.cast_const().cast(),
                    grad_stride,
                    <T as FloatElem>::Compute::from_f64(scale),
                    y[0].ptr.cast(),
                    matrix_strides(&y[0]),
                )
            }
        });
        Ok(())
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
