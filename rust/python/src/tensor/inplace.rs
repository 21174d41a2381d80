//! Methods that overwrite the tensor: their names end in an underscore.
use pyo3::prelude::*;
use retrograd_engine::apply::{apply_in_place, apply1};
use retrograd_engine::ops::Op;
use retrograd_engine::ops::activation::{Relu, Sigmoid, Tanh};
use retrograd_engine::ops::memory::{CopyInto, Fill};
use retrograd_engine::ops::pointwise::{
    Abs, Add, Cos, Div, Erf, Exp, Expm1, Log, Log1p, Mul, Neg, Reciprocal, Rsqrt, Sign, Sin, Sqrt, Square,
    Sub,
};
use retrograd_engine::ops::select::Where;
use retrograd_engine::{generator, make};

use super::PyTensor;
use crate::errors::engine_for;
use crate::operand::required;

/// `this op= other`.
fn combine(py: Python<'_>, this: &PyTensor, op: impl Into<Op>, other: &Bound<'_, PyAny>) -> PyResult<()> {
    let (t, op) = (this.tensor(), op.into());
    let other = required(other, t.dtype(), op.name())?;
    engine_for(py, t.numel().max(other.numel()), || {
        // Where promotion would change this tensor's dtype, the op says that the operands differ.
        let fits = make::common_dtype(t, &other) == t.dtype();
        if fits {
            apply_in_place(op, &[t, &make::cast(&other, t.dtype())?])
        } else {
            apply_in_place(op, &[t, &other])
        }
    })
}

macro_rules! combining {
    ($($(#[$doc:meta])* $name:ident, $operator:ident, $op:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name<'py>(slf: Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
                    combine(slf.py(), slf.get(), $op {}, other)?;
                    Ok(slf)
                }
                fn $operator(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
                    combine(slf.py(), slf.get(), $op {}, other)
                }
            )*
        }
    };
}

combining! {
    /// Adds `other` in place.
    add_, __iadd__, Add;
    /// Subtracts `other` in place.
    sub_, __isub__, Sub;
    /// Multiplies by `other` in place.
    mul_, __imul__, Mul;
    /// Divides by `other` in place.
    div_, __itruediv__, Div;
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident, $op:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
                    let t = slf.get().tensor();
                    engine_for(slf.py(), t.numel(), || apply_in_place($op {}, &[t]))?;
                    Ok(slf)
                }
            )*
        }
    };
}

unary! {
    /// Overwrites each element with its negative.
    neg_, Neg;
    /// Overwrites each element with its exponential.
    exp_, Exp;
    /// Overwrites each element with its exponential less one.
    expm1_, Expm1;
    /// Overwrites each element with its logarithm.
    log_, Log;
    /// Overwrites each element with the logarithm of one plus it.
    log1p_, Log1p;
    /// Overwrites each element with its square root.
    sqrt_, Sqrt;
    /// Overwrites each element with one divided by its square root.
    rsqrt_, Rsqrt;
    /// Overwrites each element with one divided by it.
    reciprocal_, Reciprocal;
    /// Overwrites each element with its square.
    square_, Square;
    /// Overwrites each element with its sign.
    sign_, Sign;
    /// Overwrites each element with its absolute value.
    abs_, Abs;
    /// Overwrites each element with its sine.
    sin_, Sin;
    /// Overwrites each element with its cosine.
    cos_, Cos;
    /// Overwrites each element with its error function.
    erf_, Erf;
    /// Overwrites each element with its hyperbolic tangent.
    tanh_, Tanh;
    /// Overwrites each element with its logistic function.
    sigmoid_, Sigmoid;
    /// Overwrites each negative element with zero.
    relu_, Relu;
}

#[pymethods]
impl PyTensor {
    /// Overwrites with `src`, broadcast and cast.
    #[pyo3(signature = (src, non_blocking=false))]
    fn copy_<'py>(
        slf: Bound<'py, Self>,
        src: &Bound<'py, PyAny>,
        non_blocking: bool,
    ) -> PyResult<Bound<'py, Self>> {
        let _ = non_blocking;
        let t = slf.get().tensor();
        let src = required(src, t.dtype(), "copy_")?;
        engine_for(slf.py(), t.numel(), || apply_in_place(CopyInto {}, &[t, &src]))?;
        Ok(slf)
    }

    /// Overwrites every element with `value`.
    fn fill_<'py>(slf: Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let t = slf.get().tensor();
        let value = required(value, t.dtype(), "fill_")?;
        engine_for(slf.py(), t.numel(), || apply_in_place(CopyInto {}, &[t, &value]))?;
        Ok(slf)
    }

    /// Overwrites every element with zero.
    fn zero_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let t = slf.get().tensor();
        engine_for(slf.py(), t.numel(), || apply_in_place(Fill { value: 0.0 }, &[t]))?;
        Ok(slf)
    }

    /// Overwrites with `value` where `mask`.
    fn masked_fill_<'py>(
        slf: Bound<'py, Self>,
        mask: &Bound<'py, PyTensor>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let t = slf.get().tensor();
        let value = required(value, t.dtype(), "masked_fill_")?;
        let mask = mask.get().tensor();
        engine_for(slf.py(), t.numel(), || {
            let chosen = apply1(Where {}, &[mask, &make::cast(&value, t.dtype())?, t])?;
            apply_in_place(CopyInto {}, &[t, &chosen])
        })?;
        Ok(slf)
    }

    /// Overwrites with numbers from `from_` to `to`, all as likely.
    #[pyo3(signature = (from_=0.0, to=1.0))]
    fn uniform_(slf: Bound<'_, Self>, from_: f64, to: f64) -> PyResult<Bound<'_, Self>> {
        let t = slf.get().tensor();
        engine_for(slf.py(), t.numel(), || generator::default_generator()?.uniform(t, from_, to))?;
        Ok(slf)
    }

    /// Overwrites with normally distributed numbers.
    #[pyo3(signature = (mean=0.0, std=1.0))]
    fn normal_(slf: Bound<'_, Self>, mean: f64, std: f64) -> PyResult<Bound<'_, Self>> {
        let t = slf.get().tensor();
        engine_for(slf.py(), t.numel(), || generator::default_generator()?.normal(t, mean, std))?;
        Ok(slf)
    }
}
