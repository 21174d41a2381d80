//! Operators and comparisons.
use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyNotImplemented};
use retrograd_engine::apply::{apply_out, apply1};
use retrograd_engine::dtype::Category;
use retrograd_engine::host::Number;
use retrograd_engine::ops::compare::{Compare, Kind};
use retrograd_engine::ops::matmul::Matmul;
use retrograd_engine::ops::memory::Clone as CloneOp;
use retrograd_engine::ops::pointwise::{
    Abs, Add, Div, FloorDivide, Maximum, Minimum, Mul, Neg, Pow, Remainder, Square, Sub,
};
use retrograd_engine::ops::shape::Reshape;
use retrograd_engine::ops::{Op, select};
use retrograd_engine::{DType, Result, Tensor, make};

use super::{PyTensor, run, wrap};
use crate::errors::{engine, engine_for};
use crate::operand::{beside, number, required};

/// Operands as the op takes them: division is of floating-point numbers.
fn prepare(op: &Op, x: &Tensor) -> Result<Tensor> {
    match op {
        Op::Div(_) if !x.dtype().is_float() => make::cast(x, DType::F32),
        // Truth values add up as integers.
        Op::Add(_)
        | Op::Sub(_)
        | Op::Mul(_)
        | Op::Neg(_)
        | Op::Pow(_)
        | Op::FloorDivide(_)
        | Op::Remainder(_)
            if x.dtype().category() == Category::Bool =>
        {
            make::cast(x, DType::I64)
        }
        _ => Ok(x.clone()),
    }
}

/// `this` in a dtype for the number `other` to take: the op's own, and int64 where it is compared with an integer that does
/// not fit, so that there is an answer.
fn room<'a>(op: &Op, this: &'a Tensor, other: &Bound<'_, PyAny>, swapped: bool) -> PyResult<Cow<'a, Tensor>> {
    if this.dtype().is_float() {
        return Ok(Cow::Borrowed(this));
    }
    let Some(number) = number(other)? else { return Ok(Cow::Borrowed(this)) };
    if matches!(op, Op::Pow(_)) && !swapped && matches!(number, Number::Int(..0)) {
        return Err(PyValueError::new_err(format!(
            "pow: powers of integers with the negative exponent {other} are no integers; cast the tensor with .float()"
        )));
    }
    let wide = matches!(op, Op::Compare(_)) && !number.fits(this.dtype());
    engine_for(
        other.py(),
        this.numel(),
        || {
            if wide { make::cast(this, DType::I64) } else { prepare(op, this) }
        },
    )
    .map(Cow::Owned)
}

/// `a op b` after promotion.
pub fn binary(py: Python<'_>, op: impl Into<Op>, a: &Tensor, b: &Tensor) -> PyResult<Py<PyTensor>> {
    let op = op.into();
    let plain = a.dtype() == b.dtype() && a.dtype().is_float();
    let result = engine_for(py, a.numel().max(b.numel()), || {
        if plain {
            return apply1(op, &[a, b]);
        }
        make::binary(op, &prepare(&op, a)?, &prepare(&op, b)?)
    })?;
    wrap(py, result)
}

/// `this op other` for an operator: `NotImplemented` where `other` is no operand.
fn operator<'py>(
    this: &Tensor,
    other: &Bound<'py, PyAny>,
    op: impl Into<Op>,
    swapped: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, op) = (other.py(), op.into());
    let this = room(&op, this, other, swapped)?;
    let Some(other) = beside(other, this.dtype())? else {
        return Ok(PyNotImplemented::get(py).to_owned().into_any());
    };
    let result = if swapped { binary(py, op, &other, &this)? } else { binary(py, op, &this, &other)? };
    Ok(result.into_bound(py).into_any())
}

/// `this op other` for the method `name`: an error where `other` is no operand.
pub fn with(
    this: &Tensor,
    other: &Bound<'_, PyAny>,
    op: impl Into<Op>,
    name: &str,
) -> PyResult<Py<PyTensor>> {
    let op = op.into();
    let this = room(&op, this, other, false)?;
    let operand = required(other, this.dtype(), name)?;
    binary(other.py(), op, &this, &operand)
}

/// The elements of work in a product, in units of an elementwise operation's.
fn product_work(a: &Tensor, b: &Tensor) -> usize {
    let elements = a.numel();
    let products = elements.saturating_mul(b.shape().last().copied().unwrap_or(1));
    (products / 16).max(elements).max(b.numel())
}

