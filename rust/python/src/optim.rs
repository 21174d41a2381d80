//! Optimizer steps: lists of tensors to one engine op.
use pyo3::exceptions::{PyIndexError, PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use retrograd_engine::apply::{apply, apply_in_place, apply1};
use retrograd_engine::autograd::GradMode;
use retrograd_engine::kernels::Shape;
use retrograd_engine::layout::Meta;
use retrograd_engine::make;
use retrograd_engine::ops::Op;
use retrograd_engine::ops::memory::{Clone as CloneOp, CopyInto};
use retrograd_engine::ops::optim::{AdamStep, SgdStep};
use retrograd_engine::replay::Recording;
use retrograd_engine::{DType, Tensor};
use smallvec::SmallVec;

use crate::errors::{engine, engine_for, work};
use crate::tensor::{PyTensor, wrap};

fn tensor<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<&'a Tensor> {
    Ok(object.cast::<PyTensor>().map_err(|_| unexpected("Tensor", object))?.get().tensor())
}

fn unexpected(expected: &str, got: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("optimizer step: expected a {expected}, got a {}", got.get_type()))
}

/// The parameters that have a gradient, their gradients, what `state` holds of them under each name, and their step counts.
fn lists(
    state: &Bound<'_, PyDict>,
    params: &Bound<'_, PyList>,
    names: &[&Bound<'_, PyString>],
) -> PyResult<Vec<Vec<Tensor>>> {
    let py = state.py();
    let list = || Vec::with_capacity(params.len());
    let mut lists: Vec<_> = (0..2 + names.len()).map(|_| list()).collect();
    let mut steps = list();
    for object in params {
        let param = tensor(&object)?;
        let Some(grad) = param.grad() else { continue };
        let entries = match state.get_item(&object)? {
            Some(entries) => {
                entries.cast_into::<PyDict>().map_err(|e| unexpected("dict", &e.into_inner()))?
            }
            None => {
                let entries = PyDict::new(py);
                state.set_item(&object, &entries)?;
                entries
            }
        };
        lists[0].push(param.clone());
        lists[1].push(grad);
        steps.push(remembered(&entries, intern!(py, "step"), Meta::new(Shape::default(), DType::F32))?);
        for (list, name) in lists[2..].iter_mut().zip(names) {
            list.push(remembered(&entries, name, *param.meta())?);
        }
    }
    lists.push(steps);
    Ok(lists)
}

/// What an optimizer remembers of a parameter under a name: at first zeros. No recording sees them being made: a replay must
/// find them as they are, not make them anew.
fn remembered(entries: &Bound<'_, PyDict>, name: &Bound<'_, PyString>, meta: Meta) -> PyResult<Tensor> {
    if let Some(entry) = entries.get_item(name)? {
        return Ok(tensor(&entry)?.clone());
    }
    if !matches!(meta.dtype, DType::F32 | DType::F64) {
        return Err(PyNotImplementedError::new_err(format!(
            "an optimizer's state in {} is not supported yet: keep parameters in float32",
            meta.dtype
        )));
    }
    let zeros = engine(|| make::unrecorded_zeros(meta))?;
    entries.set_item(name, wrap(entries.py(), zeros.clone())?)?;
    Ok(zeros)
}

/// Runs `op` once for each dtype among the parameters.
fn step(py: Python<'_>, op: Op, lists: &[Vec<Tensor>], hyper: &Tensor) -> PyResult<()> {
    let count = lists[0].len();
    let work = work(&lists[0]);
    engine_for(py, work, || {
        let _no_grad = GradMode::set(false);
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let chosen: SmallVec<[usize; 16]> =
                (0..count).filter(|&i| lists[0][i].dtype() == dtype).collect();
            if chosen.is_empty() {
                continue;
            }
            // The kernel takes contiguous memory; what is strided goes there and back. A tensor in two lists is copied
            // once, or its two copies would overwrite each other.
            let mut copies: Vec<(&Tensor, Tensor)> = Vec::new();
            for t in lists.iter().flat_map(|list| chosen.iter().map(|&i| &list[i])) {
                if !t.is_contiguous() && !copies.iter().any(|(other, _)| other.is(t)) {
                    copies.push((t, apply1(CloneOp {}, &[t])?));
                }
            }
            let plain = |t| copies.iter().find(|(other, _)| other.is(t)).map_or(t, |(_, copy)| copy);
            let mut operands = Vec::with_capacity((lists.len() + 1) * chosen.len());
            for list in lists {
                operands.extend(chosen.iter().map(|&i| plain(&list[i])));
            }
            operands.extend(std::iter::repeat_n(hyper, chosen.len()));
            apply(op, &operands)?;
            for (t, copy) in &copies {
                if op.info().mutates.iter().any(|&list| chosen.iter().any(|&i| lists[list][i].is(t))) {
                    apply_in_place(CopyInto {}, &[*t, copy])?;
                }
            }
        }
        Ok(())
    })
}

