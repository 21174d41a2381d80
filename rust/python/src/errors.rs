//! The boundary: engine errors and panics become Python exceptions, and long work lets other threads run.
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{
    PyIndexError, PyMemoryError, PyNotImplementedError, PyOverflowError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::prelude::*;
use retrograd_engine::{Error, Kind, Result, Tensor};

/// Work on so many elements or more, some 10 µs of it, is done with the GIL released.
pub const LONG: usize = 32 << 10;

/// The Python exception of an engine error.
pub fn to_py(error: Error) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        Kind::Value => PyValueError::new_err(message),
        Kind::DType => PyTypeError::new_err(message),
        Kind::Index => PyIndexError::new_err(message),
        Kind::Overflow => PyOverflowError::new_err(message),
        Kind::Memory => PyMemoryError::new_err(message),
        Kind::Graph => PyRuntimeError::new_err(message),
        Kind::Unsupported => PyNotImplementedError::new_err(message),
        Kind::Foreign => match error.payload().and_then(|p| p.downcast::<PyErr>().ok()) {
            Some(raised) => *raised,
            None => PyRuntimeError::new_err(message),
        },
    }
}

/// The engine error that carries a Python exception through the engine.
pub fn from_py(error: PyErr) -> Error {
    Error::foreign(error)
}

/// Calls the engine. A panic, which is a defect of ours, becomes a `RuntimeError`.
pub fn engine<T>(f: impl FnOnce() -> Result<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(to_py),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(PyRuntimeError::new_err(format!("internal error, the engine panicked: {text}")))
        }
    }
}

/// How much work lies in tensors, by their elements.
pub fn work<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> usize {
    tensors.into_iter().fold(0, |sum, t| sum.saturating_add(t.numel()))
}

/// Calls the engine with the GIL released where the work is long.
pub fn engine_for<T: Send>(py: Python<'_>, work: usize, f: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    if work >= LONG { py.detach(|| engine(f)) } else { engine(f) }
}
