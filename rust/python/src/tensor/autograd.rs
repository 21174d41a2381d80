//! The tensor's place in the graph.
use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use retrograd_engine::apply::apply_in_place;
use retrograd_engine::autograd;
use retrograd_engine::ops::memory::CopyInto;

use super::{PyTensor, wrap};
use crate::errors::engine;
use crate::graph::{PyNode, sequence};
use crate::hooks::{self, Handle};

#[pymethods]
impl PyTensor {
    /// Whether gradients flow into this tensor.
    #[getter]
    fn requires_grad(&self) -> bool {
        self.tensor().requires_grad()
    }

    #[setter]
    fn set_requires_grad(&self, on: bool) -> PyResult<()> {
        engine(|| self.tensor().set_requires_grad(on))
    }

    /// Makes a leaf require a gradient, or no longer; returns it.
    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_(slf: Bound<'_, Self>, requires_grad: bool) -> PyResult<Bound<'_, Self>> {
        slf.get().set_requires_grad(requires_grad)?;
        Ok(slf)
    }

    /// Whether the tensor was made by the user rather than computed from what requires a gradient.
    #[getter]
    fn is_leaf(&self) -> bool {
        self.tensor().is_leaf()
    }

    /// The node that computed the tensor.
    #[getter]
    fn grad_fn(&self) -> Option<PyNode> {
        self.tensor().history().map(|(node, _)| PyNode(node))
    }

    /// The accumulated gradient.
    #[getter]
    fn grad(&self, py: Python<'_>) -> PyResult<Option<Py<PyTensor>>> {
        self.tensor().grad().map(|g| wrap(py, g)).transpose()
    }

    #[setter]
    fn set_grad(&self, grad: Option<&Bound<'_, PyTensor>>) -> PyResult<()> {
        let grad = grad.map(|g| g.get().tensor().clone());
        engine(|| self.tensor().set_grad(grad))
    }

    /// Keeps the gradient of a tensor that is not a leaf.
    fn retain_grad(&self) -> PyResult<()> {
        engine(|| self.tensor().retain_grad())
    }

    /// Calls `hook(grad)` with each gradient computed for this tensor; what it returns replaces it.
    fn register_hook(&self, hook: Bound<'_, PyAny>) -> PyResult<Handle> {
        hooks::register(self.tensor(), hook)
    }

    /// Computes the gradients of this tensor with respect to the leaves and adds them to their `.grad`.
    ///
    /// Rumelhart, Hinton & Williams (1986).
    #[pyo3(signature = (gradient=None, retain_graph=None, create_graph=false, inputs=None))]
    fn backward(
        &self,
        py: Python<'_>,
        gradient: Option<&Bound<'_, PyTensor>>,
        retain_graph: Option<bool>,
        create_graph: bool,
        inputs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let roots = [(self.tensor().clone(), gradient.map(|g| g.get().tensor().clone()))];
        let retain = retain_graph.unwrap_or(create_graph);
        match inputs {
            None => py.detach(|| engine(|| autograd::backward(&roots, retain, create_graph))),
            Some(inputs) => {
                let inputs = sequence(inputs)?;
                py.detach(|| {
                    engine(|| {
                        let grads = autograd::grad(&roots, &inputs, retain, create_graph)?;
                        inputs.iter().zip(grads).try_for_each(|(input, grad)| match grad {
                            Some(grad) => autograd::accumulate(input, grad, create_graph),
                            None => Ok(()),
                        })
                    })
                })
            }
        }
    }

    /// The same memory outside the graph.
    fn detach(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        wrap(py, self.tensor().detach())
    }

    /// The same memory outside the graph; writing to it goes unnoticed by backward.
    #[getter]
    fn data(&self, py: Python<'_>) -> PyResult<Py<PyTensor>> {
        wrap(py, self.tensor().unwatched())
    }

    /// Overwrites the contents, outside the graph.
    #[setter]
    fn set_data(&self, py: Python<'_>, data: &Bound<'_, PyTensor>) -> PyResult<()> {
        let (this, data) = (self.tensor(), data.get().tensor());
        if this.meta() != data.meta() {
            return Err(PyNotImplementedError::new_err(format!(
                "data: a {} tensor of shape {} cannot take the place of a {} one of shape {}; make a new tensor",
                data.dtype(),
                data.shape(),
                this.dtype(),
                this.shape()
            )));
        }
        crate::errors::engine_for(py, this.numel(), || {
            let _no_grad = autograd::GradMode::set(false);
            apply_in_place(CopyInto {}, &[this, data])
        })
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, memo: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let this = slf.get().tensor();
        if !this.is_leaf() {
            return Err(PyTypeError::new_err(
                "only leaves can be deep-copied; use .detach().clone() of a computed tensor",
            ));
        }
        let copy = slf.call_method0("detach")?.call_method0("clone")?;
        let copy = crate::module::like(slf, copy)?;
        if this.requires_grad() {
            copy.cast::<PyTensor>()?.get().set_requires_grad(true)?;
        }
        memo.set_item(slf.as_ptr() as usize, &copy)?;
        if let Some(grad) = slf.get().grad(slf.py())? {
            let grad = slf.py().import("copy")?.call_method1("deepcopy", (grad, memo))?;
            copy.setattr("grad", grad)?;
        }
        Ok(copy.unbind())
    }
}
