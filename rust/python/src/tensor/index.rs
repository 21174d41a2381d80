//! `tensor[…]` and assignment through it.
use pyo3::exceptions::{PyIndexError, PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};
use retrograd_engine::apply::{apply_in_place, apply1};
use retrograd_engine::host::{self, Number};
use retrograd_engine::kernels::{Dims, Shape};
use retrograd_engine::ops::compare::{Compare, Kind};
use retrograd_engine::ops::index::IndexSelect;
use retrograd_engine::ops::memory::CopyInto;
use retrograd_engine::ops::pointwise::{Add, Mul};
use retrograd_engine::ops::select::Where;
use retrograd_engine::ops::shape::{Permute, Reshape, Slice};
use retrograd_engine::{DType, Result, Tensor, make};

use super::{PyTensor, wrap};
use crate::array;
use crate::errors::{engine, engine_for};

/// What an index does to one dimension of the tensor it meets.
enum Part {
    /// Keeps every `step`-th from `start`, `len` of them.
    Slice { start: usize, step: usize, len: usize },
    /// Takes one and drops the dimension.
    At(usize),
    /// Puts in a dimension of extent one.
    New,
    /// Picks by a tensor of positions.
    List(Tensor),
}

/// The items of an index, with `...` filled in.
fn items<'py>(key: &Bound<'py, PyAny>, rank: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = key.py();
    let mut items: Vec<Bound<'py, PyAny>> = match key.cast::<PyTuple>() {
        Ok(tuple) => tuple.iter().collect(),
        Err(_) => vec![key.clone()],
    };
    let used: usize = items
        .iter()
        .map(|item| {
            if item.is_none() || item.is_instance_of::<PyEllipsis>() { 0 } else { as_mask(item).unwrap_or(1) }
        })
        .sum();
    if used > rank {
        return Err(PyIndexError::new_err(format!(
            "{used} indices are too many for a tensor of {rank} dimensions"
        )));
    }
    let dots = items.iter().filter(|i| i.is_instance_of::<PyEllipsis>()).count();
    if dots > 1 {
        return Err(PyIndexError::new_err("an index can have only one ellipsis ('...')"));
    }
    let everything = PySlice::full(py).into_any();
    let at = items.iter().position(|i| i.is_instance_of::<PyEllipsis>());
    let fill = std::iter::repeat_n(everything, rank - used);
    match at {
        Some(at) => drop(items.splice(at..=at, fill)),
        None => items.extend(fill),
    }
    Ok(items)
}

/// The number of dimensions of a bool tensor or array.
fn as_mask(item: &Bound<'_, PyAny>) -> Option<usize> {
    if let Ok(t) = item.cast::<PyTensor>() {
        let t = t.get().tensor();
        return (t.dtype() == DType::Bool).then(|| t.rank());
    }
    if item.is_instance_of::<PyList>() || item.is_instance_of::<PyBool>() {
        return None;
    }
    let tensor = array::from_array(item).ok().flatten()?;
    (tensor.dtype() == DType::Bool).then(|| tensor.rank())
}

/// The positions at which a mask is true, one tensor for each of its dimensions.
fn nonzero(mask: &Tensor) -> Result<Vec<Tensor>> {
    host::check_readable(mask)?;
    let plain = apply1(retrograd_engine::ops::memory::Clone {}, &[&mask.detach()])?;
    let shape = *mask.shape();
    let mut found: Vec<Vec<i64>> = vec![Vec::new(); shape.len()];
    for flat in 0..plain.numel() {
        // SAFETY: the copy is contiguous and holds that many bytes.
        if unsafe { *plain.ptr().add(flat) } == 0 {
            continue;
        }
        let mut rest = flat;
        for d in (0..shape.len()).rev() {
            found[d].push((rest % shape[d]) as i64);
            rest /= shape[d];
        }
    }
    let count = retrograd_engine::layout::shape_of(&[found.first().map_or(0, Vec::len)])?;
    found.iter().map(|positions| Tensor::from_slice(positions, count)).collect()
}