/// The matrix product with vectors taken as a row on the left, a column on the right.
pub fn matmul(py: Python<'_>, a: &Tensor, b: &Tensor) -> PyResult<Py<PyTensor>> {
    let result = engine_for(py, product_work(a, b), || {
        if a.rank() >= 2 && b.rank() >= 2 {
            return apply1(Matmul {}, &[a, b]);
        }
        if a.rank() == 0 || b.rank() == 0 {
            // The op's own message names the shapes.
            return apply1(Matmul {}, &[a, b]);
        }
        let mut left = a.clone();
        let mut right = b.clone();
        if a.rank() == 1 {
            let shape = retrograd_engine::layout::shape_of(&[1, a.numel()])?;
            left = apply1(Reshape { shape }, &[a])?;
        }
        if b.rank() == 1 {
            let shape = retrograd_engine::layout::shape_of(&[b.numel(), 1])?;
            right = apply1(Reshape { shape }, &[b])?;
        }
        let product = apply1(Matmul {}, &[&left, &right])?;
        let mut shape = *product.shape();
        if b.rank() == 1 {
            shape.remove(shape.len() - 1);
        }
        if a.rank() == 1 {
            shape.remove(shape.len() - if b.rank() == 1 { 1 } else { 2 });
        }
        apply1(Reshape { shape }, &[&product])
    })?;
    wrap(py, result)
}

macro_rules! operators {
    ($($name:ident, $reversed:ident, $op:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $name<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    operator(self.tensor(), other, $op {}, false)
                }
                fn $reversed<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    operator(self.tensor(), other, $op {}, true)
                }
            )*
        }
    };
}

operators! {
    __add__, __radd__, Add;
    __sub__, __rsub__, Sub;
    __mul__, __rmul__, Mul;
    __truediv__, __rtruediv__, Div;
    __floordiv__, __rfloordiv__, FloorDivide;
    __mod__, __rmod__, Remainder;
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident, $op:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyTensor>> {
                    with(self.tensor(), other, $op, stringify!($name))
                }
            )*
        }
    };
}

named! {
    /// `self + other`, broadcast.
    add, Add {};
    /// `self - other`, broadcast.
    sub, Sub {};
    /// `self * other`, broadcast.
    mul, Mul {};
    /// `self / other`, broadcast.
    div, Div {};
    /// `self / other` rounded down, broadcast; of integers, 0 where `other` is. Its gradient is zero.
    floor_divide, FloorDivide {};
    /// What `floor_divide` leaves of `self`, broadcast: it has the sign of `other`; of integers, 0 where `other` is.
    remainder, Remainder {};
    /// `self ** exponent`, broadcast; of integers it wraps, and is rounded towards zero where the exponent is negative.
    pow, Pow {};
    /// The larger of the two, element by element; NaN where either is.
    maximum, Maximum {};
    /// The smaller of the two, element by element; NaN where either is.
    minimum, Minimum {};
    /// `self == other`, element by element.
    eq, Compare { kind: Kind::Eq };
    /// `self != other`, element by element.
    ne, Compare { kind: Kind::Ne };
    /// `self < other`, element by element.
    lt, Compare { kind: Kind::Lt };
    /// `self <= other`, element by element.
    le, Compare { kind: Kind::Le };
    /// `self > other`, element by element.
    gt, Compare { kind: Kind::Gt };
    /// `self >= other`, element by element.
    ge, Compare { kind: Kind::Ge };
}

