//! `_core.Module`: the part of `nn.Module` that every call and every attribute goes through.
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::errors::engine;
use crate::tensor::{PyTensor, adopt};
use retrograd_engine::replay::structure_changed;

/// A tensor that a module learns: assigned to a module's attribute, it is one of its parameters.
#[pyclass(frozen, subclass, extends = PyTensor, name = "Parameter", module = "retrograd.nn")]
pub struct PyParameter {}

#[pymethods]
impl PyParameter {
    #[new]
    #[pyo3(signature = (data, requires_grad=true))]
    fn new(data: &Bound<'_, PyAny>, requires_grad: bool) -> PyResult<PyClassInitializer<Self>> {
        let Some(tensor) = crate::operand::tensor(data)? else {
            return Err(PyTypeError::new_err("Parameter: data must be a Tensor or an array"));
        };
        let tensor = tensor.detach();
        if requires_grad {
            engine(|| tensor.set_requires_grad(true))?;
        }
        Ok(PyClassInitializer::from(PyTensor::unbound(tensor)).add_subclass(PyParameter {}))
    }

    #[pyo3(signature = (*_args, **_kwargs))]
    fn __init__(slf: &Bound<'_, Self>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) {
        adopt(slf.as_super());
    }
}

/// `tensor` as an object of the class of `original`.
pub fn like<'py>(original: &Bound<'py, PyTensor>, tensor: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = original.py();
    if original.get_type().is(py.get_type::<PyTensor>()) {
        return Ok(tensor);
    }
    original.get_type().call1((tensor, original.get().tensor().requires_grad()))
}

/// Names of what a module holds, in the order it was assigned.
#[derive(Default)]
struct Names {
    parameters: Vec<Py<PyString>>,
    buffers: Vec<Py<PyString>>,
    modules: Vec<Py<PyString>>,
}

/// The base class of `nn.Module`.
///
/// Parameters, buffers and modules are ordinary attributes; this class keeps their names. A call goes
/// straight to `forward` unless hooks are set.
#[pyclass(frozen, subclass, name = "Module", module = "retrograd._core")]
pub struct PyModule {
    names: Mutex<Names>,
    hooked: AtomicBool,
    /// Whether this object once had a `forward` of its own, apart from its class's.
    overridden: AtomicBool,
}

impl PyModule {
    /// A name that is a parameter's, a module's or a buffer's takes only its like, or None.
    fn check_kept(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = name.py();
        let names = self.names();
        let has = |list: &[Py<PyString>]| list.iter().any(|n| same(n.bind(py), name));
        let cure = if has(&names.parameters) {
            "parameter; wrap it in nn.Parameter(...), or delete the attribute first"
        } else if has(&names.modules) {
            "module; delete the attribute first"
        } else if has(&names.buffers) && !value.is_instance_of::<PyTensor>() {
            "buffer; it must be a Tensor or None"
        } else {
            return Ok(());
        };
        Err(PyTypeError::new_err(format!(
            "cannot assign {} as '{name}', which is a {cure}",
            value.get_type().name()?
        )))
    }

    /// Whether a call does no more than the class's `forward`.
    pub fn is_plain(&self) -> bool {
        !self.hooked.load(Relaxed) && !self.overridden.load(Relaxed)
    }