/// Fails where a mask does not lie over the dimensions of `shape` from `dim`.
fn check_mask(mask: &Tensor, shape: &Shape, dim: usize) -> PyResult<()> {
    if shape[dim..].starts_with(mask.shape()) {
        return Ok(());
    }
    Err(PyIndexError::new_err(format!(
        "a mask of shape {} does not fit a tensor of shape {shape} at dimension {dim}",
        mask.shape()
    )))
}

fn parse(key: &Bound<'_, PyAny>, shape: &Shape) -> PyResult<Vec<Part>> {
    let mut parts = Vec::new();
    let mut dim = 0;
    for item in items(key, shape.len())? {
        if item.is_none() {
            parts.push(Part::New);
            continue;
        }
        if let Ok(slice) = item.cast::<PySlice>() {
            let step = slice.getattr("step")?;
            if !step.is_none() && step.extract::<isize>()? <= 0 {
                return Err(PyValueError::new_err("a slice's step must be positive; use .flip() to reverse"));
            }
            let r = slice.indices(shape[dim] as isize)?;
            parts.push(Part::Slice { start: r.start as usize, step: r.step as usize, len: r.slicelength });
            dim += 1;
            continue;
        }
        let is_number =
            !item.is_instance_of::<PyBool>() && (item.is_instance_of::<PyInt>() || is_scalar_index(&item));
        if is_number {
            let at: isize = item.extract()?;
            let extent = shape[dim] as isize;
            if at < -extent || at >= extent {
                return Err(PyIndexError::new_err(format!(
                    "index {at} is out of range for dimension {dim} of extent {extent}"
                )));
            }
            parts.push(Part::At(if at < 0 { at + extent } else { at } as usize));
            dim += 1;
            continue;
        }
        let list = positions(&item)?;
        if list.dtype() == DType::Bool {
            check_mask(&list, shape, dim)?;
            dim += list.rank();
            parts.extend(engine(|| nonzero(&list))?.into_iter().map(Part::List));
        } else {
            parts.push(Part::List(engine(|| within(&list, shape[dim], dim))?));
            dim += 1;
        }
    }
    Ok(parts)
}

/// Whether an object that is no `int` stands for one, such as NumPy's integers or a tensor without dimensions.
fn is_scalar_index(item: &Bound<'_, PyAny>) -> bool {
    if let Ok(t) = item.cast::<PyTensor>() {
        let t = t.get().tensor();
        return t.rank() == 0
            && t.dtype() != DType::Bool
            && !t.dtype().is_float()
            && host::check_readable(t).is_ok();
    }
    !item.is_instance_of::<PyList>()
        && item.hasattr("__index__").unwrap_or(false)
        && item.getattr("ndim").and_then(|n| n.extract::<usize>()).unwrap_or(0) == 0
}

/// A tensor of positions or truth values from a tensor, an array or a list.
fn positions(item: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let wrong = || {
        let kind = item.get_type().name().map_or_else(|_| "?".into(), |n| n.to_string());
        PyTypeError::new_err(format!(
            "an index must be integers, slices, ..., None, or int64 or bool tensors, not {kind}"
        ))
    };
    let tensor = match crate::operand::tensor(item)? {
        Some(tensor) => tensor.into_owned(),
        None if item.is_instance_of::<PyList>() => {
            let array = item.py().import("numpy")?.call_method1("asarray", (item,))?;
            let array = if array.len()? == 0 { array.call_method1("astype", ("int64",))? } else { array };
            array::from_array(&array)?.ok_or_else(wrong)?
        }
        None => return Err(wrong()),
    };
    match tensor.dtype() {
        DType::Bool | DType::I64 => Ok(tensor),
        DType::I32 | DType::U8 => engine(|| make::cast(&tensor, DType::I64)),
        other => Err(PyTypeError::new_err(format!("an index tensor must be int64 or bool, not {other}"))),
    }
}