/// One step of stochastic gradient descent for the parameters that have a gradient, in place; `state` holds a dictionary of
/// tensors for each.
#[pyfunction]
#[pyo3(signature = (state, params, hyper, *, momentum=false, nesterov=false, maximize=false))]
pub fn sgd_step(
    state: &Bound<'_, PyDict>,
    params: &Bound<'_, PyList>,
    hyper: &Bound<'_, PyTensor>,
    momentum: bool,
    nesterov: bool,
    maximize: bool,
) -> PyResult<()> {
    let py = state.py();
    let buffer = [intern!(py, "momentum_buffer")];
    let mut lists = lists(state, params, if momentum { &buffer } else { &[] })?;
    if !momentum {
        // Never touched.
        lists.insert(2, lists[0].clone());
    }
    step(py, SgdStep { momentum, nesterov, maximize }.into(), &lists, hyper.get().tensor())
}

/// One step of Adam for the parameters that have a gradient, in place; `state` holds a dictionary of tensors for each.
#[pyfunction]
#[pyo3(signature = (state, params, hyper, *, decoupled=false, maximize=false))]
pub fn adam_step(
    state: &Bound<'_, PyDict>,
    params: &Bound<'_, PyList>,
    hyper: &Bound<'_, PyTensor>,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let py = state.py();
    let lists = lists(state, params, &[intern!(py, "exp_avg"), intern!(py, "exp_avg_sq")])?;
    step(py, AdamStep { decoupled, maximize }.into(), &lists, hyper.get().tensor())
}

/// Drops the tensors' gradients, without looking whether there are any: a recording would have to assume what was seen.
#[pyfunction]
pub fn drop_grads(params: &Bound<'_, PyAny>) -> PyResult<()> {
    for param in params.try_iter()? {
        let param = param?;
        let param = param.cast::<PyTensor>()?;
        engine(|| param.get().tensor().set_grad(None))?;
    }
    Ok(())
}

/// Writes one element of a one-dimensional tensor, outside of the graph and of any recording.
#[pyfunction]
pub fn poke(tensor: &Bound<'_, PyTensor>, index: usize, value: f64) -> PyResult<()> {
    if Recording::active() {
        return Err(PyRuntimeError::new_err(
            "a hyper-parameter is changed inside a compiled step, where the change would not be repeated; \
             change it (or step the scheduler) outside",
        ));
    }
    let t = tensor.get().tensor();
    if t.rank() != 1 || index >= t.numel() || t.dtype() != DType::F64 {
        return Err(PyIndexError::new_err(format!(
            "poke: index {index} is out of range for a {} tensor of shape {}; it must be a float64 list",
            t.dtype(),
            t.shape()
        )));
    }
    engine(|| {
        // SAFETY: the index lies within a list of float64 values.
        unsafe { *t.ptr().cast::<f64>().offset(index as isize * t.strides()[0]) = value };
        Ok(())
    })
}
