//! `retrograd.float32` and its like.
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use retrograd_engine::DType;

/// The type of a tensor's elements.
#[pyclass(frozen, eq, hash, name = "DType", module = "retrograd._core", from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PyDType(pub DType);

#[pymethods]
impl PyDType {
    /// Whether it is a floating-point type.
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_float()
    }

    /// Bytes an element takes.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    /// The name, as NumPy has it.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn __repr__(&self) -> String {
        format!("retrograd.{}", self.0)
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, (&'static str,))> {
        Ok((py.import("retrograd._core")?.getattr("dtype_by_name")?.unbind(), (self.0.name(),)))
    }
}

/// The dtype of that name.
#[pyfunction]
pub fn dtype_by_name(name: &str) -> PyResult<PyDType> {
    DType::from_name(name)
        .map(PyDType)
        .ok_or_else(|| PyTypeError::new_err(format!("no dtype is called '{name}'")))
}

/// A dtype given as ours, as a name, or as Python's `float`, `int` or `bool`.
pub fn extract(value: &Bound<'_, PyAny>) -> PyResult<DType> {
    if let Ok(d) = value.cast::<PyDType>() {
        return Ok(d.get().0);
    }
    if let Ok(name) = value.extract::<String>() {
        return dtype_by_name(&name).map(|d| d.0);
    }
    let named = value.getattr("__name__").and_then(|n| n.extract::<String>());
    match named.as_deref() {
        Ok("float") => Ok(DType::F32),
        Ok("int") => Ok(DType::I64),
        Ok("bool") => Ok(DType::Bool),
        Ok(name) if DType::from_name(name).is_some() => dtype_by_name(name).map(|d| d.0),
        _ => Err(PyTypeError::new_err(format!(
            "expected a dtype such as retrograd.float32, got {}",
            value.repr()?
        ))),
    }
}