/// Positions counted from the front. Values that can be looked at are checked here, others by the kernel.
fn within(list: &Tensor, extent: usize, dim: usize) -> Result<Tensor> {
    let extent = extent as i64;
    if host::check_readable(list).is_ok() {
        let plain = apply1(retrograd_engine::ops::memory::Clone {}, &[&list.detach()])?;
        // SAFETY: the copy is contiguous and int64.
        let values = unsafe { std::slice::from_raw_parts(plain.ptr().cast::<i64>(), plain.numel()) };
        if let Some(bad) = values.iter().find(|&&v| v < -extent || v >= extent) {
            return Err(retrograd_engine::Error::new(
                retrograd_engine::Kind::Index,
                format!("index {bad} is out of range for dimension {dim} of extent {extent}"),
            ));
        }
        if values.iter().all(|&v| v >= 0) {
            return Ok(list.clone());
        }
    }
    let zero = Number::Int(0).to_tensor(DType::I64)?;
    let extent = Number::Int(extent).to_tensor(DType::I64)?;
    let negative = apply1(Compare { kind: Kind::Lt }, &[list, &zero])?;
    apply1(Where {}, &[&negative, &apply1(Add {}, &[list, &extent])?, list])
}

/// The view that the parts without lists make, with list dimensions left whole, and where those are.
fn basic(x: &Tensor, parts: &[Part]) -> Result<(Tensor, Vec<usize>)> {
    let mut y = x.clone();
    let mut shape = Shape::new();
    let mut lists = Vec::new();
    let mut dim = 0;
    for part in parts {
        let extent = match *part {
            Part::Slice { start, step, len } => {
                if !(start == 0 && step == 1 && len == y.shape()[dim]) {
                    y = apply1(Slice { dim, start, step, len }, &[&y])?;
                }
                dim += 1;
                Some(len)
            }
            Part::At(at) => {
                y = apply1(Slice { dim, start: at, step: 1, len: 1 }, &[&y])?;
                dim += 1;
                None
            }
            Part::New => Some(1),
            Part::List(_) => {
                lists.push(shape.len());
                dim += 1;
                Some(y.shape()[dim - 1])
            }
        };
        if let Some(extent) = extent
            && !shape.push(extent)
        {
            return Err(retrograd_engine::Error::new(
                retrograd_engine::Kind::Value,
                "an index makes more dimensions than are supported",
            ));
        }
    }
    if shape != *y.shape() {
        y = apply1(Reshape { shape }, &[&y])?;
    }
    Ok((y, lists))
}

/// Picks by lists of positions along `dims`, as NumPy does.
fn pick(x: &Tensor, dims: &[usize], lists: &[&Tensor]) -> Result<Tensor> {
    let shapes: Vec<&Shape> = lists.iter().map(|l| l.shape()).collect();
    let picked = retrograd_engine::layout::broadcast(&shapes)?;
    let count: usize = picked.iter().product();
    let flat = retrograd_engine::layout::shape_of(&[count])?;

    // The listed dimensions side by side, where the first is if they are neighbours, else in front.
    let neighbours = dims.windows(2).all(|w| w[1] == w[0] + 1);
    let front = if neighbours { dims[0] } else { 0 };
    let others: Vec<usize> = (0..x.rank()).filter(|d| !dims.contains(d)).collect();
    let mut order: Vec<usize> = others[..front].to_vec();
    order.extend(dims);
    order.extend(&others[front..]);
    let mut y = x.clone();
    if order.iter().enumerate().any(|(i, &d)| i != d) {
        y = apply1(Permute { dims: Dims::from_slice(&order).unwrap_or_default() }, &[&y])?;
    }

    // One position in the listed dimensions taken together.
    let mut position: Option<Tensor> = None;
    for (&dim, &list) in dims.iter().zip(lists) {
        position = Some(match position {
            None => list.clone(),
            Some(so_far) => {
                let extent = Number::Int(x.shape()[dim] as i64).to_tensor(DType::I64)?;
                apply1(Add {}, &[&apply1(Mul {}, &[&so_far, &extent])?, list])?
            }
        });
    }
    let Some(mut position) = position else { return Ok(y) };
    if *position.shape() != picked {
        position = apply1(retrograd_engine::ops::shape::Expand { shape: picked }, &[&position])?;
    }
    let position = apply1(Reshape { shape: flat }, &[&position])?;

    let before = Shape::from_slice(&y.shape()[..front]).unwrap_or_default();
    let after = Shape::from_slice(&y.shape()[front + dims.len()..]).unwrap_or_default();
    let together: usize = dims.iter().map(|&d| x.shape()[d]).product();
    if dims.len() > 1 {
        let mut shape = before;
        let _ = shape.push(together);
        after.iter().for_each(|&d| {
            let _ = shape.push(d);
        });
        y = apply1(Reshape { shape }, &[&y])?;
    }
    let y = apply1(IndexSelect { dim: front }, &[&y, &position])?;
    let mut shape: Vec<usize> = before.to_vec();
    shape.extend(picked.iter());
    shape.extend(after.iter());
    let shape = retrograd_engine::layout::shape_of(&shape)?;
    if shape == *y.shape() { Ok(y) } else { apply1(Reshape { shape }, &[&y]) }
}