    /// Whether a name is a parameter's, a buffer's or a module's.
    fn keeps(&self, name: &Bound<'_, PyString>) -> bool {
        let Names { parameters, buffers, modules } = &*self.names();
        [parameters, buffers, modules].into_iter().flatten().any(|n| same(n.bind(name.py()), name))
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two names are equal; names of attributes are mostly one interned object.
fn same(a: &Bound<'_, PyString>, b: &Bound<'_, PyString>) -> bool {
    a.is(b) || a.as_any().eq(b).unwrap_or(false)
}

/// Takes `name` out of a list, and says whether it was there.
fn forget(list: &mut Vec<Py<PyString>>, name: &Bound<'_, PyString>) -> bool {
    let py = name.py();
    let at = list.iter().position(|n| same(n.bind(py), name));
    at.is_some_and(|at| {
        drop(list.remove(at));
        true
    })
}

fn remember(list: &mut Vec<Py<PyString>>, name: &Bound<'_, PyString>) {
    let py = name.py();
    if !list.iter().any(|n| same(n.bind(py), name)) {
        list.push(name.clone().unbind());
    }
}

/// `object.__setattr__`, without looking at overrides.
fn plain_set(
    slf: &Bound<'_, PyModule>,
    name: &Bound<'_, PyString>,
    value: *mut pyo3::ffi::PyObject,
) -> PyResult<()> {
    // SAFETY: all three are live objects, or the value is null, which deletes.
    let status = unsafe { pyo3::ffi::PyObject_GenericSetAttr(slf.as_ptr(), name.as_ptr(), value) };
    if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
}

#[pymethods]
impl PyModule {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { names: Mutex::default(), hooked: false.into(), overridden: false.into() }
    }

    /// Takes and ignores what a subclass's `__init__` passes on.
    #[pyo3(signature = (*_args, **_kwargs))]
    fn __init__(&self, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) {}

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let hooked = slf.get().hooked.load(Relaxed);
        let name = if hooked { intern!(py, "_call_with_hooks") } else { intern!(py, "forward") };
        if kwargs.is_none() && args.len() == 1 {
            // One operand is the common case, and a call by name makes no bound method.
            return slf.call_method1(name, (args.get_item(0)?,));
        }
        slf.call_method(name, args, kwargs)
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let this = slf.get();
        let is_module = value.is_instance_of::<PyModule>();
        let is_parameter = !is_module && value.is_instance_of::<PyParameter>();
        if !is_module && !is_parameter && !value.is_none() {
            this.check_kept(&name, &value)?;
        }
        plain_set(slf, &name, value.as_ptr())?;
        if same(&name, intern!(slf.py(), "forward")) {
            this.overridden.store(true, Relaxed);
            structure_changed();
        }
        if !is_module && !is_parameter {
            if value.is_none() && this.keeps(&name) {
                structure_changed();
            }
            return Ok(());
        }
        let mut names = this.names();
        let names = &mut *names;
        forget(&mut names.buffers, &name);
        if is_parameter {
            forget(&mut names.modules, &name);
            remember(&mut names.parameters, &name);
        } else {
            forget(&mut names.parameters, &name);
            remember(&mut names.modules, &name);
        }
        structure_changed();
        Ok(())
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: Bound<'_, PyString>) -> PyResult<()> {
        plain_set(slf, &name, std::ptr::null_mut())?;
        let Names { parameters, buffers, modules } = &mut *slf.get().names();
        let was_kept = [parameters, buffers, modules].map(|list| forget(list, &name)).contains(&true);
        if was_kept || same(&name, intern!(slf.py(), "forward")) {
            structure_changed();
        }
        Ok(())
    }

    /// The names of the parameters.
    #[getter]
    fn _parameter_names(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.names().parameters.iter().map(|n| n.clone_ref(py)).collect()
    }

    /// The names of the buffers.
    #[getter]
    fn _buffer_names(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.names().buffers.iter().map(|n| n.clone_ref(py)).collect()
    }

    /// The names of the modules.
    #[getter]
    fn _module_names(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.names().modules.iter().map(|n| n.clone_ref(py)).collect()
    }

    /// Sets an attribute and names it as a parameter, also where it is None.
    fn _register_parameter(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        plain_set(slf, &name, value.as_ptr())?;
        remember(&mut slf.get().names().parameters, &name);
        structure_changed();
        Ok(())
    }

    /// Sets an attribute and names it as a buffer, also where it is None.
    fn _register_buffer(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        plain_set(slf, &name, value.as_ptr())?;
        remember(&mut slf.get().names().buffers, &name);
        structure_changed();
        Ok(())
    }

    /// Sets an attribute and names it as a module, also where it is None.
    fn _register_module(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        plain_set(slf, &name, value.as_ptr())?;
        remember(&mut slf.get().names().modules, &name);
        structure_changed();
        Ok(())
    }

    /// Whether calls go through `_call_with_hooks`.
    #[getter]
    fn _has_hooks(&self) -> bool {
        self.hooked.load(Relaxed)
    }

    #[setter(_has_hooks)]
    fn set_has_hooks(&self, on: bool) {
        self.hooked.store(on, Relaxed);
        structure_changed();
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Names are strings: no cycle goes through them. The attributes are in the instance's dictionary.
        Ok(())
    }
}
