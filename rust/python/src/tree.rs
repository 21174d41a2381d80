//! Nested tuples, lists and dictionaries with tensors in them: taken apart, compared, put together.
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyList, PyTuple};
use retrograd_engine::Tensor;
use retrograd_engine::kernels::Strides;
use retrograd_engine::layout::Meta;

use crate::array;
use crate::tensor::{PyTensor, wrap};

/// Nothing sensible is nested deeper.
const DEPTH: usize = 64;

/// The shape of a nested value; tensors are numbered in the order they are met.
pub enum Tree {
    /// A tensor, by number.
    Tensor(usize),
    /// A tuple.
    Tuple(Vec<Tree>),
    /// A list.
    List(Vec<Tree>),
    /// A dictionary: keys with values.
    Dict(Vec<(Py<PyAny>, Tree)>),
    /// What is made of a tuple or dictionary by calling that: a named tuple, an ordered dictionary.
    Made(Py<PyAny>, Box<Tree>),
    /// Anything else, as it is.
    Other(Py<PyAny>),
}

/// What must be the same of a tensor for a program to serve it.
#[derive(Clone, Copy, PartialEq)]
pub struct Signature {
    meta: Meta,
    strides: Strides,
    requires_grad: bool,
}

impl Signature {
    /// That of a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        Self { meta: *tensor.meta(), strides: *tensor.strides(), requires_grad: tensor.requires_grad() }
    }
}

impl Tree {
    /// Takes a value apart; tensors, and arrays as tensors, are appended to `tensors`.
    pub fn take(value: &Bound<'_, PyAny>, tensors: &mut Vec<Tensor>) -> PyResult<Tree> {
        Self::take_at(value, tensors, 0)
    }

    fn take_at(value: &Bound<'_, PyAny>, tensors: &mut Vec<Tensor>, depth: usize) -> PyResult<Tree> {
        if depth > DEPTH {
            return Err(PyValueError::new_err(format!("arguments are nested deeper than {DEPTH} levels")));
        }
        if let Ok(t) = value.cast::<PyTensor>() {
            tensors.push(t.get().tensor().clone());
            return Ok(Tree::Tensor(tensors.len() - 1));
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            let items: PyResult<_> = tuple.iter().map(|v| Self::take_at(&v, tensors, depth + 1)).collect();
            return Ok(Tree::Tuple(items?));
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let items: PyResult<_> = list.iter().map(|v| Self::take_at(&v, tensors, depth + 1)).collect();
            return Ok(Tree::List(items?));
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            let items: PyResult<_> =
                dict.iter().map(|(k, v)| Ok((k.unbind(), Self::take_at(&v, tensors, depth + 1)?))).collect();
            return Ok(Tree::Dict(items?));
        }
        let (py, class) = (value.py(), value.get_type());
        if let (Ok(tuple), Ok(make)) = (value.cast::<PyTuple>(), class.getattr("_make")) {
            let plain = PyTuple::new(py, tuple)?;
            return Ok(Tree::Made(make.unbind(), Box::new(Self::take_at(&plain, tensors, depth)?)));
        }
        if class.is(py.import("collections")?.getattr("OrderedDict")?) {
            let plain = PyDict::new(py);
            plain.update(value.cast()?)?;
            return Ok(Tree::Made(
                class.into_any().unbind(),
                Box::new(Self::take_at(&plain, tensors, depth)?),
            ));
        }
        if let Ok(array) = value.cast::<numpy::PyUntypedArray>() {
            tensors.push(array::share(array)?);
            return Ok(Tree::Tensor(tensors.len() - 1));
        }
        Ok(Tree::Other(value.clone().unbind()))
    }

    /// Puts a value together again, with other tensors in the places.
    pub fn build<'py>(&self, py: Python<'py>, tensors: &[Tensor]) -> PyResult<Bound<'py, PyAny>> {
        let all =
            |items: &[Tree]| -> PyResult<Vec<_>> { items.iter().map(|t| t.build(py, tensors)).collect() };
        Ok(match self {
            Tree::Tensor(i) => wrap(py, tensors[*i].clone())?.into_bound(py).into_any(),
            Tree::Tuple(items) => PyTuple::new(py, all(items)?)?.into_any(),
            Tree::List(items) => PyList::new(py, all(items)?)?.into_any(),
            Tree::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, value) in items {
                    dict.set_item(key, value.build(py, tensors)?)?;
                }
                dict.into_any()
            }
            Tree::Made(make, plain) => make.bind(py).call1((plain.build(py, tensors)?,))?,
            Tree::Other(value) => value.bind(py).clone(),
        })
    }

    /// Fails where a value that a step returns may hold tensors which are not seen: every call would return those of the first.
    pub fn check_returned(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Tree::Tensor(_) => Ok(()),
            Tree::Tuple(items) | Tree::List(items) => items.iter().try_for_each(|t| t.check_returned(py)),
            Tree::Dict(items) => items.iter().try_for_each(|(_, t)| t.check_returned(py)),
            Tree::Made(_, plain) => plain.check_returned(py),
            Tree::Other(value) => {
                // What the collector does not track refers to nothing: numbers, strings, None.
                if !py.import("gc")?.call_method1("is_tracked", (value,))?.extract()? {
                    return Ok(());
                }
                Err(PyTypeError::new_err(format!(
                    "compile: the step returned a {}, whose tensors, if it has any, later calls would not renew; \
                     return tensors, numbers and strings, in tuples, named tuples, lists or dictionaries",
                    value.bind(py).get_type().name()?
                )))
            }
        }
    }

    /// Shows the collector what is held.
    pub fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Tree::Tensor(_) => Ok(()),
            Tree::Tuple(items) | Tree::List(items) => items.iter().try_for_each(|t| t.visit(visit)),
            Tree::Dict(items) => items.iter().try_for_each(|(key, t)| {
                visit.call(key)?;
                t.visit(visit)
            }),
            Tree::Made(make, plain) => {
                visit.call(make)?;
                plain.visit(visit)
            }
            Tree::Other(value) => visit.call(value),
        }
    }

    /// Whether the other tree has the same shape and equal other values.
    pub fn matches(&self, other: &Tree, py: Python<'_>) -> PyResult<bool> {
        let all = |a: &[Tree], b: &[Tree]| -> PyResult<bool> {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !a.matches(b, py)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match (self, other) {
            (Tree::Tensor(a), Tree::Tensor(b)) => Ok(a == b),
            (Tree::Tuple(a), Tree::Tuple(b)) | (Tree::List(a), Tree::List(b)) => all(a, b),
            (Tree::Dict(a), Tree::Dict(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((ka, va), (kb, vb)) in a.iter().zip(b) {
                    if !same(ka.bind(py), kb.bind(py)) || !va.matches(vb, py)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Tree::Made(a, x), Tree::Made(b, y)) => Ok(a.bind(py).eq(b)? && x.matches(y, py)?),
            (Tree::Other(a), Tree::Other(b)) => Ok(same(a.bind(py), b.bind(py))),
            _ => Ok(false),
        }
    }
}

/// Whether two values make the same program: 1, 1.0 and True are equal but do not, nor do 0.0 and -0.0. What cannot be compared is
/// another value.
fn same(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> bool {
    if a.is(b) || !a.get_type().is(b.get_type()) {
        return a.is(b);
    }
    match (a.cast::<PyFloat>(), b.cast::<PyFloat>()) {
        (Ok(a), Ok(b)) => a.value().to_bits() == b.value().to_bits(),
        _ => a.eq(b).unwrap_or(false),
    }
}
