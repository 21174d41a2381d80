//! Functions of several operands that layers are made of.
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use retrograd_engine::apply::{apply, apply1};
use retrograd_engine::kernels::{Dims, Shape};
use retrograd_engine::ops::activation::{Approximate, Elu, Gelu, LeakyRelu, Softplus};
use retrograd_engine::ops::linear::Linear;
use retrograd_engine::ops::loss::{CrossEntropy, Reduction};
use retrograd_engine::ops::norm::LayerNorm;
use retrograd_engine::ops::pointwise::{Add, Clamp};
use retrograd_engine::ops::shape::{Permute, Reshape};
use retrograd_engine::{Result, Tensor, generator};
use smallvec::SmallVec;

use crate::errors::{engine, engine_for};
use crate::operand::sizes_of;
use crate::tensor::{PyTensor, matmul, run, wrap};

/// The work of a linear layer, in units of an elementwise operation's.
pub fn linear_work(input: &Tensor, weight: &Tensor) -> usize {
    input.numel().saturating_mul(weight.shape().first().copied().unwrap_or(1)) / 16
}

/// `input @ weight.T + bias`: `input` is (…, in), `weight` (out, in), `bias` (out,).
#[pyfunction]
#[pyo3(signature = (input, weight, bias=None))]
pub fn linear(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    weight: &Bound<'_, PyTensor>,
    bias: Option<&Bound<'_, PyTensor>>,
) -> PyResult<Py<PyTensor>> {
    let (x, w) = (input.get().tensor(), weight.get().tensor());
    let bias = bias.map(|b| b.get().tensor());
    match bias {
        Some(bias) => wrap(py, engine_for(py, linear_work(x, w), || apply1(Linear {}, &[x, w, bias]))?),
        None => {
            let dims = Dims::from_slice(&[1, 0]).unwrap_or_default();
            matmul(py, x, &engine(|| apply1(Permute { dims }, &[w]))?)
        }
    }
}

/// Brings the last dimensions of `input` to mean 0 and variance 1, then scales by `weight` and shifts by `bias`.
///
/// Shapes: `input` (*, *normalized_shape), `weight` and `bias` `normalized_shape`; the output has the input's.
/// Ba, Kiros & Hinton, "Layer Normalization", 2016.
///
/// Raises:
///     ValueError: when the input's shape does not end in `normalized_shape`, or weight or bias have another shape.
///     TypeError: for tensors that are not of one floating-point dtype.
#[pyfunction]
#[pyo3(signature = (input, normalized_shape, weight=None, bias=None, eps=1e-5))]
pub fn layer_norm(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    normalized_shape: &Bound<'_, PyAny>,
    weight: Option<&Bound<'_, PyTensor>>,
    bias: Option<&Bound<'_, PyTensor>>,
    eps: f64,
) -> PyResult<Py<PyTensor>> {
    let x = input.get().tensor();
    let normalized = sizes_of("layer_norm", "normalized_shape", normalized_shape)?;
    if normalized.is_empty() || !x.shape().ends_with(&normalized) {
        return Err(PyValueError::new_err(format!(
            "layer_norm: normalized_shape {normalized:?} is not how the input's shape {} ends; give the extents of its last dimensions",
            x.shape()
        )));
    }
    let op = LayerNorm { dims: normalized.len(), eps };
    let (weight, bias) = (weight.map(|w| w.get().tensor()), bias.map(|b| b.get().tensor()));
    let result = engine_for(py, x.numel(), || {
        let inputs: SmallVec<[&Tensor; 3]> =
            [Some(x), weight, weight.and(bias)].into_iter().flatten().collect();
        let y = apply(op, &inputs)?.swap_remove(0);
        match bias {
            Some(bias) if weight.is_none() => apply1(Add {}, &[&y, bias]),
            _ => Ok(y),
        }
    })?;
    wrap(py, result)
}

/// The Gaussian error linear unit, element by element: `input` times the normal distribution function of it.
///
/// `approximate="tanh"` takes the formula 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Any shape.
/// Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016.
///
/// Raises:
///     ValueError: for an unknown `approximate`.
///     TypeError: for a tensor that is not of floating-point numbers.
#[pyfunction]
#[pyo3(signature = (input, approximate="none"))]
pub fn gelu(py: Python<'_>, input: &Bound<'_, PyTensor>, approximate: &str) -> PyResult<Py<PyTensor>> {
    let approximate = match approximate {
        "none" => Approximate::None,
        "tanh" => Approximate::Tanh,
        other => {
            return Err(PyValueError::new_err(format!(
                "gelu: approximate must be 'none' or 'tanh', not '{other}'"
            )));
        }
    };
    run(py, Gelu { approximate }, &[input.get().tensor()])
}

/// A smooth form of relu, element by element: log(1 + exp(beta x)) / beta.
///
/// Where beta x is above `threshold` it is x itself, so that nothing overflows. Any shape.
/// Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.
///
/// Raises:
///     TypeError: for a tensor that is not of floating-point numbers.
#[pyfunction]
#[pyo3(signature = (input, beta=1.0, threshold=20.0))]
pub fn softplus(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    beta: f64,
    threshold: f64,
) -> PyResult<Py<PyTensor>> {
    run(py, Softplus { beta, threshold }, &[input.get().tensor()])
}

