//! Functions of each element.
use pyo3::prelude::*;
use retrograd_engine::apply::{apply_in_place, apply1};
use retrograd_engine::ops::Op;
use retrograd_engine::ops::activation::{Relu, Sigmoid, Silu, Tanh};
use retrograd_engine::ops::compare::{Compare, Kind};
use retrograd_engine::ops::memory::CopyInto;
use retrograd_engine::ops::pointwise::{
    Abs, Clamp, Cos, Erf, Exp, Expm1, Log, Log1p, Maximum, Minimum, Neg, Reciprocal, Rsqrt, Sign, Sin, Sqrt,
    Square,
};
use retrograd_engine::ops::select::Where;
use retrograd_engine::{DType, Result, Tensor, make};

use super::{PyTensor, run, wrap};
use crate::errors::{engine, engine_for};
use crate::operand::{number, required};

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident, $op:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
                    let t = self.tensor();
                    if t.dtype().is_float() {
                        return run(py, $op {}, &[t]);
                    }
                    run(py, $op {}, &[&engine(|| make::cast(t, DType::F32))?])
                }
            )*
        }
    };
}

unary! {
    /// e to the power of each element.
    exp, Exp;
    /// e to the power of each element, less one: exact near zero, where `exp() - 1` loses its digits.
    expm1, Expm1;
    /// The natural logarithm of each element.
    log, Log;
    /// The natural logarithm of one plus each element: exact near zero.
    log1p, Log1p;
    /// The square root of each element.
    sqrt, Sqrt;
    /// One divided by the square root of each element.
    rsqrt, Rsqrt;
    /// One divided by each element.
    reciprocal, Reciprocal;
    /// The sine of each element, in radians.
    sin, Sin;
    /// The cosine of each element, in radians.
    cos, Cos;
    /// The error function of each element: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to it.
    erf, Erf;
    /// The hyperbolic tangent of each element.
    tanh, Tanh;
    /// The logistic function of each element.
    sigmoid, Sigmoid;
    /// Each element times the logistic function of it.
    silu, Silu;
}

#[pymethods]
impl PyTensor {
    /// The negative of each element.
    fn neg(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Neg {}, &[self.tensor()])
    }
    /// The absolute value of each element.
    fn abs(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Abs {}, &[self.tensor()])
    }
    /// Each element, or zero where it is negative.
    fn relu(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Relu {}, &[self.tensor()])
    }
    /// The square of each element.
    fn square(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Square {}, &[self.tensor()])
    }
    /// 1, -1 or 0 as each element is above, below or equal to zero; NaN stays. Its gradient is zero.
    fn sign(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Sign {}, &[self.tensor()])
    }
    /// Each element, or the bound it lies beyond: `min(max(self, min), max)`, so `max` wins where it is below `min`.
    ///
    /// Bounds are numbers or tensors that broadcast; at least one must be given. NaN stays. Gradients go to the elements
    /// that are within or at the bounds.
    #[pyo3(signature = (min=None, max=None))]
    fn clamp(
        &self,
        py: Python<'_>,
        min: Option<&Bound<'_, PyAny>>,
        max: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyTensor>> {
        let bounds = Bounds::new("clamp", self.tensor(), min, max)?;
        wrap(py, engine_for(py, self.tensor().numel(), || bounds.apply(self.tensor()))?)
    }
    /// As `clamp`.
    #[pyo3(signature = (min=None, max=None))]
    fn clip(
        &self,
        py: Python<'_>,
        min: Option<&Bound<'_, PyAny>>,
        max: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyTensor>> {
        self.clamp(py, min, max)
    }
    /// Overwrites each element that lies beyond a bound with that bound.
    #[pyo3(signature = (min=None, max=None))]
    fn clamp_<'py>(
        slf: Bound<'py, Self>,
        min: Option<&Bound<'py, PyAny>>,
        max: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let t = slf.get().tensor();
        let bounds = Bounds::new("clamp_", t, min, max)?;
        engine_for(slf.py(), t.numel(), || match bounds {
            Bounds::Numbers(op) => apply_in_place(op, &[t]),
            _ => apply_in_place(CopyInto {}, &[t, &bounds.apply(t)?]),
        })?;
        Ok(slf)
    }
}

/// What a tensor is clamped to.
enum Bounds {
    /// Numbers beside a floating-point tensor: one op.
    Numbers(Clamp),
    /// Anything else.
    Tensors([Option<Tensor>; 2]),
}

impl Bounds {
    fn new(
        name: &str,
        x: &Tensor,
        min: Option<&Bound<'_, PyAny>>,
        max: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if min.is_none() && max.is_none() {
            return Err(pyo3::exceptions::PyValueError::new_err(format!(
                "{name}: give at least one of 'min' and 'max'"
            )));
        }
        let number = |bound: Option<&Bound<'_, PyAny>>, none| match bound {
            None => Ok(Some(none)),
            Some(bound) => number(bound).map(|n| n.map(|n| n.as_f64())),
        };
        if x.dtype().is_float()
            && let (Some(min), Some(max)) = (number(min, f64::NEG_INFINITY)?, number(max, f64::INFINITY)?)
        {
            return Ok(Self::Numbers(Clamp { min, max, closed: true }));
        }
        let tensor = |bound: Option<&Bound<'_, PyAny>>| -> PyResult<Option<Tensor>> {
            bound.map(|b| Ok(required(b, x.dtype(), name)?.into_owned())).transpose()
        };
        Ok(Self::Tensors([tensor(min)?, tensor(max)?]))
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let bounds = match self {
            Self::Numbers(op) => return apply1(*op, &[x]),
            Self::Tensors(bounds) => bounds,
        };
        let (low, high) = (Op::from(Maximum {}), Op::from(Minimum {}));
        let mut x = x.clone();
        for (bound, op, within) in [(&bounds[0], low, Kind::Ge), (&bounds[1], high, Kind::Le)] {
            let Some(bound) = bound else { continue };
            let dtype = make::common_dtype(&x, bound);
            let (a, b) = (make::cast(&x, dtype)?, make::cast(bound, dtype)?);
            // Where both are equal the gradient is the element's, not shared as the extremum would have it.
            let inside = apply1(Compare { kind: within }, &[&a, &b])?;
            x = apply1(Where {}, &[&inside, &a, &apply1(op, &[&a, &b])?])?;
        }
        Ok(x)
    }
}
