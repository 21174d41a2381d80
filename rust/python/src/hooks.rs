//! Python functions as gradient hooks.
use std::any::Any;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use retrograd_engine::autograd::{Hook, Registered};
use retrograd_engine::{Result, Tensor};

use crate::errors::from_py;
use crate::tensor::{PyTensor, wrap};

/// A Python callable that gets a gradient and may return another.
pub struct PyHook(Py<PyAny>);

impl PyHook {
    /// The function.
    pub fn callable(&self) -> &Py<PyAny> {
        &self.0
    }

    fn run(&self, grad: &Tensor) -> PyResult<Option<Tensor>> {
        Python::attach(|py| {
            let result = self.0.bind(py).call1((wrap(py, grad.clone())?,))?;
            if result.is_none() {
                return Ok(None);
            }
            let tensor = result
                .cast::<PyTensor>()
                .map_err(|_| PyTypeError::new_err("a gradient hook must return a Tensor or None"))?
                .get()
                .tensor()
                .clone();
            if tensor.meta() != grad.meta() {
                return Err(PyTypeError::new_err(format!(
                    "a gradient hook returned a {} tensor of shape {} for a {} gradient of shape {}",
                    tensor.dtype(),
                    tensor.shape(),
                    grad.dtype(),
                    grad.shape()
                )));
            }
            Ok(Some(tensor))
        })
    }
}

impl Hook for PyHook {
    fn call(&self, grad: &Tensor) -> Result<Option<Tensor>> {
        self.run(grad).map_err(from_py)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A registered hook; `remove()` takes it off.
#[pyclass(frozen, name = "RemovableHandle", module = "retrograd._core")]
pub struct Handle(Registered);

#[pymethods]
impl Handle {
    /// Takes the hook off; a second time does nothing.
    fn remove(&self) {
        self.0.remove();
    }
}

/// Registers `function` on a tensor's gradient.
pub fn register(tensor: &Tensor, function: Bound<'_, PyAny>) -> PyResult<Handle> {
    if !function.is_callable() {
        return Err(PyTypeError::new_err("a hook must be callable"));
    }
    let hook = Arc::new(PyHook(function.unbind()));
    crate::errors::engine(|| tensor.register_hook(hook)).map(Handle)
}
