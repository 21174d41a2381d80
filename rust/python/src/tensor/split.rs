//! Methods that cut a tensor into views along a dimension.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use retrograd_engine::apply::apply1;
use retrograd_engine::layout::axis;
use retrograd_engine::ops::shape::Slice;

use super::shape::select;
use super::{PyTensor, wrap};
use crate::errors::engine;

/// What `split` is told: the size of every piece, or of each.
#[derive(FromPyObject)]
enum Pieces {
    Size(i64),
    Sizes(Vec<i64>),
}

impl Pieces {
    /// The size of each piece of `extent` elements.
    fn sizes(self, extent: usize) -> PyResult<Vec<usize>> {
        match self {
            Pieces::Size(size) => match usize::try_from(size) {
                Ok(0) if extent == 0 => Ok(vec![0]),
                Ok(size) if size > 0 => Ok(even(size, extent)),
                _ => Err(PyValueError::new_err(format!(
                    "split: a piece must have at least one element, not {size}"
                ))),
            },
            Pieces::Sizes(list) => {
                let sizes: Option<Vec<usize>> = list.iter().map(|&n| usize::try_from(n).ok()).collect();
                let total = |sizes: &[usize]| sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
                sizes.filter(|sizes| total(sizes) == Some(extent)).ok_or_else(|| {
                    PyValueError::new_err(format!(
                        "split: sizes {list:?} must not be negative and must add up to the dimension's {extent}"
                    ))
                })
            }
        }
    }
}

/// Pieces of `size`, the last of what is left; one empty piece of nothing.
fn even(size: usize, extent: usize) -> Vec<usize> {
    let count = extent.div_ceil(size).max(1);
    (0..count).map(|i| size.min(extent - i * size)).collect()
}

impl PyTensor {
    fn pieces<'py>(&self, py: Python<'py>, dim: usize, sizes: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
        let mut start = 0;
        let parts: PyResult<Vec<_>> = sizes
            .iter()
            .map(|&len| {
                let part = engine(|| apply1(Slice { dim, start, step: 1, len }, &[self.tensor()]))?;
                start += len;
                wrap(py, part)
            })
            .collect();
        PyTuple::new(py, parts?)
    }

    /// The dimension `dim` stands for, and its extent.
    fn extent(&self, dim: isize) -> PyResult<(usize, usize)> {
        let x = self.tensor();
        let at = engine(|| axis(dim, x.rank()))?;
        let extent = x.shape().get(at).copied();
        Ok((at, extent.ok_or_else(|| PyValueError::new_err("a tensor of no dimensions cannot be cut"))?))
    }
}

#[pymethods]
impl PyTensor {
    /// Views of `split_size` elements along `dim`, the last of what is left; or, given a list, of as many as it says.
    #[pyo3(signature = (split_size, dim=0))]
    fn split<'py>(&self, py: Python<'py>, split_size: Pieces, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
        let (dim, extent) = self.extent(dim)?;
        self.pieces(py, dim, &split_size.sizes(extent)?)
    }

    /// At most `chunks` views along `dim`, all of the same size but the last.
    #[pyo3(signature = (chunks, dim=0))]
    fn chunk<'py>(&self, py: Python<'py>, chunks: i64, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
        let (dim, extent) = self.extent(dim)?;
        match usize::try_from(chunks) {
            Ok(chunks) if chunks > 0 && extent > 0 => {
                self.pieces(py, dim, &even(extent.div_ceil(chunks), extent))
            }
            Ok(chunks) if (1..=1024).contains(&chunks) => self.pieces(py, dim, &vec![0; chunks]),
            _ => Err(PyValueError::new_err(format!("chunk: there must be at least one chunk, not {chunks}"))),
        }
    }

    /// The slices along `dim`, without it.
    #[pyo3(signature = (dim=0))]
    fn unbind<'py>(&self, py: Python<'py>, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
        let (dim, extent) = self.extent(dim)?;
        let parts: PyResult<Vec<_>> =
            (0..extent).map(|i| wrap(py, engine(|| select(self.tensor(), dim, i))?)).collect();
        PyTuple::new(py, parts?)
    }
}
