//! Optimizer updates: each one op over all parameters of one dtype, overwriting parameters and state.
use retrograd_kernels::optim::{self, AdamHyper, SgdHyper};
use smallvec::SmallVec;

use super::attrs::op;
use super::{Accepts, Info, Metas, OpDef, View, info};
use crate::autograd::Back;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::host::{self, Number};
use crate::layout::Meta;

op! {
    /// Stochastic gradient descent. `hyper` is (learning rate, momentum, dampening, weight decay), given once a parameter.
    ///
    /// Polyak (1964), Sutskever et al. (2013).
    pub struct SgdStep {
        /// Whether there is momentum; if not, `buffer` is not touched.
        momentum: bool,
        /// Nesterov's form of momentum.
        nesterov: bool,
        /// Ascend instead of descending.
        maximize: bool,
    }

    /// Adam. `hyper` is (learning rate, beta1, beta2, epsilon, weight decay), given once a parameter.
    ///
    /// Kingma & Ba (2015), Loshchilov & Hutter (2019).
    pub struct AdamStep {
        /// Weight decay apart from the gradient, as AdamW has it.
        decoupled: bool,
        /// Ascend instead of descending.
        maximize: bool,
    }
}

/// Every list's tensors must have the parameters' shapes, steps one element, hyper-parameters `n`.
fn check(x: &[&Meta], lists: usize, like_param: usize, hypers: usize) -> Result<()> {
    let n = x.len() / lists;
    for i in 0..n {
        let param = x[i].shape;
        for list in 1..=like_param {
            let other = x[list * n + i].shape;
            if other != param {
                bail!(Value, "parameter {i} has shape {param}, its gradient or state {other}");
            }
        }
        let step = &x[(like_param + 1) * n + i];
        if step.numel() != 1 || step.dtype != DType::F32 {
            bail!(Value, "the step count of parameter {i} must be one float32 value");
        }
        let hyper = &x[(like_param + 2) * n + i];
        if hyper.numel() != hypers || hyper.dtype != DType::F64 {
            bail!(Value, "'hyper' must be {hypers} float64 values");
        }
    }
    Ok(())
}

fn check_contiguous(x: &[View]) -> Result<()> {
    for v in x {
        if !crate::layout::is_contiguous(v.shape(), v.strides) {
            bail!(Value, "parameters, gradients and state must be contiguous; call .contiguous() on them");
        }
    }
    Ok(())
}

/// Hyper-parameter `i`.
fn hyper(view: &View, i: usize) -> f64 {
    // SAFETY: `check` has found as many float64 values, `check_contiguous` that they are contiguous.
    match unsafe { host::read(view.ptr.cast::<f64>().add(i).cast(), DType::F64) } {
        Number::Float(x) => x,
        _ => f64::NAN,
    }
}

/// Runs `$body` with `$T` bound to the parameters' element type.
macro_rules! with_parameters {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            other => bail!(Unsupported, "for {other} parameters is not supported yet; keep them in float32"),
        }
    };
}

impl OpDef for SgdStep {
    const INFO: Info = info("sgd_step", &["param", "grad", "buffer", "step", "hyper"])
        .accepts(&[Accepts::Float, Accepts::Float, Accepts::Float, Accepts::Real, Accepts::Real])
        .variadic()
        .no_gradient()
        .mutates(&[0, 2, 3]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check(x, 5, 2, 4)?;
        Ok(Metas::new())
    }

    fn run(&self, x: &[View], _y: &[View]) -> Result<()> {
        let n = x.len() / 5;
        if n == 0 {
            return Ok(());
        }
        check_contiguous(x)?;
        let h = &x[4 * n];
        let hyper = SgdHyper {
            lr: hyper(h, 0),
            momentum: if self.momentum { hyper(h, 1) } else { 0.0 },
            dampening: hyper(h, 2),
            weight_decay: hyper(h, 3),
            nesterov: self.nesterov,
            maximize: self.maximize,
        };
        with_parameters!(x[0].dtype(), T => {
            let params: SmallVec<[_; 16]> = (0..n)
                .map(|i| optim::SgdParam::<T> {
                    n: x[i].numel(),
                    param: x[i].ptr.cast(),
                    grad: x[n + i].ptr.cast_const().cast(),
                    buffer: if self.momentum { x[2 * n + i].ptr.cast() } else { std::ptr::null_mut() },
                    step: x[3 * n + i].ptr.cast(),
                })
                .collect();
            // SAFETY: each list's tensor has the parameter's shape and is contiguous.
            unsafe { optim::sgd(&params, &hyper) };
            Ok(())
        })
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}

impl OpDef for AdamStep {
    const INFO: Info = info("adam_step", &["param", "grad", "exp_avg", "exp_avg_sq", "step", "hyper"])
        .accepts(&[
            Accepts::Float,
            Accepts::Float,
            Accepts::Float,
            Accepts::Float,
            Accepts::Real,
            Accepts::Real,
        ])
        .variadic()
        .no_gradient()
        .mutates(&[0, 2, 3, 4]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check(x, 6, 3, 5)?;
        Ok(Metas::new())
    }

    fn run(&self, x: &[View], _y: &[View]) -> Result<()> {
        let n = x.len() / 6;
        if n == 0 {
            return Ok(());
        }
        check_contiguous(x)?;
        let h = &x[5 * n];
        let hyper = AdamHyper {
            lr: hyper(h, 0),
            beta1: hyper(h, 1),
            beta2: hyper(h, 2),
            eps: hyper(h, 3),
            weight_decay: hyper(h, 4),
            decoupled: self.decoupled,
            maximize: self.maximize,
        };
        with_parameters!(x[0].dtype(), T => {
            let params: SmallVec<[_; 16]> = (0..n)
                .map(|i| optim::AdamParam::<T> {
                    n: x[i].numel(),
                    param: x[i].ptr.cast(),
                    grad: x[n + i].ptr.cast_const().cast(),
                    mean: x[2 * n + i].ptr.cast(),
                    square: x[3 * n + i].ptr.cast(),
                    step: x[4 * n + i].ptr.cast(),
                })
                .collect();
            // SAFETY: each list's tensor has the parameter's shape and is contiguous.
            unsafe { optim::adam(&params, &hyper) };
            Ok(())
        })
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
