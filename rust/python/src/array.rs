//! NumPy arrays in and out, sharing memory where layout allows.
use std::ptr::NonNull;

use numpy::npyffi::{self, NPY_TYPES, PY_ARRAY_API};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use retrograd_engine::apply::apply1;
use retrograd_engine::autograd::GradMode;
use retrograd_engine::kernels::{Shape, Strides};
use retrograd_engine::layout::Layout;
use retrograd_engine::ops::memory::Clone as CloneOp;
use retrograd_engine::replay::note_shared;
use retrograd_engine::storage::Storage;
use retrograd_engine::{DType, Tensor, host, make};

use crate::errors::{engine, engine_for};
use crate::tensor::wrap;

/// NumPy's number for a dtype; bfloat16 has none.
fn type_number(dtype: DType) -> Option<NPY_TYPES> {
    Some(match dtype {
        DType::Bool => NPY_TYPES::NPY_BOOL,
        DType::U8 => NPY_TYPES::NPY_UBYTE,
        DType::I32 => NPY_TYPES::NPY_INT,
        DType::I64 => NPY_TYPES::NPY_LONGLONG,
        DType::F16 => NPY_TYPES::NPY_HALF,
        DType::F32 => NPY_TYPES::NPY_FLOAT,
        DType::F64 => NPY_TYPES::NPY_DOUBLE,
        DType::BF16 => return None,
    })
}

/// Our dtype of a NumPy array.
fn dtype_of(array: &Bound<'_, PyUntypedArray>) -> PyResult<DType> {
    let descr = array.dtype();
    match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => Ok(DType::Bool),
        (b'u', 1) => Ok(DType::U8),
        (b'i', 4) => Ok(DType::I32),
        (b'i', 8) => Ok(DType::I64),
        (b'f', 2) => Ok(DType::F16),
        (b'f', 4) => Ok(DType::F32),
        (b'f', 8) => Ok(DType::F64),
        _ => Err(PyTypeError::new_err(format!(
            "arrays of dtype {descr} are not supported; convert to bool, uint8, int32, int64, float16, float32 or float64 with .astype()"
        ))),
    }
}

/// Keeps a NumPy array alive behind a storage.
struct Owner(#[expect(dead_code, reason = "held for its drop")] Py<PyAny>);

/// A tensor from an array, or from what becomes one by `__array__`; shares memory where it can.
pub fn from_array(value: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return share(array).map(Some);
    }
    // NumPy's own scalars and other arrays; not lists, which may be anything.
    if value.hasattr("__array__")? {
        let array = value.py().import("numpy")?.call_method1("asarray", (value,))?;
        return share(array.cast::<PyUntypedArray>()?).map(Some);
    }
    Ok(None)
}

/// A tensor on an array's memory; a copy where bytes are swapped, misaligned, read-only or oddly strided.
pub fn share(array: &Bound<'_, PyUntypedArray>) -> PyResult<Tensor> {
    let py = array.py();
    let dtype = dtype_of(array)?;
    let size = dtype.size();
    let shape = engine(|| retrograd_engine::layout::shape_of(array.shape()))?;
    let raw = array.as_array_ptr();
    // SAFETY: a live array object.
    let (data, flags) = unsafe { ((*raw).fields.data.cast::<u8>(), (*raw).fields.flags) };
    let native = array.dtype().is_native_byteorder() != Some(false);
    let usable = native
        && flags & npyffi::NPY_ARRAY_ALIGNED != 0
        && flags & npyffi::NPY_ARRAY_WRITEABLE != 0
        && array.strides().iter().all(|&s| s >= 0 && s % size as isize == 0);
    if !usable {
        let options = pyo3::types::PyDict::new(py);
        options.set_item("order", "C")?;
        options.set_item("copy", true)?;
        let copy = array.call_method("astype", (dtype.name(),), Some(&options))?;
        return share(copy.cast::<PyUntypedArray>()?);
    }
    let mut strides = Strides::new();
    for &s in array.strides() {
        let _ = strides.push(s / size as isize);
    }
    let layout = Layout { shape, strides, offset: 0 };
    let bytes = layout.span().1 * size;
    let Some(ptr) = NonNull::new(data) else {
        return engine(|| Tensor::empty(shape, dtype));
    };
    let owner = Box::new(Owner(array.clone().into_any().unbind()));
    // SAFETY: the array, kept alive by the owner, spans these bytes, aligned and writeable.
    let storage = unsafe { Storage::foreign(ptr, bytes, owner) };
    let tensor = Tensor::from_parts(storage, dtype, layout);
    note_shared(&tensor);
    Ok(tensor)
}

/// An array on a tensor's memory.
pub fn to_numpy<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    engine(|| host::check_readable(tensor))?;
    let Some(type_number) = type_number(tensor.dtype()) else {
        return Err(PyTypeError::new_err("NumPy has no bfloat16; use .float().numpy()"));
    };
    let size = tensor.dtype().size() as isize;
    let mut dims: Vec<npyffi::npy_intp> = tensor.shape().iter().map(|&d| d as npyffi::npy_intp).collect();
    let mut strides: Vec<npyffi::npy_intp> = tensor.strides().iter().map(|&s| s * size).collect();
    let base = wrap(py, tensor.detach())?;
    // SAFETY: the dimensions describe memory that the base object keeps alive; the base's reference is taken.
    unsafe {
        let array = PY_ARRAY_API.PyArray_New(
            py,
            npyffi::get_type_object(py, npyffi::NpyTypes::PyArray_Type),
            dims.len() as _,
            dims.as_mut_ptr(),
            type_number as _,
            strides.as_mut_ptr(),
            tensor.ptr().cast(),
            0,
            npyffi::NPY_ARRAY_WRITEABLE,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base.into_ptr()) < 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}

/// An array of the tensor's values to look at, whatever the dtype and history.
pub fn readable<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let plain = tensor.detach();
    let plain =
        if tensor.dtype() == DType::BF16 { engine(|| make::cast(&plain, DType::F32))? } else { plain };
    to_numpy(py, &plain)
}

/// A contiguous array with the tensor's bits: bfloat16 as uint8 pairs.
pub fn bits<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let _no_grad = GradMode::set(false);
    let copy = engine_for(py, tensor.numel(), || apply1(CloneOp {}, &[&tensor.detach()]))?;
    if copy.dtype() != DType::BF16 {
        return to_numpy(py, &copy);
    }
    let mut shape: Shape = *copy.shape();
    if !shape.push(2) {
        return Err(PyTypeError::new_err("a bfloat16 tensor of 8 dimensions cannot be pickled"));
    }
    to_numpy(py, &Tensor::from_parts(copy.storage().clone(), DType::U8, Layout::contiguous(shape)))
}

/// The tensor of bits made by [`bits`].
pub fn from_bits(array: &Bound<'_, PyUntypedArray>, dtype: DType) -> PyResult<Tensor> {
    let tensor = share(array)?;
    let tensor = engine(|| apply1(CloneOp {}, &[&tensor]))?;
    if dtype != DType::BF16 {
        return Ok(tensor);
    }
    let mut shape = *tensor.shape();
    shape.remove(shape.len() - 1);
    Ok(Tensor::from_parts(tensor.storage().clone(), DType::BF16, Layout::contiguous(shape)))
}
