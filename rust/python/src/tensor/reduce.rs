//! Reductions.
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use retrograd_engine::apply::apply1;
use retrograd_engine::ops::Op;
use retrograd_engine::ops::attrs::DimSet;
use retrograd_engine::ops::compare::{Compare, Kind};
use retrograd_engine::ops::index::Gather;
use retrograd_engine::ops::pointwise::{Div, Mul, Sqrt, Sub};
use retrograd_engine::ops::reduce::{ArgMax, ArgMin, Max, Min, Sum};
use retrograd_engine::ops::select::Where;
use retrograd_engine::ops::shape::Reshape;
use retrograd_engine::ops::softmax::{LogSoftmax, Softmax};
use retrograd_engine::{DType, Result, Tensor, make};

use super::{PyTensor, wrap};
use crate::dtype::PyDType;
use crate::errors::{engine, engine_for};
use crate::operand::dims;

/// How many elements of `x` go into one of the result.
fn reduced_count(x: &Tensor, set: DimSet) -> usize {
    (0..x.rank()).filter(|&d| set.contains(d)).map(|d| x.shape()[d]).product()
}

fn sum(x: &Tensor, set: DimSet, keepdim: bool) -> Result<Tensor> {
    // Sums of small integers and of truth values must not wrap.
    let x = if x.dtype().is_float() { x.clone() } else { make::cast(x, DType::I64)? };
    apply1(Sum { dims: set, keepdim }, &[&x])
}

fn mean(x: &Tensor, set: DimSet, keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Err(retrograd_engine::Error::new(
            retrograd_engine::Kind::DType,
            format!("mean: does not take {} operands; cast them with .float()", x.dtype()),
        ));
    }
    let count = Tensor::scalar(reduced_count(x, set) as f64, x.dtype())?;
    apply1(Div {}, &[&sum(x, set, keepdim)?, &count])
}

/// Variance with `correction` degrees of freedom taken off.
fn var(x: &Tensor, set: DimSet, keepdim: bool, correction: f64) -> Result<Tensor> {
    let centred = apply1(Sub {}, &[x, &mean(x, set, true)?])?;
    let squares = sum(&apply1(Mul {}, &[&centred, &centred])?, set, keepdim)?;
    let freedom = (reduced_count(x, set) as f64 - correction).max(0.0);
    apply1(Div {}, &[&squares, &Tensor::scalar(freedom, x.dtype())?])
}

/// The root of [`var`]. Where all elements are equal its gradient is 0, not the 0 / 0 of the root's.
fn std(x: &Tensor, set: DimSet, keepdim: bool, correction: f64) -> Result<Tensor> {
    let var = var(x, set, keepdim, correction)?;
    let [zero, one] = [Tensor::scalar(0.0, x.dtype())?, Tensor::scalar(1.0, x.dtype())?];
    let equal = apply1(Compare { kind: Kind::Eq }, &[&var, &zero])?;
    // What the root is not taken of cannot make its derivatives infinite.
    let root = apply1(Sqrt {}, &[&apply1(Where {}, &[&equal, &one, &var])?])?;
    apply1(Where {}, &[&equal, &zero, &root])
}

fn maximum(x: &Tensor, set: DimSet, keepdim: bool) -> Result<Tensor> {
    apply1(Max { dims: set, keepdim }, &[x])
}

fn minimum(x: &Tensor, set: DimSet, keepdim: bool) -> Result<Tensor> {
    apply1(Min { dims: set, keepdim }, &[x])
}

/// `(values, indices)` under names.
fn pair<'py>(py: Python<'py>, values: Tensor, indices: Tensor) -> PyResult<Bound<'py, PyAny>> {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = TYPE.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let namedtuple = py.import("collections")?.getattr("namedtuple")?;
        Ok(namedtuple.call1(("ValuesIndices", ("values", "indices")))?.unbind())
    })?;
    make.bind(py).call1((wrap(py, values)?, wrap(py, indices)?))
}