#[pymethods]
impl PyTensor {
    fn __getitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Py<PyTensor>> {
        let x = self.tensor();
        let parts = parse(key, x.shape())?;
        let lists: Vec<&Tensor> =
            parts.iter().filter_map(|p| if let Part::List(t) = p { Some(t) } else { None }).collect();
        let work = if lists.is_empty() { 0 } else { x.numel() };
        let result = engine_for(py, work, || {
            let (y, dims) = basic(x, &parts)?;
            if !dims.is_empty() {
                return pick(&y, &dims, &lists);
            }
            // `x[:]` is a view of its own, not `x`.
            if y.is(x) { apply1(Reshape { shape: *x.shape() }, &[x]) } else { Ok(y) }
        })?;
        wrap(py, result)
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let x = self.tensor();
        let value = crate::operand::required(value, x.dtype(), "setitem")?.into_owned();
        // One mask over the leading dimensions is a choice between old and new.
        if let Ok(mask) = key.cast::<PyTensor>()
            && mask.get().tensor().dtype() == DType::Bool
            && value.numel() == 1
        {
            let mut mask = mask.get().tensor().clone();
            check_mask(&mask, x.shape(), 0)?;
            return engine_for(py, x.numel(), || {
                let mut shape = *mask.shape();
                for _ in mask.rank()..x.rank() {
                    let _ = shape.push(1);
                }
                mask = apply1(Reshape { shape }, &[&mask])?;
                let scalar = apply1(Reshape { shape: Shape::new() }, &[&make::cast(&value, x.dtype())?])?;
                let chosen = apply1(Where {}, &[&mask, &scalar, x])?;
                apply_in_place(CopyInto {}, &[x, &chosen])
            });
        }
        let parts = parse(key, x.shape())?;
        if parts.iter().any(|p| matches!(p, Part::List(_))) {
            return Err(PyNotImplementedError::new_err(
                "assignment through an index tensor is not supported yet; use .index_add() or a mask with one value",
            ));
        }
        engine_for(py, value.numel(), || {
            let (view, _) = basic(x, &parts)?;
            // NumPy and torch let a value have leading dimensions of extent one.
            let mut value = value.clone();
            while value.rank() > view.rank() && value.shape()[0] == 1 {
                let mut shape = *value.shape();
                shape.remove(0);
                value = apply1(Reshape { shape }, &[&value])?;
            }
            apply_in_place(CopyInto {}, &[&view, &value])
        })
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().rank() == 0 {
            return Err(PyTypeError::new_err("a tensor without dimensions cannot be iterated"));
        }
        Ok(slf.call_method0("unbind")?.try_iter()?.into_any())
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let equal = super::arithmetic::with(self.tensor(), value, Compare { kind: Kind::Eq }, "contains")?;
        equal.bind(value.py()).call_method0("any")?.is_truthy()
    }
}
