//! Functions on the graph: `grad`, the modes, and what `grad_fn` shows.
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use retrograd_engine::autograd::{self, Edge, Node, grad_enabled, set_grad_enabled};
use retrograd_engine::{Error, Tensor};
use smallvec::SmallVec;

use crate::errors::{engine, from_py};
use crate::tensor::{PyTensor, wrap};

/// A node of the graph, as `grad_fn` shows it.
#[pyclass(frozen, name = "Node", module = "retrograd._core")]
pub struct PyNode(pub Arc<Node>);

#[pymethods]
impl PyNode {
    /// The operator's name.
    fn name(&self) -> &'static str {
        self.0.op().name()
    }

    /// The nodes the operands came from; `None` for leaves and for what needs no gradient.
    #[getter]
    fn next_functions(&self) -> Vec<Option<PyNode>> {
        self.0
            .edges()
            .map(|e| if let Edge::Node(n, _) = e { Some(PyNode(n.clone())) } else { None })
            .collect()
    }

    fn __repr__(&self) -> String {
        format!("<{:?}>", self.0.op())
    }
}

/// Tensors given as one or a sequence.
pub fn sequence(value: &Bound<'_, PyAny>) -> PyResult<Vec<Tensor>> {
    if let Ok(one) = value.cast::<PyTensor>() {
        return Ok(vec![one.get().tensor().clone()]);
    }
    let wrong = || PyTypeError::new_err("expected a Tensor or a sequence of Tensors");
    let mut list = Vec::new();
    for item in value.try_iter().map_err(|_| wrong())? {
        list.push(item?.cast::<PyTensor>().map_err(|_| wrong())?.get().tensor().clone());
    }
    Ok(list)
}

/// The gradients of `outputs` with respect to `inputs`, returned instead of accumulated.
#[pyfunction]
#[pyo3(signature = (outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=false, allow_unused=false))]
pub fn grad<'py>(
    py: Python<'py>,
    outputs: &Bound<'py, PyAny>,
    inputs: &Bound<'py, PyAny>,
    grad_outputs: Option<&Bound<'py, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    allow_unused: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let roots = roots(outputs, grad_outputs)?;
    let inputs = sequence(inputs)?;
    let retain = retain_graph.unwrap_or(create_graph);
    let grads = py.detach(|| engine(|| autograd::grad(&roots, &inputs, retain, create_graph)))?;
    if !allow_unused && let Some(i) = grads.iter().position(Option::is_none) {
        return Err(PyRuntimeError::new_err(format!(
            "grad: the outputs do not depend on input {i}; pass allow_unused=True to get None for it"
        )));
    }
    let grads: PyResult<Vec<_>> = grads.into_iter().map(|g| g.map(|g| wrap(py, g)).transpose()).collect();
    PyTuple::new(py, grads?)
}

/// Computes the gradients of several tensors with respect to the leaves and adds them to their `.grad`.
#[pyfunction]
#[pyo3(signature = (tensors, grad_tensors=None, retain_graph=None, create_graph=false))]
pub fn backward(
    py: Python<'_>,
    tensors: &Bound<'_, PyAny>,
    grad_tensors: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
) -> PyResult<()> {
    let roots = roots(tensors, grad_tensors)?;
    let retain = retain_graph.unwrap_or(create_graph);
    py.detach(|| engine(|| autograd::backward(&roots, retain, create_graph)))
}

fn roots(
    outputs: &Bound<'_, PyAny>,
    grads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(Tensor, Option<Tensor>)>> {
    let outputs = sequence(outputs)?;
    let grads: Vec<Option<Tensor>> = match grads {
        None => vec![None; outputs.len()],
        Some(one) if one.is_instance_of::<PyTensor>() => sequence(one)?.into_iter().map(Some).collect(),
        Some(many) => many
            .try_iter()?
            .map(|g| {
                let g = g?;
                if g.is_none() { Ok(None) } else { Ok(sequence(&g)?.pop()) }
            })
            .collect::<PyResult<_>>()?,
    };
    if grads.len() != outputs.len() {
        return Err(PyValueError::new_err(format!(
            "{} gradients are given for {} outputs; there must be as many",
            grads.len(),
            outputs.len()
        )));
    }
    Ok(outputs.into_iter().zip(grads).collect())
}

/// Whether operations are recorded on the graph.
#[pyfunction]
pub fn is_grad_enabled() -> bool {
    grad_enabled()
}

/// Lets a long backward pass or replay be interrupted: Ctrl-C raises `KeyboardInterrupt`.
pub fn install_interrupt_check() {
    fn check() -> Result<(), Error> {
        Python::attach(|py| py.check_signals()).map_err(from_py)
    }
    autograd::set_interrupt_check(check);
}

/// Declares a context manager, also usable as a decorator, that switches the recording.
macro_rules! grad_modes {
    ($($(#[$doc:meta])* $rust:ident, $name:literal, $on:literal;)*) => { $(
        $(#[$doc])*
        #[pyclass(frozen, name = $name, module = "retrograd")]
        pub struct $rust { before: std::sync::Mutex<SmallVec<[bool; 8]>> }

        #[pymethods]
        impl $rust {
            #[new]
            #[pyo3(signature = (function=None))]
            fn new<'py>(py: Python<'py>, function: Option<Bound<'py, PyAny>>) -> PyResult<PyClassInitializer<Self>> {
                let _ = py;
                if function.is_some() {
                    return Err(PyTypeError::new_err(concat!("use @", $name, "() with parentheses")));
                }
                Ok(PyClassInitializer::from(Self { before: std::sync::Mutex::default() }))
            }
            fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf.get().before.lock().unwrap_or_else(|e| e.into_inner()).push(set_grad_enabled($on));
                slf
            }
            #[pyo3(signature = (*_args))]
            fn __exit__(&self, _args: &Bound<'_, PyTuple>) {
                if let Some(before) = self.before.lock().unwrap_or_else(|e| e.into_inner()).pop() {
                    set_grad_enabled(before);
                }
            }
            /// Wraps a function so that it runs in this mode.
            fn __call__<'py>(slf: &Bound<'py, Self>, function: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("retrograd._decorate")?.getattr("in_context")?.call1((slf.get_type(), function))
            }
        }
    )* };
}

grad_modes! {
    /// Within it, operations are not recorded on the graph.
    NoGrad, "no_grad", false;
    /// Within it, operations are recorded on the graph, also inside `no_grad`.
    EnableGrad, "enable_grad", true;
    /// As `no_grad`: within it, operations are not recorded on the graph.
    InferenceMode, "inference_mode", false;
}

/// Switches the recording on the graph, at once and, as a context manager, until its end.
#[pyclass(frozen, name = "set_grad_enabled", module = "retrograd")]
pub struct SetGradEnabled {
    before: bool,
}

#[pymethods]
impl SetGradEnabled {
    #[new]
    fn new(mode: bool) -> Self {
        Self { before: set_grad_enabled(mode) }
    }
    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyTuple>) {
        set_grad_enabled(self.before);
    }
}
