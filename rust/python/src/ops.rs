//! Every engine op as a Python callable, made from the engine's own list.
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyTuple};
use retrograd_engine::Tensor;
use retrograd_engine::apply::apply;
use retrograd_engine::ops::attrs::Value;
use retrograd_engine::ops::{Accepts, Entry, OPS};

use crate::dtype::PyDType;
use crate::errors::{engine, engine_for, work};
use crate::tensor::{PyTensor, wrap};

/// An operator: called with its operands in order and its attributes by name.
#[pyclass(frozen, name = "Operator", module = "retrograd._core")]
pub struct Operator(&'static Entry);

fn value(v: &Bound<'_, PyAny>) -> PyResult<Value> {
    if v.is_instance_of::<PyBool>() {
        return Ok(Value::Bool(v.extract()?));
    }
    if v.is_instance_of::<PyInt>() {
        return Ok(Value::Int(v.extract()?));
    }
    if v.is_instance_of::<PyFloat>() {
        return Ok(Value::Float(v.extract()?));
    }
    if let Ok(d) = v.cast::<PyDType>() {
        return Ok(Value::Text(d.get().0.name().into()));
    }
    if let Ok(text) = v.extract::<String>() {
        return Ok(Value::Text(text));
    }
    v.extract::<Vec<i64>>().map(Value::Ints).map_err(|_| {
        PyTypeError::new_err(
            "an attribute must be a number, a truth value, a dtype, a name or a sequence of integers",
        )
    })
}

#[pymethods]
impl Operator {
    #[pyo3(signature = (*operands, **attributes))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        operands: &Bound<'py, PyTuple>,
        attributes: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let name = self.0.info.name;
        let mut tensors: Vec<Tensor> = Vec::with_capacity(operands.len());
        for operand in operands {
            let Ok(t) = operand.cast::<PyTensor>() else {
                let kind = operand.get_type().name()?;
                return Err(PyTypeError::new_err(format!("{name}: operands must be Tensors, not {kind}")));
            };
            tensors.push(t.get().tensor().clone());
        }
        let mut named: Vec<(String, Value)> = Vec::new();
        if let Some(attributes) = attributes {
            for (k, v) in attributes {
                let read = value(&v).map_err(|e| PyTypeError::new_err(format!("{name}: {}", e.value(py))))?;
                named.push((k.extract()?, read));
            }
        }
        let named: Vec<(&str, Value)> = named.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let op = engine(|| (self.0.read)(&named).map_err(|e| e.in_op(name)))?;
        let inputs: Vec<&Tensor> = tensors.iter().collect();
        let work = work(&tensors);
        let mut outputs = engine_for(py, work, || apply(op, &inputs))?;
        Ok(match outputs.len() {
            0 => py.None().into_bound(py),
            1 => wrap(py, outputs.swap_remove(0))?.into_bound(py).into_any(),
            _ => {
                let wrapped: PyResult<Vec<_>> = outputs.into_iter().map(|t| wrap(py, t)).collect();
                PyTuple::new(py, wrapped?)?.into_any()
            }
        })
    }

    /// The operator's name.
    #[getter]
    fn __name__(&self) -> &'static str {
        self.0.info.name
    }

    fn __repr__(&self) -> String {
        format!("<operator {}({})>", self.0.info.name, self.0.info.operands.join(", "))
    }
}

/// The module `_core.ops`.
pub fn submodule<'py>(py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyModule>> {
    let module = pyo3::types::PyModule::new(py, "ops")?;
    for entry in OPS {
        module.add(entry.info.name, Operator(entry))?;
    }
    Ok(module)
}

/// Every operator: its names, what it takes, and the calls its tests make.
#[pyfunction]
pub fn op_list(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for Entry { info, fields, .. } in OPS {
        let row = PyDict::new(py);
        row.set_item("name", info.name)?;
        row.set_item("operands", info.operands.to_vec())?;
        row.set_item("optional", info.optional)?;
        row.set_item("variadic", info.variadic)?;
        row.set_item("attrs", fields.iter().map(|f| f.0).collect::<Vec<_>>())?;
        row.set_item("attr_kinds", fields.iter().map(|f| f.1).collect::<Vec<_>>())?;
        let accepts: Vec<&str> = info
            .accepts
            .iter()
            .map(|a| match a {
                Accepts::Any => "any",
                Accepts::Same => "same",
                Accepts::Float => "float",
                Accepts::Number => "number",
                Accepts::Index => "index",
                Accepts::Bool => "bool",
                Accepts::Real => "real",
            })
            .collect();
        row.set_item("dtypes", accepts)?;
        row.set_item("samples", info.samples.to_vec())?;
        row.set_item("mutates", info.mutates.to_vec())?;
        row.set_item("elementwise", info.elementwise)?;
        let takes_gradient = |a: &Accepts| !matches!(a, Accepts::Index | Accepts::Bool | Accepts::Real);
        let differentiable: Vec<bool> =
            info.accepts.iter().map(|a| info.differentiable > 0 && takes_gradient(a)).collect();
        row.set_item("differentiable", differentiable)?;
        list.append(row)?;
    }
    Ok(list)
}
