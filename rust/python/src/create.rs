//! Functions that make tensors.
use numpy::PyUntypedArray;
use pyo3::exceptions::{PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyAnyMethods, PyTuple};
use retrograd_engine::apply::apply1;
use retrograd_engine::autograd::GradMode;
use retrograd_engine::host::Number;
use retrograd_engine::kernels::Shape;
use retrograd_engine::layout::Meta;
use retrograd_engine::ops::memory::Clone as CloneOp;
use retrograd_engine::ops::shape::SliceScatter;
use retrograd_engine::replay::Recording;
use retrograd_engine::{DType, Tensor, generator, make};

use crate::array;
use crate::errors::{self, engine, engine_for};
use crate::operand;
use crate::tensor::{PyTensor, wrap};

type Object<'py> = Bound<'py, PyAny>;

/// The dtype asked for, or a default.
fn dtype_or(dtype: Option<&Object<'_>>, default: DType) -> PyResult<DType> {
    dtype.filter(|d| !d.is_none()).map_or(Ok(default), crate::dtype::extract)
}

fn finish(py: Python<'_>, tensor: Tensor, requires_grad: bool) -> PyResult<Py<PyTensor>> {
    if requires_grad {
        engine(|| tensor.set_requires_grad(true))?;
    }
    wrap(py, tensor)
}

/// The values of a Python object, as our tensor: shared with an array, or made from numbers and lists.
fn from_object(data: &Object<'_>) -> PyResult<(Tensor, bool)> {
    if let Some(tensor) = operand::tensor(data)? {
        return Ok((tensor.into_owned(), true));
    }
    if let Some(number) = operand::number(data)? {
        let dtype = DType::Bool.with_scalar(number.category());
        return Ok((engine(|| number.to_tensor(dtype))?, false));
    }
    let numpy = data.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (data,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    let array = match kind.as_str() {
        // Python's floats are float64 to NumPy, and the default dtype to us.
        "f" => array.call_method1("astype", ("float32",))?,
        "b" | "u" | "i" => array,
        _ => {
            let shown = array.getattr("dtype")?;
            return Err(PyTypeError::new_err(format!("cannot make a tensor of data of dtype {shown}")));
        }
    };
    let shared = array::share(array.cast::<PyUntypedArray>()?)?;
    if Recording::active() && !array.is(data) {
        // An array that nobody else has is made anew in each call, as other tensors are.
        return Ok((engine(|| apply1(CloneOp {}, &[&shared]))?, false));
    }
    Ok((shared, false))
}

/// A tensor with a copy of `data`: numbers, nested lists, an array or a tensor.
///
/// Floats become float32, integers int64, truth values bool; arrays and tensors keep their dtype.
#[pyfunction]
#[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false))]
pub fn tensor(
    py: Python<'_>,
    data: &Object<'_>,
    dtype: Option<&Object<'_>>,
    device: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    check_device(device)?;
    // Lists of floats at full precision where float64 is asked for.
    let wanted = dtype.filter(|d| !d.is_none()).map(crate::dtype::extract).transpose()?;
    let source = if wanted == Some(DType::F64) && operand::tensor(data)?.is_none() {
        let array = py.import("numpy")?.call_method1("asarray", (data, "float64"))?;
        array::share(array.cast::<PyUntypedArray>()?)?
    } else {
        from_object(data)?.0
    };
    let source = source.detach();
    let copy = engine_for(py, source.numel(), || match wanted {
        Some(dtype) if dtype != source.dtype() => make::cast(&source, dtype),
        _ => apply1(CloneOp {}, &[&source]),
    })?;
    finish(py, copy, requires_grad)
}

/// As [`tensor`], sharing memory with an array or tensor that has the dtype already.
#[pyfunction]
#[pyo3(signature = (data, dtype=None, device=None))]
pub fn as_tensor(
    py: Python<'_>,
    data: &Object<'_>,
    dtype: Option<&Object<'_>>,
    device: Option<&Object<'_>>,
) -> PyResult<Py<PyTensor>> {
    check_device(device)?;
    let source = from_object(data)?.0;
    let dtype = dtype_or(dtype, source.dtype())?;
    let result = engine_for(py, source.numel(), || make::cast(&source, dtype))?;
    wrap(py, result)
}

/// A tensor on a NumPy array's memory; a copy where the array is read-only, byte-swapped or misaligned.
#[pyfunction]
pub fn from_numpy(py: Python<'_>, array: &Bound<'_, PyUntypedArray>) -> PyResult<Py<PyTensor>> {
    wrap(py, array::share(array)?)
}

fn check_device(device: Option<&Object<'_>>) -> PyResult<()> {
    match device {
        Some(d) if !d.is_none() && !d.str()?.to_string().starts_with("cpu") => {
            Err(PyNotImplementedError::new_err(format!("there is no device '{d}', only 'cpu'")))
        }
        _ => Ok(()),
    }
}

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident, $value:expr;)*) => { $(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (*size, dtype=None, device=None, requires_grad=false))]
        pub fn $name(
            py: Python<'_>,
            size: &Bound<'_, PyTuple>,
            dtype: Option<&Object<'_>>,
            device: Option<&Object<'_>>,
            requires_grad: bool,
        ) -> PyResult<Py<PyTensor>> {
            check_device(device)?;
            let meta = Meta::new(operand::shape(size)?, dtype_or(dtype, DType::F32)?);
            let fill: Option<f64> = $value;
            let made = engine(|| match fill {
                Some(value) => make::full(meta, value),
                None => Tensor::empty(meta.shape, meta.dtype),
            })?;
            finish(py, made, requires_grad)
        }
    )* };
}

