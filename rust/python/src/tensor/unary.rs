//! Functions of each element.
use pyo3::prelude::*;
use retrograd_engine::ops::pointwise::{Abs, Exp, Log, Mul, Neg, Relu, Sigmoid, Silu, Sqrt, Tanh};

use super::{PyTensor, run};
use crate::errors::engine;
use retrograd_engine::{DType, make};

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
    /// The natural logarithm of each element.
    log, Log;
    /// The square root of each element.
    sqrt, Sqrt;
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
        run(py, Mul {}, &[self.tensor(), self.tensor()])
    }
}
