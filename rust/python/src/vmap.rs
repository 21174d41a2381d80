//! `retrograd.vmap`.
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use retrograd_engine::Tensor;
use retrograd_engine::layout::axis;
use retrograd_engine::vmap::VmapLevel;

use crate::errors::engine;
use crate::tree::Tree;

/// A function of one example that is called with batches.
#[pyclass(frozen, name = "Vmapped", module = "retrograd._core")]
pub struct Vmapped {
    function: Py<PyAny>,
    in_dims: Py<PyAny>,
    out_dims: Py<PyAny>,
}

/// Makes of a function of one example one of a batch.
///
/// `in_dims` says along which dimension each argument is batched, None that it is not; one integer is for all.
#[pyfunction]
#[pyo3(signature = (function, in_dims=None, out_dims=None))]
pub fn vmap(
    py: Python<'_>,
    function: Bound<'_, PyAny>,
    in_dims: Option<Py<PyAny>>,
    out_dims: Option<Py<PyAny>>,
) -> PyResult<Vmapped> {
    if !function.is_callable() {
        return Err(PyTypeError::new_err("vmap: expected a callable"));
    }
    let zero =
        || -> Py<PyAny> { 0i64.into_pyobject(py).map_or_else(|e| match e {}, |z| z.into_any().unbind()) };
    Ok(Vmapped {
        function: function.unbind(),
        in_dims: in_dims.unwrap_or_else(zero),
        out_dims: out_dims.unwrap_or_else(zero),
    })
}

/// The dimension of each of `count` values.
fn spread(dims: &Bound<'_, PyAny>, count: usize, what: &str) -> PyResult<Vec<Option<isize>>> {
    if let Ok(one) = dims.extract::<isize>() {
        return Ok(vec![Some(one); count]);
    }
    let list: Vec<Option<isize>> = dims.extract().map_err(|_| {
        PyTypeError::new_err(format!("vmap: {what} must be an integer or a tuple of integers and None"))
    })?;
    if list.len() != count {
        return Err(PyValueError::new_err(format!(
            "vmap: {what} has {} entries for {count} values",
            list.len()
        )));
    }
    Ok(list)
}

#[pymethods]
impl Vmapped {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        [&self.function, &self.in_dims, &self.out_dims].into_iter().try_for_each(|held| visit.call(held))
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dims = spread(self.in_dims.bind(py), args.len(), "in_dims")?;
        let level = VmapLevel::enter();
        let mut size: Option<usize> = None;
        let mut examples = Vec::new();
        for (arg, dim) in args.iter().zip(dims) {
            let mut tensors = Vec::new();
            let tree = Tree::take(&arg, &mut tensors)?;
            if let Some(dim) = dim {
                tensors = tensors
                    .iter()
                    .map(|t| {
                        let at = engine(|| axis(dim, t.rank()))?;
                        let Some(&n) = t.shape().get(at) else {
                            return Err(PyValueError::new_err(
                                "vmap: a tensor without dimensions cannot be batched",
                            ));
                        };
                        if *size.get_or_insert(n) != n {
                            return Err(PyValueError::new_err(format!(
                                "vmap: arguments are batches of {} and of {n}; they must be as large",
                                size.unwrap_or(0)
                            )));
                        }
                        engine(|| level.wrap(t, at))
                    })
                    .collect::<PyResult<_>>()?;
            }
            examples.push(tree.build(py, &tensors)?);
        }
        let Some(size) = size else {
            return Err(PyValueError::new_err("vmap: no argument is batched; give at least one an in_dims"));
        };
        let result = self.function.bind(py).call(PyTuple::new(py, examples)?, kwargs)?;
        let mut tensors = Vec::new();
        let tree = Tree::take(&result, &mut tensors)?;
        if let Tree::Other(_) = tree {
            return Err(PyTypeError::new_err("vmap: the function must return tensors"));
        }
        let dims = spread(self.out_dims.bind(py), tensors.len(), "out_dims")?;
        let outputs: PyResult<Vec<Tensor>> = tensors
            .iter()
            .zip(dims)
            .map(|(t, dim)| engine(|| level.unwrap(t, size, axis(dim.unwrap_or(0), t.rank() + 1)?)))
            .collect();
        tree.build(py, &outputs?)
    }
}
