//! Optimizer steps: lists of tensors to one engine op.
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use retrograd_engine::apply::{apply, apply_in_place, apply1};
use retrograd_engine::autograd::GradMode;
use retrograd_engine::layout::Meta;
use retrograd_engine::make;
use retrograd_engine::ops::Op;
use retrograd_engine::ops::memory::{Clone as CloneOp, CopyInto};
use retrograd_engine::ops::optim::{AdamStep, SgdStep};
use retrograd_engine::replay::Recording;
use retrograd_engine::{DType, Tensor};
use smallvec::SmallVec;

use crate::dtype;
use crate::errors::{engine, engine_for, work};
use crate::operand;
use crate::tensor::{PyTensor, wrap};

fn tensors(list: &Bound<'_, PyList>, expected: usize) -> PyResult<Vec<Tensor>> {
    if list.len() != expected {
        return Err(PyValueError::new_err(format!(
            "optimizer step: {} tensors where {expected} are expected, one a parameter",
            list.len()
        )));
    }
    list.iter()
        .map(|item| match item.cast::<PyTensor>() {
            Ok(t) => Ok(t.get().tensor().clone()),
            Err(_) => Err(PyTypeError::new_err("optimizer step: expected tensors")),
        })
        .collect()
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
            let of = |list: usize| chosen.iter().map(move |&i| &lists[list][i]);
            // The kernel takes contiguous memory; what is strided goes there and back. A tensor in two lists is copied
            // once, or its two copies would overwrite each other.
            let mut copies: Vec<(&Tensor, Tensor)> = Vec::new();
            for t in (0..lists.len()).flat_map(of).filter(|t| !t.is_contiguous()) {
                if !copies.iter().any(|(other, _)| other.is(t)) {
                    copies.push((t, apply1(CloneOp {}, &[t])?));
                }
            }
            let plain = |t| copies.iter().find(|(other, _)| other.is(t)).map_or(t, |(_, copy)| copy);
            let operands = (0..lists.len()).flat_map(of).map(plain);
            let operands: Vec<&Tensor> = operands.chain(std::iter::repeat_n(hyper, chosen.len())).collect();
            apply(op, &operands)?;
            for (t, copy) in &copies {
                if op.info().mutates.iter().any(|&list| of(list).any(|other| other.is(t))) {
                    apply_in_place(CopyInto {}, &[*t, copy])?;
                }
            }
        }
        Ok(())
    })
}

/// One step of stochastic gradient descent over lists of tensors, in place.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each list of state")]
#[pyo3(signature = (params, grads, momentum_buffers, steps, hyper, *, nesterov=false, maximize=false))]
pub fn sgd_step(
    py: Python<'_>,
    params: &Bound<'_, PyList>,
    grads: &Bound<'_, PyList>,
    momentum_buffers: &Bound<'_, PyList>,
    steps: &Bound<'_, PyList>,
    hyper: &Bound<'_, PyTensor>,
    nesterov: bool,
    maximize: bool,
) -> PyResult<()> {
    let n = params.len();
    let params = tensors(params, n)?;
    let momentum = !momentum_buffers.is_empty() || n == 0;
    let buffers = if momentum { tensors(momentum_buffers, n)? } else { params.clone() };
    let lists = [params, tensors(grads, n)?, buffers, tensors(steps, n)?];
    step(py, SgdStep { momentum, nesterov, maximize }.into(), &lists, hyper.get().tensor())
}

/// One step of Adam over lists of tensors, in place.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each list of state")]
#[pyo3(signature = (params, grads, exp_avgs, exp_avg_sqs, steps, hyper, *, decoupled=false, maximize=false))]
pub fn adam_step(
    py: Python<'_>,
    params: &Bound<'_, PyList>,
    grads: &Bound<'_, PyList>,
    exp_avgs: &Bound<'_, PyList>,
    exp_avg_sqs: &Bound<'_, PyList>,
    steps: &Bound<'_, PyList>,
    hyper: &Bound<'_, PyTensor>,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let n = params.len();
    let lists = [
        tensors(params, n)?,
        tensors(grads, n)?,
        tensors(exp_avgs, n)?,
        tensors(exp_avg_sqs, n)?,
        tensors(steps, n)?,
    ];
    step(py, AdamStep { decoupled, maximize }.into(), &lists, hyper.get().tensor())
}

/// The tensors that have a gradient, and their gradients.
#[pyfunction]
pub fn with_grads<'py>(params: &Bound<'py, PyList>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
    let py = params.py();
    let (found, grads) = (PyList::empty(py), PyList::empty(py));
    for param in params {
        if let Some(grad) = param.cast::<PyTensor>()?.get().tensor().grad() {
            found.append(param)?;
            grads.append(wrap(py, grad)?)?;
        }
    }
    Ok((found, grads))
}

/// For each name a list of what `state` holds under it, one for each parameter; None where something is missing.
#[pyfunction]
pub fn state_lists<'py>(
    state: &Bound<'py, PyDict>,
    params: &Bound<'py, PyList>,
    names: &Bound<'py, PyTuple>,
) -> PyResult<Option<Vec<Bound<'py, PyList>>>> {
    let lists: Vec<_> = names.iter().map(|name| (name, PyList::empty(state.py()))).collect();
    for param in params {
        let Some(entries) = state.get_item(param)? else { return Ok(None) };
        let entries = entries.cast::<PyDict>()?;
        for (name, list) in &lists {
            let Some(entry) = entries.get_item(name)? else { return Ok(None) };
            list.append(entry)?;
        }
    }
    Ok(Some(lists.into_iter().map(|(_, list)| list).collect()))
}

/// What an optimizer remembers of a parameter before its first step. No recording sees it being made: a replay must find it as
/// it is, not make it anew.
#[pyfunction]
pub fn state_zeros(
    py: Python<'_>,
    shape: &Bound<'_, PyTuple>,
    dtype: &Bound<'_, PyAny>,
) -> PyResult<Py<PyTensor>> {
    let meta = Meta::new(operand::shape(shape)?, dtype::extract(dtype)?);
    wrap(py, engine(|| make::unrecorded_zeros(meta))?)
}

/// Drops the tensors' gradients, without looking whether there are any: a recording would have to assume what was seen.
#[pyfunction]
pub fn drop_grads(params: &Bound<'_, PyList>) -> PyResult<()> {
    for param in params {
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
