//! What Python code may give as an operand: a tensor, a number, an array.
use std::borrow::Cow;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use retrograd_engine::host::Number;
use retrograd_engine::{DType, Tensor};

use crate::array;
use crate::errors::engine;
use crate::tensor::PyTensor;

/// A Python number, if `value` is one.
pub fn number(value: &Bound<'_, PyAny>) -> PyResult<Option<Number>> {
    if let Ok(x) = value.cast::<PyFloat>() {
        return Ok(Some(Number::Float(x.extract()?)));
    }
    if let Ok(x) = value.cast::<PyBool>() {
        return Ok(Some(Number::Bool(x.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return value
            .extract::<i64>()
            .map(|x| Some(Number::Int(x)))
            .map_err(|_| PyOverflowError::new_err("an integer operand must fit in 64 bits"));
    }
    Ok(None)
}

/// A tensor from a tensor or an array; not from a number.
pub fn tensor<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Option<Cow<'a, Tensor>>> {
    match value.cast::<PyTensor>() {
        Ok(t) => Ok(Some(Cow::Borrowed(t.get().tensor()))),
        Err(_) => Ok(array::from_array(value)?.map(Cow::Owned)),
    }
}

/// The operand beside a tensor of `dtype`: a number is weak, taking that dtype where it can.
// Mostly it is a tensor already: all else is apart.
#[inline]
pub fn beside<'a>(value: &'a Bound<'_, PyAny>, dtype: DType) -> PyResult<Option<Cow<'a, Tensor>>> {
    if let Ok(t) = value.cast::<PyTensor>() {
        return Ok(Some(Cow::Borrowed(t.get().tensor())));
    }
    Ok(converted(value, dtype)?.map(Cow::Owned))
}

#[inline(never)]
fn converted(value: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Option<Tensor>> {
    match number(value)? {
        Some(x) => engine(|| x.to_tensor(dtype.with_scalar(x.category()))).map(Some),
        None => array::from_array(value),
    }
}

/// As [`beside`], an error for what is no operand.
#[inline]
pub fn required<'a>(value: &'a Bound<'_, PyAny>, dtype: DType, op: &str) -> PyResult<Cow<'a, Tensor>> {
    beside(value, dtype)?.ok_or_else(|| {
        let kind = value.get_type().name().map_or_else(|_| "?".into(), |n| n.to_string());
        PyTypeError::new_err(format!("{op}: an operand must be a Tensor, an array or a number, not {kind}"))
    })
}

/// Sizes given as separate integers or as one sequence.
pub fn sizes(args: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<Vec<i64>> {
    if args.len() == 1 {
        let only = args.get_item(0)?;
        if let Ok(list) = only.extract::<Vec<i64>>() {
            return Ok(list);
        }
    }
    args.extract::<Vec<i64>>().or_else(|_| args.iter().map(|a| a.extract::<i64>()).collect()).map_err(|_| {
        PyTypeError::new_err(format!("sizes must be integers or one sequence of them, got {args}"))
    })
}

/// Sizes given as one integer or as a sequence of them, none negative.
pub fn sizes_of(op: &str, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let list = value.extract::<i64>().map(|one| vec![one]).or_else(|_| value.extract::<Vec<i64>>()).map_err(
        |_| {
            PyTypeError::new_err(format!(
                "{op}: {name} must be an integer or a sequence of integers, not {value}"
            ))
        },
    )?;
    list.iter().map(|&d| usize::try_from(d)).collect::<Result<_, _>>().map_err(|_| {
        pyo3::exceptions::PyValueError::new_err(format!("{op}: {name} must not be negative: {list:?}"))
    })
}

/// Sizes that are a shape: none negative.
pub fn shape(args: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<retrograd_engine::kernels::Shape> {
    let sizes = sizes(args)?;
    let dims: Result<Vec<usize>, _> = sizes.iter().map(|&d| usize::try_from(d)).collect();
    let dims = dims.map_err(|_| {
        pyo3::exceptions::PyValueError::new_err(format!("a size must not be negative: {sizes:?}"))
    })?;
    engine(|| retrograd_engine::layout::shape_of(&dims))
}

/// Dimensions given as none, one or several.
pub fn dims(value: Option<&Bound<'_, PyAny>>, rank: usize) -> PyResult<retrograd_engine::ops::attrs::DimSet> {
    use retrograd_engine::layout::axis;
    use retrograd_engine::ops::attrs::DimSet;
    let Some(value) = value.filter(|v| !v.is_none()) else { return Ok(DimSet::all(rank)) };
    let list = match value.extract::<isize>() {
        Ok(one) => vec![one],
        Err(_) => value
            .extract::<Vec<isize>>()
            .map_err(|_| PyTypeError::new_err("dim must be an integer or a sequence of integers"))?,
    };
    if list.is_empty() {
        return Ok(DimSet::all(rank));
    }
    let mut set = DimSet::default();
    for dim in list {
        let axis = engine(|| axis(dim, rank))?;
        if rank == 0 {
            continue;
        }
        if set.contains(axis) {
            return Err(pyo3::exceptions::PyValueError::new_err(format!("dim {dim} is named twice")));
        }
        set = set.with(axis);
    }
    Ok(set)
}
