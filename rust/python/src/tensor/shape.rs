//! Methods that look at the tensor under another shape.
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use retrograd_engine::apply::apply1;
use retrograd_engine::kernels::{Dims, Shape};
use retrograd_engine::layout::axis;
use retrograd_engine::ops::index::{Gather, IndexAdd, IndexSelect, ScatterAdd};
use retrograd_engine::ops::memory::Clone as CloneOp;
use retrograd_engine::ops::shape::{Expand, Permute, Reshape, Slice};
use retrograd_engine::{Result, Tensor, make};

use super::{PyTensor, run, wrap};
use crate::errors::{engine, engine_for};
use crate::operand::sizes;

fn reshape(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    let shape = make::infer_shape(sizes, x.numel())?;
    if shape == *x.shape() { Ok(x.clone()) } else { apply1(Reshape { shape }, &[x]) }
}

/// Two dimensions swapped.
pub fn swap(x: &Tensor, dim0: isize, dim1: isize) -> Result<Tensor> {
    let mut dims: Dims<usize> = identity(x.rank());
    let (a, b) = (axis(dim0, x.rank())?, axis(dim1, x.rank())?);
    if x.rank() > 0 {
        dims.swap(a, b);
    }
    apply1(Permute { dims }, &[x])
}

fn identity(rank: usize) -> Dims<usize> {
    let mut dims = Dims::filled(0, rank);
    for (i, d) in dims.iter_mut().enumerate() {
        *d = i;
    }
    dims
}

/// The sizes to expand to, -1 standing for the size there is.
fn expanded(x: &Tensor, sizes: &[i64]) -> PyResult<Shape> {
    let lead = sizes.len().checked_sub(x.rank()).ok_or_else(|| {
        PyValueError::new_err(format!("expand: {sizes:?} has fewer sizes than shape {}", x.shape()))
    })?;
    let dims: Option<Vec<usize>> = sizes
        .iter()
        .enumerate()
        .map(|(i, &d)| if d == -1 && i >= lead { Some(x.shape()[i - lead]) } else { usize::try_from(d).ok() })
        .collect();
    let dims = dims.ok_or_else(|| PyValueError::new_err(format!("expand: {sizes:?} has a negative size")))?;
    engine(|| retrograd_engine::layout::shape_of(&dims))
}

#[pymethods]
impl PyTensor {
    /// The same elements under another shape; one size may be -1. Copies only where it must.
    #[pyo3(signature = (*shape))]
    fn reshape(&self, py: Python<'_>, shape: &Bound<'_, PyTuple>) -> PyResult<Py<PyTensor>> {
        let sizes = sizes(shape)?;
        let x = self.tensor();
        wrap(py, engine_for(py, x.numel(), || reshape(x, &sizes))?)
    }

    /// The same elements under another shape, sharing memory; an error where strides do not allow it.
    #[pyo3(signature = (*shape))]
    fn view(&self, py: Python<'_>, shape: &Bound<'_, PyTuple>) -> PyResult<Py<PyTensor>> {
        let sizes = sizes(shape)?;
        let x = self.tensor();
        let y = engine(|| reshape(x, &sizes))?;
        if y.storage().id() != x.storage().id() {
            return Err(PyRuntimeError::new_err(format!(
                "view: strides {} do not allow a view of shape {} as {}; use .reshape()",
                x.strides(),
                x.shape(),
                y.shape()
            )));
        }
        wrap(py, y)
    }

    /// The same elements under `other`'s shape, sharing memory.
    fn view_as(&self, py: Python<'_>, other: &Bound<'_, PyTensor>) -> PyResult<Py<PyTensor>> {
        self.view(py, &PyTuple::new(py, [other.get().tensor().shape().to_vec()])?)
    }

