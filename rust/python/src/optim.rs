//! Optimizer steps: lists of tensors to one engine op.
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use retrograd_engine::apply::{apply, apply_in_place, apply1};
use retrograd_engine::autograd::GradMode;
use retrograd_engine::ops::Op;
use retrograd_engine::ops::memory::{Clone as CloneOp, CopyInto};
use retrograd_engine::ops::optim::{AdamStep, SgdStep};
use retrograd_engine::replay::Recording;
use retrograd_engine::{DType, Tensor};

use crate::errors::{engine, engine_for, work};
use crate::tensor::PyTensor;

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
            let chosen: Vec<usize> = (0..count).filter(|&i| lists[0][i].dtype() == dtype).collect();
            if chosen.is_empty() {
                continue;
            }
            let mut operands: Vec<Tensor> = Vec::with_capacity((lists.len() + 1) * chosen.len());
            // The kernel takes contiguous memory; what is strided goes there and back.
            let mut strided: Vec<(&Tensor, Tensor)> = Vec::new();
            for (at, list) in lists.iter().enumerate() {
                for &i in &chosen {
                    let t = &list[i];
                    if t.is_contiguous() {
                        operands.push(t.clone());
                        continue;
                    }
                    // A tensor in two lists is copied once, or its two copies would overwrite each other.
                    if let Some((_, copy)) = strided.iter().find(|(other, _)| other.is(t)) {
                        operands.push(copy.clone());
                        continue;
                    }
                    let copy = apply1(CloneOp {}, &[t])?;
                    if op.info().mutates.contains(&at) {
                        strided.push((t, copy.clone()));
                    }
                    operands.push(copy);
                }
            }
            operands.extend(std::iter::repeat_n(hyper.clone(), chosen.len()));
            let operands: Vec<&Tensor> = operands.iter().collect();
            apply(op, &operands)?;
            for (t, copy) in &strided {
                apply_in_place(CopyInto {}, &[*t, copy])?;
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
