//! The PyO3 module `retrograd._core`: conversion and errors only.
use pyo3::prelude::*;

/// The compiled part of Retrograd.
#[pymodule]
mod _core {}
