//! Seeds, threads, SIMD levels and memory.
use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use retrograd_engine::kernels::{pool, simd};
use retrograd_engine::{alloc, generator, replay};

use crate::errors::engine;

/// Fails the import where `RETROGRAD_SIMD` names a level that is not to be had.
pub fn check_simd() -> PyResult<()> {
    simd::init().map(drop).map_err(PyImportError::new_err)
}

/// Starts the random numbers anew from `seed`.
#[pyfunction]
pub fn manual_seed(seed: &Bound<'_, PyAny>) -> PyResult<()> {
    let bits = match seed.extract::<u64>() {
        Ok(seed) => seed,
        // Negative seeds are taken as the bits they have.
        Err(_) => seed.extract::<i64>().map_err(|_| {
            PyValueError::new_err(format!("manual_seed: a seed is an integer of 64 bits, not {seed}"))
        })? as u64,
    };
    engine(|| generator::default_generator()?.seed(bits))
}

/// The state of the random numbers: seed and counter.
#[pyfunction]
pub fn get_rng_state() -> PyResult<(i64, i64)> {
    let [seed, counter] = engine(|| Ok(generator::default_generator()?.state()))?;
    Ok((seed, counter))
}

/// Goes on with the random numbers from a state.
#[pyfunction]
pub fn set_rng_state(state: (i64, i64)) -> PyResult<()> {
    engine(|| generator::default_generator()?.set_state([state.0, state.1]))
}

/// Sets how many threads work on large operations.
#[pyfunction]
pub fn set_num_threads(n: usize) -> PyResult<()> {
    if n == 0 {
        return Err(PyValueError::new_err("set_num_threads: needs at least 1"));
    }
    pool::set_num_threads(n);
    Ok(())
}

/// How many threads work on large operations.
#[pyfunction]
pub fn get_num_threads() -> usize {
    pool::num_threads()
}

/// How many tasks threads other than the caller's have done so far.
#[pyfunction]
pub fn pool_worker_tasks() -> u64 {
    pool::stats()
}

/// The SIMD level in use.
#[pyfunction]
pub fn simd_level() -> String {
    simd::level().name().into()
}

/// The SIMD levels this machine has.
#[pyfunction]
pub fn simd_levels() -> Vec<String> {
    simd::available().map(|l| l.name().into()).collect()
}

/// What the allocator holds, in bytes, and how often it asked the system.
#[pyfunction]
pub fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = alloc::stats();
    let dict = PyDict::new(py);
    dict.set_item("live", stats.live)?;
    dict.set_item("peak", stats.peak)?;
    dict.set_item("cached", stats.cached)?;
    dict.set_item("system_calls", stats.system_calls)?;
    Ok(dict)
}

/// Returns the memory kept for later to the system.
#[pyfunction]
pub fn empty_cache() {
    alloc::empty_cache();
}

/// Notes that something changed that decides which operations a compiled function runs.
#[pyfunction]
pub fn structure_changed() {
    replay::structure_changed();
}
