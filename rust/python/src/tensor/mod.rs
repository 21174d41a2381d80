//! `retrograd.Tensor`: the Python face of an engine tensor.
#[allow(unsafe_op_in_unsafe_fn, reason = "in code that PyO3 makes of methods in a macro")]
mod arithmetic;
mod autograd;
mod convert;
mod index;
#[allow(unsafe_op_in_unsafe_fn, reason = "in code that PyO3 makes of methods in a macro")]
mod inplace;
mod reduce;
mod shape;
mod split;
mod unary;

pub use arithmetic::{choose, matmul};

use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use retrograd_engine::Tensor;
use retrograd_engine::apply::apply1;
use retrograd_engine::ops::Op;

use crate::dtype::PyDType;
use crate::errors::{engine_for, work};
use crate::hooks::PyHook;

/// An n-dimensional array that remembers how it was computed.
#[pyclass(frozen, subclass, weakref, name = "Tensor", module = "retrograd")]
pub struct PyTensor {
    inner: Tensor,
    /// This very object, as the engine tensor knows it.
    own: AtomicPtr<()>,
}

impl PyTensor {
    /// The engine's tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.inner
    }

    /// An object not yet known to the engine's tensor; see [`adopt`].
    pub fn unbound(inner: Tensor) -> Self {
        Self { inner, own: AtomicPtr::new(std::ptr::null_mut()) }
    }
}

/// Makes `object` the one live object of its tensor.
pub fn adopt(object: &Bound<'_, PyTensor>) {
    let this = object.get();
    let ptr = object.as_ptr().cast();
    this.own.store(ptr, Relaxed);
    this.inner.wrapper().store(ptr, Relaxed);
}

impl Drop for PyTensor {
    fn drop(&mut self) {
        let own = *self.own.get_mut();
        if !own.is_null() {
            // Another object may have taken the place while this one was being finalised.
            let _ = self.inner.wrapper().compare_exchange(own, std::ptr::null_mut(), Relaxed, Relaxed);
        }
    }
}

/// The Python object of an engine tensor: the live one, or a new one.
pub fn wrap(py: Python<'_>, tensor: Tensor) -> PyResult<Py<PyTensor>> {
    let live = tensor.wrapper().load(Relaxed).cast::<pyo3::ffi::PyObject>();
    // SAFETY: an object takes its pointer back before it is freed, and both happen under the GIL, which
    // is held; one with no references left is being finalised and must not be revived.
    if !live.is_null() && unsafe { pyo3::ffi::Py_REFCNT(live) } > 0 {
        // SAFETY: as above, a live object of this class.
        return Ok(unsafe { Bound::from_borrowed_ptr(py, live).cast_into_unchecked::<PyTensor>().unbind() });
    }
    let object = Bound::new(py, PyTensor::unbound(tensor))?;
    adopt(&object);
    Ok(object.unbind())
}

/// Applies an op to tensors.
pub fn run(py: Python<'_>, op: impl Into<Op>, inputs: &[&Tensor]) -> PyResult<Py<PyTensor>> {
    let op = op.into();
    let work = work(inputs.iter().copied());
    let result = engine_for(py, work, || apply1(op, inputs))?;
    wrap(py, result)
}

#[pymethods]
impl PyTensor {
    /// NumPy's operators leave the work to this class's.
    #[classattr]
    fn __array_priority__() -> f64 {
        1000.0
    }

    /// The extent of each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        pyo3::types::PyTuple::new(py, self.inner.shape().iter())
    }

    /// The extents of all dimensions, or of one.
    #[pyo3(signature = (dim=None))]
    fn size<'py>(&self, py: Python<'py>, dim: Option<isize>) -> PyResult<Bound<'py, PyAny>> {
        match dim {
            None => Ok(self.shape(py)?.into_any()),
            Some(dim) => {
                let axis = crate::errors::engine(|| retrograd_engine::layout::axis(dim, self.inner.rank()))?;
                Ok(self.shape(py)?.get_item(axis)?.into_any())
            }
        }
    }

    /// The distance between neighbours along each dimension, in elements.
    fn stride<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        pyo3::types::PyTuple::new(py, self.inner.strides().iter())
    }

    /// The element type.
    #[getter]
    fn dtype(&self) -> PyDType {
        PyDType(self.inner.dtype())
    }

    /// Where the tensor is: always `"cpu"`.
    #[getter]
    fn device(&self) -> &'static str {
        "cpu"
    }

    /// The number of dimensions.
    #[getter]
    fn ndim(&self) -> usize {
        self.inner.rank()
    }

    /// The number of dimensions.
    fn dim(&self) -> usize {
        self.inner.rank()
    }

    /// The number of elements.
    fn numel(&self) -> usize {
        self.inner.numel()
    }

    /// Bytes an element takes.
    fn element_size(&self) -> usize {
        self.inner.dtype().size()
    }

    /// The first element's position in the storage.
    fn storage_offset(&self) -> usize {
        self.inner.offset()
    }

    /// The first element's address.
    fn data_ptr(&self) -> usize {
        self.inner.ptr() as usize
    }

    /// Whether the elements lie in row-major order without gaps.
    fn is_contiguous(&self) -> bool {
        self.inner.is_contiguous()
    }

    /// How often the memory was overwritten in place.
    #[getter]
    fn _version(&self) -> u32 {
        self.inner.storage().version()
    }

    /// Whether the dtype is a floating-point type.
    fn is_floating_point(&self) -> bool {
        self.inner.dtype().is_float()
    }

    fn __len__(&self) -> PyResult<usize> {
        self.inner
            .shape()
            .first()
            .copied()
            .ok_or_else(|| pyo3::exceptions::PyTypeError::new_err("len() of a tensor without dimensions"))
    }

    // Without this, defining __eq__ would make tensors unhashable; they hash by identity, as in torch.
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        (slf.as_ptr() as isize) >> 4
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        self.inner.visit_foreign(&mut |hook| {
            if let (Ok(()), Some(hook)) = (&result, hook.as_any().downcast_ref::<PyHook>()) {
                result = visit.call(hook.callable());
            }
        });
        result
    }

    fn __clear__(&self) {
        self.inner.clear_foreign();
    }
}