#[pymethods]
impl PyTensor {
    fn __pow__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        modulo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !modulo.is_none() {
            return Err(pyo3::exceptions::PyNotImplementedError::new_err("pow: 'modulo' is not supported"));
        }
        // A square is one product, exact where the general power is not.
        let (py, t) = (other.py(), self.tensor());
        let stays = t.dtype().is_float() || !other.is_instance_of::<PyFloat>();
        if stays && other.extract::<f64>().is_ok_and(|e| e == 2.0) && !other.is_instance_of::<PyTensor>() {
            let square =
                if t.dtype() == DType::Bool { binary(py, Mul {}, t, t)? } else { run(py, Square {}, &[t])? };
            return Ok(square.into_bound(py).into_any());
        }
        operator(self.tensor(), other, Pow {}, false)
    }
    fn __rpow__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        _modulo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        operator(self.tensor(), other, Pow {}, true)
    }
    fn __neg__(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Neg {}, &[self.tensor()])
    }
    fn __pos__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
    fn __abs__(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, Abs {}, &[self.tensor()])
    }
    /// The logical complement of a bool tensor.
    fn __invert__(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        let t = self.tensor();
        if t.dtype() != DType::Bool {
            return Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
                "~: only bool tensors have a complement, not {}",
                t.dtype()
            )));
        }
        let zero = engine_for(py, 0, || Tensor::scalar(0.0, DType::Bool))?;
        run(py, Compare { kind: Kind::Eq }, &[t, &zero])
    }
    fn __matmul__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match crate::operand::tensor(other)? {
            Some(t) => Ok(matmul(other.py(), self.tensor(), &t)?.into_bound(other.py()).into_any()),
            None => Ok(PyNotImplemented::get(other.py()).to_owned().into_any()),
        }
    }
    fn __rmatmul__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match crate::operand::tensor(other)? {
            Some(t) => Ok(matmul(other.py(), &t, self.tensor())?.into_bound(other.py()).into_any()),
            None => Ok(PyNotImplemented::get(other.py()).to_owned().into_any()),
        }
    }
    /// The matrix product of the last two dimensions; those before broadcast. `out`, of the result's shape and dtype, is
    /// written over and returned.
    #[pyo3(signature = (other, *, out=None))]
    fn matmul(
        &self,
        py: Python<'_>,
        other: &Bound<'_, PyAny>,
        out: Option<Bound<'_, PyTensor>>,
    ) -> PyResult<Py<PyTensor>> {
        let a = self.tensor();
        let b = required(other, a.dtype(), "matmul")?;
        let Some(out) = out else { return matmul(py, a, &b) };
        if a.rank() > 1 && b.rank() > 1 {
            let to = out.get().tensor();
            engine_for(py, product_work(a, &b), || apply_out(Matmul {}, &[a, &b], to))?;
        } else {
            let product = matmul(py, a, &b)?;
            engine(|| apply_out(CloneOp {}, &[product.get().tensor()], out.get().tensor()))?;
        }
        Ok(out.unbind())
    }
    /// The product of two matrices.
    fn mm(&self, py: Python<'_>, mat2: &Bound<'_, PyTensor>) -> PyResult<Py<PyTensor>> {
        let (a, b) = (self.tensor(), mat2.get().tensor());
        if a.rank() != 2 || b.rank() != 2 {
            return Err(PyValueError::new_err(format!(
                "mm: takes two matrices, not shapes {} and {}",
                a.shape(),
                b.shape()
            )));
        }
        matmul(py, a, b)
    }
    fn __richcmp__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        op: pyo3::pyclass::CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        use pyo3::pyclass::CompareOp;
        let kind = match op {
            CompareOp::Lt => Kind::Lt,
            CompareOp::Le => Kind::Le,
            CompareOp::Eq => Kind::Eq,
            CompareOp::Ne => Kind::Ne,
            CompareOp::Gt => Kind::Gt,
            CompareOp::Ge => Kind::Ge,
        };
        operator(self.tensor(), other, Compare { kind }, false)
    }
    /// `self` where `condition`, else `other`.
    #[pyo3(name = "where")]
    fn where_(
        &self,
        py: Python<'_>,
        condition: &Bound<'_, PyTensor>,
        other: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyTensor>> {
        let other = required(other, self.tensor().dtype(), "where")?;
        choose(py, condition.get().tensor(), self.tensor(), &other)
    }
    /// `value` where `mask`, else `self`.
    fn masked_fill(
        &self,
        py: Python<'_>,
        mask: &Bound<'_, PyTensor>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyTensor>> {
        let t = self.tensor();
        let value = required(value, t.dtype(), "masked_fill")?;
        let value = engine_for(py, 0, || make::cast(&value, t.dtype()))?;
        choose(py, mask.get().tensor(), &value, t)
    }
}

/// `a` where `condition`, else `b`, after promotion.
pub fn choose(py: Python<'_>, condition: &Tensor, a: &Tensor, b: &Tensor) -> PyResult<Py<PyTensor>> {
    let result = engine_for(py, condition.numel().max(a.numel()).max(b.numel()), || {
        let dtype = make::common_dtype(a, b);
        apply1(select::Where {}, &[condition, &make::cast(a, dtype)?, &make::cast(b, dtype)?])
    })?;
    wrap(py, result)
}