    /// Dimensions `start_dim` to `end_dim` as one.
    #[pyo3(signature = (start_dim=0, end_dim=-1))]
    fn flatten(&self, py: Python<'_>, start_dim: isize, end_dim: isize) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let result = engine_for(py, x.numel(), || {
            if x.rank() == 0 {
                return reshape(x, &[1]);
            }
            let (start, end) = (axis(start_dim, x.rank())?, axis(end_dim, x.rank())?);
            if start > end {
                return Err(retrograd_engine::Error::new(
                    retrograd_engine::Kind::Value,
                    format!("flatten: start_dim {start_dim} comes after end_dim {end_dim}"),
                ));
            }
            let s = x.shape();
            let mut sizes: Vec<i64> = s[..start].iter().map(|&d| d as i64).collect();
            sizes.push(s[start..=end].iter().product::<usize>() as i64);
            sizes.extend(s[end + 1..].iter().map(|&d| d as i64));
            reshape(x, &sizes)
        })?;
        wrap(py, result)
    }

    /// A dimension of extent one put in before `dim`.
    pub(crate) fn unsqueeze(&self, py: Python<'_>, dim: isize) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let result = engine(|| {
            let at = axis(dim, x.rank() + 1)?;
            let mut sizes: Vec<i64> = x.shape().iter().map(|&d| d as i64).collect();
            sizes.insert(at, 1);
            apply1(Reshape { shape: make::infer_shape(&sizes, x.numel())? }, &[x])
        })?;
        wrap(py, result)
    }

    /// Dimensions of extent one taken out: all, or those named.
    #[pyo3(signature = (dim=None))]
    fn squeeze(&self, py: Python<'_>, dim: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let set = crate::operand::dims(dim, x.rank())?;
        let mut shape = Shape::new();
        for (i, &d) in x.shape().iter().enumerate() {
            if !(set.contains(i) && d == 1) {
                let _ = shape.push(d);
            }
        }
        run(py, Reshape { shape }, &[x])
    }

    /// Two dimensions swapped.
    fn transpose(&self, py: Python<'_>, dim0: isize, dim1: isize) -> PyResult<Py<PyTensor>> {
        wrap(py, engine(|| swap(self.tensor(), dim0, dim1))?)
    }

    /// Two dimensions swapped.
    fn swapaxes(&self, py: Python<'_>, axis0: isize, axis1: isize) -> PyResult<Py<PyTensor>> {
        self.transpose(py, axis0, axis1)
    }

    /// A matrix transposed; a vector or scalar as it is.
    fn t(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        match x.rank() {
            0 | 1 => wrap(py, x.clone()),
            2 => self.transpose(py, 0, 1),
            rank => Err(PyValueError::new_err(format!(
                "t: takes at most 2 dimensions, not {rank}; use .transpose()"
            ))),
        }
    }

    /// All dimensions in reverse order.
    #[getter(T)]
    fn reversed(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        let mut dims = identity(self.tensor().rank());
        dims.reverse();
        run(py, Permute { dims }, &[self.tensor()])
    }

    /// The last two dimensions swapped.
    #[getter(mT)]
    fn matrix_transposed(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        self.transpose(py, -2, -1)
    }

    /// Dimension `i` of the result is dimension `dims[i]`.
    #[pyo3(signature = (*dims))]
    fn permute(&self, py: Python<'_>, dims: &Bound<'_, PyTuple>) -> PyResult<Py<PyTensor>> {
        let list = sizes(dims)?;
        let x = self.tensor();
        let result = engine(|| {
            let axes: Result<Vec<usize>> = list.iter().map(|&d| axis(d as isize, x.rank())).collect();
            apply1(Permute { dims: retrograd_engine::layout::shape_of(&axes?)? }, &[x])
        })?;
        wrap(py, result)
    }

    /// Dimension `source` moved to `destination`.
    fn movedim(&self, py: Python<'_>, source: isize, destination: isize) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let result = engine(|| {
            let (from, to) = (axis(source, x.rank())?, axis(destination, x.rank())?);
            let mut dims = identity(x.rank());
            if x.rank() > 0 {
                let d = dims.remove(from);
                let _ = dims.insert(to, d);
            }
            apply1(Permute { dims }, &[x])
        })?;
        wrap(py, result)
    }

    /// Repeated along dimensions of extent one, sharing memory; -1 keeps a size.
    #[pyo3(signature = (*sizes))]
    fn expand(&self, py: Python<'_>, sizes: &Bound<'_, PyTuple>) -> PyResult<Py<PyTensor>> {
        let shape = expanded(self.tensor(), &crate::operand::sizes(sizes)?)?;
        run(py, Expand { shape }, &[self.tensor()])
    }

    /// Expanded to `other`'s shape.
    fn expand_as(&self, py: Python<'_>, other: &Bound<'_, PyTensor>) -> PyResult<Py<PyTensor>> {
        run(py, Expand { shape: *other.get().tensor().shape() }, &[self.tensor()])
    }

    /// `length` slices from `start` along `dim`, sharing memory.
    fn narrow(&self, py: Python<'_>, dim: isize, start: usize, length: usize) -> PyResult<Py<PyTensor>> {
        let dim = engine(|| axis(dim, self.tensor().rank()))?;
        run(py, Slice { dim, start, step: 1, len: length }, &[self.tensor()])
    }

    /// Row-major without gaps: itself, or a copy.
    #[pyo3(signature = (*, memory_format=None))]
    fn contiguous(slf: Bound<'_, Self>, memory_format: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyTensor>> {
        if memory_format.is_some() {
            return Err(PyNotImplementedError::new_err("contiguous: 'memory_format' is not supported"));
        }
        if slf.get().tensor().is_contiguous() {
            return Ok(slf.unbind());
        }
        run(slf.py(), CloneOp {}, &[slf.get().tensor()])
    }

    /// A copy.
    fn clone(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        run(py, CloneOp {}, &[self.tensor()])
    }

    /// The elements along `dim` that `index` names; the result has `index`'s shape.
    fn gather(&self, py: Python<'_>, dim: isize, index: &Bound<'_, PyTensor>) -> PyResult<Py<PyTensor>> {
        let dim = engine(|| axis(dim, self.tensor().rank()))?;
        run(py, Gather { dim }, &[self.tensor(), index.get().tensor()])
    }

    /// A copy with `src` added at the places along `dim` that `index` names.
    fn scatter_add(
        &self,
        py: Python<'_>,
        dim: isize,
        index: &Bound<'_, PyTensor>,
        src: &Bound<'_, PyTensor>,
    ) -> PyResult<Py<PyTensor>> {
        let dim = engine(|| axis(dim, self.tensor().rank()))?;
        run(py, ScatterAdd { dim }, &[self.tensor(), index.get().tensor(), src.get().tensor()])
    }

    /// The slices along `dim` that the list `index` names.
    fn index_select(
        &self,
        py: Python<'_>,
        dim: isize,
        index: &Bound<'_, PyTensor>,
    ) -> PyResult<Py<PyTensor>> {
        let dim = engine(|| axis(dim, self.tensor().rank()))?;
        run(py, IndexSelect { dim }, &[self.tensor(), index.get().tensor()])
    }

    /// A copy with the slices of `source` added to those along `dim` that the list `index` names.
    fn index_add(
        &self,
        py: Python<'_>,
        dim: isize,
        index: &Bound<'_, PyTensor>,
        source: &Bound<'_, PyTensor>,
    ) -> PyResult<Py<PyTensor>> {
        let dim = engine(|| axis(dim, self.tensor().rank()))?;
        run(py, IndexAdd { dim }, &[self.tensor(), index.get().tensor(), source.get().tensor()])
    }
}

/// One slice along a dimension, without it.
pub fn select(x: &Tensor, dim: usize, at: usize) -> Result<Tensor> {
    let one = apply1(Slice { dim, start: at, step: 1, len: 1 }, &[x])?;
    let mut shape = *one.shape();
    shape.remove(dim);
    apply1(Reshape { shape }, &[&one])
}