/// Each element where it is above zero, else `negative_slope` times it. Any shape.
///
/// Maas, Hannun & Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
///
/// Raises:
///     TypeError: for a tensor that is not of floating-point numbers.
///     NotImplementedError: for `inplace=True`.
#[pyfunction]
#[pyo3(signature = (input, negative_slope=0.01, inplace=false))]
pub fn leaky_relu(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    negative_slope: f64,
    inplace: bool,
) -> PyResult<Py<PyTensor>> {
    out_of_place("leaky_relu", inplace)?;
    run(py, LeakyRelu { slope: negative_slope }, &[input.get().tensor()])
}

/// Each element where it is above zero, else alpha (exp(x) - 1). Any shape.
///
/// Clevert, Unterthiner & Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2015.
///
/// Raises:
///     TypeError: for a tensor that is not of floating-point numbers.
///     NotImplementedError: for `inplace=True`.
#[pyfunction]
#[pyo3(signature = (input, alpha=1.0, inplace=false))]
pub fn elu(py: Python<'_>, input: &Bound<'_, PyTensor>, alpha: f64, inplace: bool) -> PyResult<Py<PyTensor>> {
    out_of_place("elu", inplace)?;
    run(py, Elu { alpha }, &[input.get().tensor()])
}

/// Each element, or the bound it lies beyond. Any shape. Unlike clamp's, its gradient is 0 at the bounds themselves.
///
/// Raises:
///     ValueError: where `min_val` is above `max_val`.
///     TypeError: for a tensor that is not of floating-point numbers.
///     NotImplementedError: for `inplace=True`.
#[pyfunction]
#[pyo3(signature = (input, min_val=-1.0, max_val=1.0, inplace=false))]
pub fn hardtanh(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    min_val: f64,
    max_val: f64,
    inplace: bool,
) -> PyResult<Py<PyTensor>> {
    out_of_place("hardtanh", inplace)?;
    if min_val.is_nan() || max_val.is_nan() || min_val > max_val {
        return Err(PyValueError::new_err(format!(
            "hardtanh: min_val ({min_val}) must not be above max_val ({max_val})"
        )));
    }
    run(py, Clamp { min: min_val, max: max_val, closed: false }, &[input.get().tensor()])
}

/// Refuses to write over the input.
fn out_of_place(name: &str, inplace: bool) -> PyResult<()> {
    if inplace {
        return Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
            "{name}: inplace=True is not supported: leave it out, the numbers are the same"
        )));
    }
    Ok(())
}

/// Each element zeroed with probability `p`, the others scaled by `1 / (1 - p)`; in evaluation, `input` itself.
///
/// Srivastava et al. (2014).
#[pyfunction]
#[pyo3(signature = (input, p=0.5, training=true))]
pub fn dropout(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    p: f64,
    training: bool,
) -> PyResult<Py<PyTensor>> {
    if !(0.0..=1.0).contains(&p) {
        return Err(PyValueError::new_err(format!("dropout: the probability must be from 0 to 1, not {p}")));
    }
    if !training || p == 0.0 {
        return Ok(input.clone().unbind());
    }
    let x = input.get().tensor();
    wrap(py, engine_for(py, x.numel(), || generator::default_generator()?.dropout(x, p))?)
}

/// The cross-entropy of softmax(`input`) with class indices.
///
/// `input` is (N, C), (C,) or (N, C, …); `target` has the same shape without C.
#[pyfunction]
#[pyo3(signature = (input, target, ignore_index=-100, reduction="mean"))]
pub fn cross_entropy(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    target: &Bound<'_, PyTensor>,
    ignore_index: i64,
    reduction: &str,
) -> PyResult<Py<PyTensor>> {
    let reduction = match reduction {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        "none" => Reduction::None,
        other => {
            return Err(PyValueError::new_err(format!(
                "cross_entropy: reduction must be 'mean', 'sum' or 'none', not '{other}'"
            )));
        }
    };
    let (x, t) = (input.get().tensor(), target.get().tensor());
    let op = CrossEntropy { ignore_index, reduction };
    let result = engine_for(py, x.numel(), || {
        let (rows, flat) = as_rows(x, t)?;
        let loss = apply(op, &[&rows, &flat])?.swap_remove(0);
        if reduction == Reduction::None && loss.shape() != t.shape() {
            return apply1(Reshape { shape: *t.shape() }, &[&loss]);
        }
        Ok(loss)
    })?;
    wrap(py, result)
}

/// Logits as (N, C) and targets as (N,), whatever dimensions they come in.
fn as_rows(x: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    let rank = x.rank();
    if rank == 2 || rank == 0 || target.rank() + 1 != rank {
        // The op's own message names the shapes.
        return Ok((x.clone(), target.clone()));
    }
    let classes = x.shape()[rank.min(2) - 1];
    let mut rows = x.clone();
    if rank > 2 {
        let mut dims = Dims::<usize>::new();
        for d in (0..rank).filter(|&d| d != 1).chain([1]) {
            let _ = dims.push(d);
        }
        rows = apply1(Permute { dims }, &[x])?;
    }
    let n: usize = rows.shape()[..rank - 1].iter().product();
    let shape = |dims: &[usize]| Shape::from_slice(dims).unwrap_or_default();
    if target.numel() != n || (rank > 2 && rows.shape()[..rank - 1] != target.shape()[..]) {
        return Ok((x.clone(), target.clone()));
    }
    Ok((
        apply1(Reshape { shape: shape(&[n, classes]) }, &[&rows])?,
        apply1(Reshape { shape: shape(&[n]) }, &[target])?,
    ))
}