/// The extreme along one dimension and where it is.
fn extreme_along(x: &Tensor, dim: isize, keepdim: bool, largest: bool) -> Result<(Tensor, Tensor)> {
    let axis = retrograd_engine::layout::axis(dim, x.rank())?;
    if x.rank() == 0 {
        return Ok((x.clone(), make::zeros(retrograd_engine::layout::Meta::new(*x.shape(), DType::I64))?));
    }
    let set = DimSet::default().with(axis);
    let search: Op = if largest {
        ArgMax { dims: set, keepdim: true }.into()
    } else {
        ArgMin { dims: set, keepdim: true }.into()
    };
    let indices = apply1(search, &[&x.detach()])?;
    let values = apply1(Gather { dim: axis }, &[x, &indices])?;
    if keepdim {
        return Ok((values, indices));
    }
    let mut shape = *values.shape();
    shape.remove(axis);
    Ok((apply1(Reshape { shape }, &[&values])?, apply1(Reshape { shape }, &[&indices])?))
}

/// `max` and `min`: of all, along a dimension, or of two tensors.
fn extreme<'py>(
    this: &PyTensor,
    dim: Option<&Bound<'py, PyAny>>,
    keepdim: bool,
    largest: bool,
    py: Python<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let x = this.tensor();
    let Some(dim) = dim else {
        let all = DimSet::all(x.rank());
        let result =
            engine_for(
                py,
                x.numel(),
                || if largest { maximum(x, all, false) } else { minimum(x, all, false) },
            )?;
        return Ok(wrap(py, result)?.into_bound(py).into_any());
    };
    if let Ok(other) = dim.cast::<PyTensor>() {
        let name = if largest { "maximum" } else { "minimum" };
        return Ok(wrap(py, x.clone())?.bind(py).call_method1(name, (other,))?.into_any());
    }
    let dim: isize = dim.extract()?;
    let (values, indices) = engine_for(py, x.numel(), || extreme_along(x, dim, keepdim, largest))?;
    pair(py, values, indices)
}

/// An op along one dimension, after a cast.
fn along(
    py: Python<'_>,
    x: &Tensor,
    dim: isize,
    dtype: Option<&PyDType>,
    name: &'static str,
    op: impl Fn(usize) -> Op + Sync,
) -> PyResult<Py<PyTensor>> {
    let result = engine_for(py, x.numel(), || {
        let dim = retrograd_engine::layout::axis(dim, x.rank()).map_err(|e| e.in_op(name))?;
        apply1(op(dim), &[&make::cast(x, dtype.map_or(x.dtype(), |d| d.0))?])
    })?;
    wrap(py, result)
}

#[pymethods]
impl PyTensor {
    /// exp(x) / sum(exp(x)) along `dim`, shifted by the maximum so that it cannot overflow; cast to `dtype` before.
    #[pyo3(signature = (dim, dtype=None))]
    fn softmax(&self, py: Python<'_>, dim: isize, dtype: Option<&PyDType>) -> PyResult<Py<PyTensor>> {
        along(py, self.tensor(), dim, dtype, "softmax", |dim| Softmax { dim }.into())
    }

    /// x - log(sum(exp(x))) along `dim`, shifted by the maximum so that it cannot overflow; cast to `dtype` before.
    #[pyo3(signature = (dim, dtype=None))]
    fn log_softmax(&self, py: Python<'_>, dim: isize, dtype: Option<&PyDType>) -> PyResult<Py<PyTensor>> {
        along(py, self.tensor(), dim, dtype, "log_softmax", |dim| LogSoftmax { dim }.into())
    }