filled! {
    /// A tensor of zeros.
    zeros, Some(0.0);
    /// A tensor of ones.
    ones, Some(1.0);
    /// A tensor with arbitrary contents.
    empty, None;
}

macro_rules! filled_like {
    ($($(#[$doc:meta])* $name:ident, $value:expr;)*) => { $(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (input, *, dtype=None, requires_grad=false))]
        pub fn $name(
            py: Python<'_>,
            input: &Bound<'_, PyTensor>,
            dtype: Option<&Object<'_>>,
            requires_grad: bool,
        ) -> PyResult<Py<PyTensor>> {
            let like = input.get().tensor();
            let meta = Meta::new(*like.shape(), dtype_or(dtype, like.dtype())?);
            let fill: Option<f64> = $value;
            let made = engine(|| match fill {
                Some(value) => make::full(meta, value),
                None => Tensor::empty(meta.shape, meta.dtype),
            })?;
            finish(py, made, requires_grad)
        }
    )* };
}

filled_like! {
    /// Zeros in another tensor's shape and dtype.
    zeros_like, Some(0.0);
    /// Ones in another tensor's shape and dtype.
    ones_like, Some(1.0);
    /// A tensor of another's shape and dtype with arbitrary contents.
    empty_like, None;
}

/// A tensor of one value; an integer makes int64, a truth value bool.
#[pyfunction]
#[pyo3(signature = (size, fill_value, *, dtype=None, requires_grad=false))]
pub fn full(
    py: Python<'_>,
    size: Bound<'_, PyAny>,
    fill_value: &Object<'_>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let shape = operand::shape(&PyTuple::new(py, [size])?)?;
    let Some(number) = operand::number(fill_value)? else {
        return Err(PyTypeError::new_err("full: fill_value must be a number"));
    };
    let dtype = dtype_or(dtype, DType::Bool.with_scalar(number.category()))?;
    let made = engine(|| make::full_of(Meta::new(shape, dtype), &number.to_tensor(dtype)?))?;
    finish(py, made, requires_grad)
}

/// A number to count with: a truth value is an integer, NumPy's numbers and tensors of one element are what they hold.
fn count(value: &Object<'_>) -> PyResult<Number> {
    match operand::number(value)? {
        Some(Number::Bool(x)) => Ok(Number::Int(x.into())),
        Some(number) => Ok(number),
        None => value.extract().map(Number::Int).or_else(|_| value.extract().map(Number::Float)),
    }
}

/// One value in another tensor's shape and dtype.
#[pyfunction]
#[pyo3(signature = (input, fill_value, *, dtype=None, requires_grad=false))]
pub fn full_like(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    fill_value: &Object<'_>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let like = input.get().tensor();
    let meta = Meta::new(*like.shape(), dtype_or(dtype, like.dtype())?);
    let number = count(fill_value)?;
    let made = engine(|| make::full_of(meta, &number.to_tensor(meta.dtype)?))?;
    finish(py, made, requires_grad)
}

/// From `start` (0) to below `end` by `step` (1).
#[pyfunction]
#[pyo3(signature = (*args, dtype=None, requires_grad=false))]
pub fn arange(
    py: Python<'_>,
    args: &Bound<'_, PyTuple>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let values = args.iter().map(|a| count(&a)).collect::<PyResult<Vec<_>>>()?;
    let (start, end, step) = match values[..] {
        [end] => (Number::Int(0), end, Number::Int(1)),
        [start, end] => (start, end, Number::Int(1)),
        [start, end, step] => (start, end, step),
        _ => return Err(PyTypeError::new_err("arange: takes end, or start and end, or start, end and step")),
    };
    let [from, to, by] = [start, end, step].map(Number::as_f64);
    let about = ((to - from) / by).ceil();
    if by == 0.0 || !about.is_finite() {
        return Err(PyValueError::new_err(format!("arange: cannot go from {from} to {to} by {by}")));
    }
    let (n, default) = match (start, end, step) {
        (Number::Int(start), Number::Int(end), Number::Int(step)) => {
            let (distance, step) = (i128::from(end) - i128::from(start), i128::from(step));
            let n = (distance * step.signum() + step.abs() - 1) / step.abs();
            (usize::try_from(n.max(0)).unwrap_or(usize::MAX), DType::I64)
        }
        _ => (about.max(0.0) as usize, DType::F32),
    };
    let dtype = dtype_or(dtype, default)?;
    let made = engine(|| make::arange(start, step, n, dtype))?;
    finish(py, made, requires_grad)
}

/// A matrix of `n` rows and `m` (`n`) columns with ones on the diagonal.
#[pyfunction]
#[pyo3(signature = (n, m=None, *, dtype=None, requires_grad=false))]
pub fn eye(
    py: Python<'_>,
    n: usize,
    m: Option<usize>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let dtype = dtype_or(dtype, DType::F32)?;
    let m = m.unwrap_or(n);
    let made = engine(|| {
        let shape = retrograd_engine::layout::shape_of(&[n, m])?;
        let numel = retrograd_engine::layout::checked_numel(&shape, dtype)?;
        let mut flat = make::zeros(Meta::new(retrograd_engine::layout::shape_of(&[numel])?, dtype))?;
        let diagonal = n.min(m);
        if diagonal > 0 {
            let ones = make::full(Meta::new(retrograd_engine::layout::shape_of(&[diagonal])?, dtype), 1.0)?;
            flat = apply1(SliceScatter { dim: 0, start: 0, step: m + 1 }, &[&flat, &ones])?;
        }
        apply1(retrograd_engine::ops::shape::Reshape { shape }, &[&flat])
    })?;
    finish(py, made.detach(), requires_grad)
}

fn uniform(shape: Shape, dtype: DType) -> PyResult<Tensor> {
    engine(|| {
        let t = Tensor::empty(shape, dtype)?;
        generator::default_generator()?.uniform(&t, 0.0, 1.0)?;
        Ok(t)
    })
}

fn normal(shape: Shape, dtype: DType) -> PyResult<Tensor> {
    engine(|| {
        let t = Tensor::empty(shape, dtype)?;
        generator::default_generator()?.normal(&t, 0.0, 1.0)?;
        Ok(t)
    })
}

/// Numbers from 0 to 1, all as likely.
#[pyfunction]
#[pyo3(signature = (*size, dtype=None, requires_grad=false))]
pub fn rand(
    py: Python<'_>,
    size: &Bound<'_, PyTuple>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let (shape, dtype) = (operand::shape(size)?, dtype_or(dtype, DType::F32)?);
    finish(py, uniform(shape, dtype)?, requires_grad)
}

/// Normally distributed numbers of mean 0 and standard deviation 1.
#[pyfunction]
#[pyo3(signature = (*size, dtype=None, requires_grad=false))]
pub fn randn(
    py: Python<'_>,
    size: &Bound<'_, PyTuple>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let (shape, dtype) = (operand::shape(size)?, dtype_or(dtype, DType::F32)?);
    finish(py, normal(shape, dtype)?, requires_grad)
}

/// Numbers from 0 to 1, all as likely, in another tensor's shape and dtype.
#[pyfunction]
#[pyo3(signature = (input, *, dtype=None, requires_grad=false))]
pub fn rand_like(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let made = uniform(*input.get().tensor().shape(), dtype_or(dtype, input.get().tensor().dtype())?)?;
    finish(py, made, requires_grad)
}

/// Normally distributed numbers of mean 0 and standard deviation 1 in another tensor's shape and dtype.
#[pyfunction]
#[pyo3(signature = (input, *, dtype=None, requires_grad=false))]
pub fn randn_like(
    py: Python<'_>,
    input: &Bound<'_, PyTensor>,
    dtype: Option<&Object<'_>>,
    requires_grad: bool,
) -> PyResult<Py<PyTensor>> {
    let made = normal(*input.get().tensor().shape(), dtype_or(dtype, input.get().tensor().dtype())?)?;
    finish(py, made, requires_grad)
}

/// A random order of 0 to `n` - 1.
#[pyfunction]
pub fn randperm(py: Python<'_>, n: i64) -> PyResult<Py<PyTensor>> {
    let n = usize::try_from(n)
        .map_err(|_| PyValueError::new_err(format!("randperm: n must not be negative, got {n}")))?;
    wrap(py, engine_for(py, n.saturating_mul(8), || generator::default_generator()?.permutation(n))?)
}

/// Integers from `low` (0) to below `high`, all as likely.
#[pyfunction]
#[pyo3(signature = (low, high, size=None, *, dtype=None))]
pub fn randint(
    py: Python<'_>,
    low: i64,
    high: Bound<'_, PyAny>,
    size: Option<Bound<'_, PyAny>>,
    dtype: Option<&Object<'_>>,
) -> PyResult<Py<PyTensor>> {
    let (low, high, size) = match size {
        Some(size) => (low, high.extract::<i64>()?, size),
        None => (0, low, high),
    };
    if low >= high {
        return Err(PyValueError::new_err(format!("randint: low ({low}) must be below high ({high})")));
    }
    let shape = operand::shape(&PyTuple::new(py, [size])?)?;
    let dtype = dtype_or(dtype, DType::I64)?;
    let made = engine(|| {
        let _no_grad = GradMode::set(false);
        let uniform = Tensor::empty(shape, DType::F64)?;
        generator::default_generator()?.uniform(&uniform, low as f64, high as f64)?;
        // float64 holds the bounds; the cast rounds towards zero, so shift to the positive side first.
        let shift = Tensor::scalar(low as f64, DType::F64)?;
        let from_zero = apply1(retrograd_engine::ops::pointwise::Sub {}, &[&uniform, &shift])?;
        let whole = make::cast(&from_zero, DType::I64)?;
        let low = retrograd_engine::host::Number::Int(low).to_tensor(DType::I64)?;
        make::cast(&apply1(retrograd_engine::ops::pointwise::Add {}, &[&whole, &low])?, dtype)
    })?;
    wrap(py, made)
}

/// Tensors side by side along `dim`.
#[pyfunction]
#[pyo3(signature = (tensors, dim=0))]
pub fn cat(py: Python<'_>, tensors: &Object<'_>, dim: isize) -> PyResult<Py<PyTensor>> {
    let list = crate::graph::sequence(tensors)?;
    let work = errors::work(list.iter());
    wrap(py, engine_for(py, work, || retrograd_engine::make::cat(&list, dim))?)
}

/// Tensors of one shape along a new dimension.
#[pyfunction]
#[pyo3(signature = (tensors, dim=0))]
pub fn stack(py: Python<'_>, tensors: &Object<'_>, dim: isize) -> PyResult<Py<PyTensor>> {
    let list = crate::graph::sequence(tensors)?;
    let work = errors::work(list.iter());
    let result = engine_for(py, work, || {
        let Some(first) = list.first() else { return retrograd_engine::make::cat(&list, 0) };
        let at = retrograd_engine::layout::axis(dim, first.rank() + 1)?;
        let lifted: retrograd_engine::Result<Vec<Tensor>> = list
            .iter()
            .map(|t| {
                let mut sizes: Vec<i64> = t.shape().iter().map(|&d| d as i64).collect();
                sizes.insert(at.min(sizes.len()), 1);
                let shape = make::infer_shape(&sizes, t.numel())?;
                apply1(retrograd_engine::ops::shape::Reshape { shape }, &[t])
            })
            .collect();
        retrograd_engine::make::cat(&lifted?, at as isize)
    })?;
    wrap(py, result)
}

/// `input` where `condition`, else `other`.
#[pyfunction]
#[pyo3(name = "where")]
pub fn where_(
    py: Python<'_>,
    condition: &Bound<'_, PyTensor>,
    input: &Object<'_>,
    other: &Object<'_>,
) -> PyResult<Py<PyTensor>> {
    let dtype_of = |partner: &Object<'_>| -> PyResult<DType> {
        Ok(operand::tensor(partner)?.map_or(DType::F32, |t| t.dtype()))
    };
    let a = operand::required(input, dtype_of(other)?, "where")?;
    let b = operand::required(other, dtype_of(input)?, "where")?;
    crate::tensor::choose(py, condition.get().tensor(), &a, &b)
}

/// Rebuilds a pickled tensor.
#[pyfunction]
pub fn rebuild_tensor<'py>(
    array: &Bound<'py, PyUntypedArray>,
    dtype: &str,
    requires_grad: bool,
    cls: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    let dtype = crate::dtype::dtype_by_name(dtype)?.0;
    let plain = wrap(py, array::from_bits(array, dtype)?)?;
    if cls.is(py.get_type::<PyTensor>()) {
        plain.get().tensor().set_requires_grad(requires_grad).map_err(crate::errors::to_py)?;
        return Ok(plain.into_bound(py).into_any());
    }
    cls.call1((plain, requires_grad))
}
