//! `retrograd.compile`: a function is recorded on its first call and replayed from then on.
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use retrograd_engine::Tensor;
use retrograd_engine::autograd::grad_enabled;
use retrograd_engine::replay::{Program, Recording};
use retrograd_engine::vmap::VmapLevel;

use crate::errors::engine;
use crate::tree::{Signature, Tree};

/// So many programs are kept for different arguments; then the oldest goes.
const KEPT: usize = 64;

/// A recording of one kind of call.
struct Entry {
    arguments: Tree,
    signatures: Vec<Signature>,
    grad_enabled: bool,
    program: Program,
    result: Tree,
}

// No docstring: an instance has that of its function.
#[allow(missing_docs, reason = "it would hide the function's own docstring")]
#[pyclass(frozen, weakref, dict, name = "Compiled", module = "retrograd._core")]
pub struct Compiled {
    function: Py<PyAny>,
    entries: Mutex<Vec<Arc<Entry>>>,
}

/// Records `function` when it is first called, and replays what it did on later calls.
#[pyfunction]
pub fn compile(function: Bound<'_, PyAny>) -> PyResult<Py<Compiled>> {
    if !function.is_callable() {
        return Err(PyTypeError::new_err("compile: expected a callable"));
    }
    let py = function.py();
    let compiled =
        Bound::new(py, Compiled { function: function.clone().unbind(), entries: Mutex::default() })?;
    py.import("functools")?.getattr("update_wrapper")?.call1((&compiled, function))?;
    Ok(compiled.unbind())
}

impl Compiled {
    fn find(&self, py: Python<'_>, arguments: &Tree, tensors: &[Tensor]) -> PyResult<Option<Arc<Entry>>> {
        let entries: Vec<Arc<Entry>> = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.retain(|e| !e.program.is_outdated());
            entries.clone()
        };
        for entry in entries.iter().rev() {
            let fits = entry.grad_enabled == grad_enabled()
                && entry.signatures.len() == tensors.len()
                && entry.signatures.iter().zip(tensors).all(|(s, t)| *s == Signature::of(t))
                && entry.program.serves(tensors);
            if fits && entry.arguments.matches(arguments, py)? {
                return Ok(Some(entry.clone()));
            }
        }
        Ok(None)
    }

    fn record<'py>(
        &self,
        py: Python<'py>,
        arguments: Tree,
        tensors: Vec<Tensor>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let recording = engine(|| Recording::start(&tensors))?;
        let built = arguments.build(py, recording.arguments())?;
        let (args, kwargs) = built.extract::<(Bound<'py, PyTuple>, Bound<'py, PyDict>)>()?;
        let result = self.function.bind(py).call(&args, Some(&kwargs))?;
        let mut outputs = Vec::new();
        let result = Tree::take(&result, &mut outputs)?;
        result.check_returned(py)?;
        // The graph behind the outputs ends here, so that the recording sees what is a temporary.
        let mut outputs: Vec<Tensor> = outputs.into_iter().map(|t| t.detach()).collect();
        drop((args, kwargs, built));
        let program = engine(|| recording.finish(&mut outputs))?;
        let returned = result.build(py, &outputs)?;
        let entry = Entry {
            arguments,
            signatures: tensors.iter().map(Signature::of).collect(),
            grad_enabled: grad_enabled(),
            program,
            result,
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEPT {
            entries.remove(0);
        }
        entries.push(Arc::new(entry));
        Ok(returned)
    }
}

#[pymethods]
impl Compiled {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if Recording::active() || VmapLevel::active() {
            // Part of a larger recording, or called for one example that stands for many.
            return self.function.bind(py).call(args, kwargs);
        }
        let mut tensors = Vec::new();
        let empty = PyDict::new(py);
        let kwargs = kwargs.unwrap_or(&empty);
        let arguments = Tree::Tuple(vec![
            Tree::take(args.as_any(), &mut tensors)?,
            Tree::take(kwargs.as_any(), &mut tensors)?,
        ]);
        match self.find(py, &arguments, &tensors)? {
            Some(entry) => {
                let outputs = py.detach(|| engine(|| entry.program.replay(&tensors)))?;
                entry.result.build(py, &outputs)
            }
            None => self.record(py, arguments, tensors),
        }
    }

    /// Anything else, such as the name and the docstring, is the function's.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).getattr(name)
    }

    /// As a function in a class, it becomes a method.
    fn __get__<'py>(
        slf: Bound<'py, Self>,
        object: Bound<'py, PyAny>,
        _class: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if object.is_none() {
            return Ok(slf.into_any());
        }
        slf.py().import("types")?.getattr("MethodType")?.call1((slf, object))
    }

    /// The kernel calls of each recorded program, as text.
    fn listing(&self) -> Vec<String> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|e| e.program.listing()).collect()
    }

    /// How many programs are recorded.
    fn __len__(&self) -> usize {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        // Nobody holds the lock without the interpreter's.
        let Ok(entries) = self.entries.try_lock() else { return Ok(()) };
        for entry in entries.iter().filter(|e| Arc::strong_count(e) == 1) {
            entry.arguments.visit(&visit)?;
            entry.result.visit(&visit)?;
        }
        Ok(())
    }
}