    /// The sum over `dim`, or over all; integers are summed as int64.
    #[pyo3(signature = (dim=None, keepdim=false, *, dtype=None))]
    fn sum(
        &self,
        py: Python<'_>,
        dim: Option<&Bound<'_, PyAny>>,
        keepdim: bool,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyTensor>> {
        let mut x = self.tensor().clone();
        if let Some(dtype) = dtype {
            let dtype = crate::dtype::extract(dtype)?;
            x = engine_for(py, x.numel(), || make::cast(&x, dtype))?;
        }
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || sum(&x, set, keepdim))?)
    }

    /// The mean over `dim`, or over all.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn mean(&self, py: Python<'_>, dim: Option<&Bound<'_, PyAny>>, keepdim: bool) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || mean(x, set, keepdim))?)
    }

    /// The variance over `dim`, or over all, with `correction` degrees of freedom taken off.
    #[pyo3(signature = (dim=None, *, correction=1.0, keepdim=false))]
    fn var(
        &self,
        py: Python<'_>,
        dim: Option<&Bound<'_, PyAny>>,
        correction: f64,
        keepdim: bool,
    ) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || var(x, set, keepdim, correction))?)
    }

    /// The standard deviation over `dim`, or over all, with `correction` degrees of freedom taken off.
    #[pyo3(signature = (dim=None, *, correction=1.0, keepdim=false))]
    fn std(
        &self,
        py: Python<'_>,
        dim: Option<&Bound<'_, PyAny>>,
        correction: f64,
        keepdim: bool,
    ) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || std(x, set, keepdim, correction))?)
    }

    /// The largest of all; along `dim`, `(values, indices)`; with another tensor, the larger of the two.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn max<'py>(
        &self,
        py: Python<'py>,
        dim: Option<&Bound<'py, PyAny>>,
        keepdim: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        extreme(self, dim, keepdim, true, py)
    }

    /// The smallest of all; along `dim`, `(values, indices)`; with another tensor, the smaller of the two.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn min<'py>(
        &self,
        py: Python<'py>,
        dim: Option<&Bound<'py, PyAny>>,
        keepdim: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        extreme(self, dim, keepdim, false, py)
    }

    /// The largest over `dim`, or over all; equal winners share the gradient.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn amax(&self, py: Python<'_>, dim: Option<&Bound<'_, PyAny>>, keepdim: bool) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || maximum(x, set, keepdim))?)
    }

    /// The smallest over `dim`, or over all; equal winners share the gradient.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn amin(&self, py: Python<'_>, dim: Option<&Bound<'_, PyAny>>, keepdim: bool) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = dims(dim, x.rank())?;
        wrap(py, engine_for(py, x.numel(), || minimum(x, set, keepdim))?)
    }

    /// Where the largest is: along `dim`, or in row-major order over all; the first of equals.
    #[pyo3(signature = (dim=None, keepdim=false))]
    fn argmax(&self, py: Python<'_>, dim: Option<isize>, keepdim: bool) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = match dim {
            None => DimSet::all(x.rank()),
            Some(dim) if x.rank() > 0 => {
                DimSet::default().with(engine(|| retrograd_engine::layout::axis(dim, x.rank()))?)
            }
            Some(_) => DimSet::default(),
        };
        wrap(py, engine_for(py, x.numel(), || apply1(ArgMax { dims: set, keepdim }, &[x]))?)
    }

    /// Whether all elements are true.
    fn all(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let result = engine_for(py, x.numel(), || {
            let truth = make::cast(&make::cast(x, DType::Bool)?, DType::I64)?;
            let count = sum(&truth, DimSet::all(x.rank()), false)?;
            let numel = retrograd_engine::host::Number::Int(x.numel() as i64).to_tensor(DType::I64)?;
            apply1(Compare { kind: Kind::Eq }, &[&count, &numel])
        })?;
        wrap(py, result)
    }

    /// Whether any element is true.
    fn any(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let result = engine_for(py, x.numel(), || {
            make::cast(&sum(&make::cast(x, DType::Bool)?, DimSet::all(x.rank()), false)?, DType::Bool)
        })?;
        wrap(py, result)
    }
}
