//! Layers called one after the other, without a Python frame for those that are the package's own.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use retrograd_engine::Tensor;
use retrograd_engine::apply::apply1;
use retrograd_engine::ops::linear::{Activation, Linear, LinearActivation};

use crate::errors::engine_for;
use crate::functional::linear_work;
use crate::module::PyModule;
use crate::tensor::{PyTensor, wrap};

/// A layer that this file computes itself.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    Linear,
    Activation(Activation),
}

/// The `forward` of each such layer's class: a class that has another is not the package's own.
static FORWARDS: PyOnceLock<[(Own, Py<PyAny>); 4]> = PyOnceLock::new();

/// Tells which functions the layers' `forward` are.
#[pyfunction]
pub fn know_forwards(
    py: Python<'_>,
    linear: Py<PyAny>,
    relu: Py<PyAny>,
    sigmoid: Py<PyAny>,
    tanh: Py<PyAny>,
) {
    let known = [
        (Own::Linear, linear),
        (Own::Activation(Activation::Relu), relu),
        (Own::Activation(Activation::Sigmoid), sigmoid),
        (Own::Activation(Activation::Tanh), tanh),
    ];
    let _ = FORWARDS.set(py, known);
}

/// What the layer is, where a call would do no more than its class's own `forward`.
fn own(layer: &Bound<'_, PyAny>) -> PyResult<Option<Own>> {
    let Ok(module) = layer.cast::<PyModule>() else { return Ok(None) };
    let Some(known) = FORWARDS.get(layer.py()) else { return Ok(None) };
    if !module.get().is_plain() {
        return Ok(None);
    }
    let forward = layer.get_type().getattr(intern!(layer.py(), "forward"))?;
    Ok(known.iter().find(|(_, f)| f.is(&forward)).map(|(own, _)| *own))
}

/// Calls each layer with what the one before gave. A linear layer and the activation after it are one operation, with
/// the bits of the two.
#[pyfunction]
pub fn call_in_turn<'py>(
    layers: &Bound<'py, PyTuple>,
    input: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = layers.py();
    let mut value = Value::Object(input);
    let mut at = 0;
    while at < layers.len() {
        let layer = layers.get_borrowed_item(at)?;
        at += 1;
        if let Some(x) = value.tensor()
            && own(&layer)? == Some(Own::Linear)
            && let Ok(weight) = layer.getattr(intern!(py, "weight"))?.cast_into::<PyTensor>()
            && let Ok(bias) = layer.getattr(intern!(py, "bias"))?.cast_into::<PyTensor>()
        {
            // Looked for first: an exception for each last layer takes longer than a small layer.
            let next = (at < layers.len()).then(|| layers.get_borrowed_item(at)).transpose()?;
            let activation = match next {
                Some(next) => own(&next)?,
                None => None,
            };
            let operands = [x, weight.get().tensor(), bias.get().tensor()];
            let work = linear_work(operands[0], operands[1]);
            let result = match activation {
                Some(Own::Activation(activation)) => {
                    at += 1;
                    engine_for(py, work, || apply1(LinearActivation { activation }, &operands))?
                }
                _ => engine_for(py, work, || apply1(Linear {}, &operands))?,
            };
            value = Value::Tensor(result);
        } else {
            value = Value::Object(layer.call1((value.object(py)?,))?);
        }
    }
    value.object(py)
}

/// What one layer gives to the next: a Python object only where that one is called by Python.
enum Value<'py> {
    Object(Bound<'py, PyAny>),
    Tensor(Tensor),
}

impl<'py> Value<'py> {
    fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Object(object) => object.cast::<PyTensor>().ok().map(|t| t.get().tensor()),
            Value::Tensor(tensor) => Some(tensor),
        }
    }

    fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Value::Object(object) => Ok(object),
            Value::Tensor(tensor) => Ok(wrap(py, tensor)?.into_bound(py).into_any()),
        }
    }
}
