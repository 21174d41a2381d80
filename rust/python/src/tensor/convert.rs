//! To and from Python and NumPy, and between dtypes.
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use retrograd_engine::host::{self, Number};
use retrograd_engine::{DType, make};

use super::{PyTensor, wrap};
use crate::array;
use crate::errors::{engine, engine_for};

fn to_dtype(slf: Bound<'_, PyTensor>, dtype: DType) -> PyResult<Py<PyTensor>> {
    let t = slf.get().tensor();
    if t.dtype() == dtype {
        return Ok(slf.unbind());
    }
    let result = engine_for(slf.py(), t.numel(), || make::cast(t, dtype))?;
    wrap(slf.py(), result)
}

macro_rules! casts {
    ($($(#[$doc:meta])* $rust:ident, $name:literal, $dtype:ident;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                #[pyo3(name = $name)]
                fn $rust(slf: Bound<'_, Self>) -> PyResult<Py<PyTensor>> {
                    to_dtype(slf, DType::$dtype)
                }
            )*
        }
    };
}

casts! {
    /// As float32.
    as_float, "float", F32;
    /// As float64.
    as_double, "double", F64;
    /// As bfloat16.
    as_bfloat16, "bfloat16", BF16;
    /// As float16.
    as_half, "half", F16;
    /// As int64.
    as_long, "long", I64;
    /// As int32.
    as_int, "int", I32;
    /// As bool.
    as_bool, "bool", Bool;
}

fn check_device(value: &Bound<'_, PyAny>) -> PyResult<()> {
    let text = value.str()?.to_string();
    if text == "cpu" || text.starts_with("cpu:") {
        return Ok(());
    }
    Err(PyNotImplementedError::new_err(format!("to: there is no device '{text}', only 'cpu'")))
}

#[pymethods]
impl PyTensor {
    /// In another dtype, given directly, by name, or as that of another tensor; the device can only be `"cpu"`.
    #[pyo3(signature = (*args, dtype=None, device=None, non_blocking=false, copy=false))]
    fn to<'py>(
        slf: Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        dtype: Option<Bound<'py, PyAny>>,
        device: Option<Bound<'py, PyAny>>,
        non_blocking: bool,
        copy: bool,
    ) -> PyResult<Py<PyTensor>> {
        let _ = non_blocking;
        let mut wanted = dtype.as_ref().map(crate::dtype::extract).transpose()?;
        if let Some(device) = device {
            check_device(&device)?;
        }
        for arg in args {
            if let Ok(other) = arg.cast::<PyTensor>() {
                wanted = Some(other.get().tensor().dtype());
            } else if arg.extract::<String>().is_ok_and(|s| DType::from_name(&s).is_none()) {
                check_device(&arg)?;
            } else if !arg.is_none() {
                wanted = Some(crate::dtype::extract(&arg)?);
            }
        }
        let from = slf.get().tensor().dtype();
        if copy && wanted.is_none_or(|w| w == from) {
            return Ok(slf.call_method0("clone")?.cast_into::<PyTensor>()?.unbind());
        }
        to_dtype(slf, wanted.unwrap_or(from))
    }

    /// As `dtype`.
    #[pyo3(name = "type")]
    fn as_type<'py>(slf: Bound<'py, Self>, dtype: &Bound<'py, PyAny>) -> PyResult<Py<PyTensor>> {
        to_dtype(slf, crate::dtype::extract(dtype)?)
    }

    /// In `other`'s dtype.
    fn type_as(slf: Bound<'_, Self>, other: &Bound<'_, PyTensor>) -> PyResult<Py<PyTensor>> {
        to_dtype(slf, other.get().tensor().dtype())
    }

    /// Itself: every tensor is on the CPU.
    fn cpu(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// The value of a tensor of one element.
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match engine(|| host::item(self.tensor()))? {
            Number::Bool(x) => Ok(x.into_pyobject(py)?.to_owned().into_any()),
            Number::Int(x) => Ok(x.into_pyobject(py)?.into_any()),
            Number::Float(x) => Ok(x.into_pyobject(py)?.into_any()),
        }
    }

    /// The elements as nested lists.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.tensor().rank() == 0 {
            return self.item(py);
        }
        array::readable(py, self.tensor())?.call_method0("tolist")
    }

    /// A NumPy array that shares this tensor's memory.
    #[pyo3(signature = (*, force=false))]
    fn numpy<'py>(&self, py: Python<'py>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        if self.tensor().requires_grad() && !force {
            return Err(PyRuntimeError::new_err(
                "a tensor that requires a gradient is not handed to NumPy; use .detach().numpy()",
            ));
        }
        array::to_numpy(py, self.tensor())
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.numpy(py, false)?;
        let array = match dtype {
            Some(dtype) => array.call_method1("astype", (dtype,))?,
            None => array,
        };
        if copy == Some(true) { array.call_method0("copy") } else { Ok(array) }
    }

    fn __bool__(&self) -> PyResult<bool> {
        if self.tensor().numel() != 1 {
            return Err(PyValueError::new_err(format!(
                "the truth of a tensor of shape {} is ambiguous; use .any() or .all()",
                self.tensor().shape()
            )));
        }
        Ok(match engine(|| host::item(self.tensor()))? {
            Number::Bool(x) => x,
            Number::Int(x) => x != 0,
            Number::Float(x) => x != 0.0,
        })
    }

    fn __float__(&self) -> PyResult<f64> {
        Ok(match engine(|| host::item(self.tensor()))? {
            Number::Bool(x) => f64::from(u8::from(x)),
            Number::Int(x) => x as f64,
            Number::Float(x) => x,
        })
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.get_type::<pyo3::types::PyInt>().call1((self.item(py)?,))
    }

    fn __index__(&self) -> PyResult<i64> {
        match engine(|| host::item(self.tensor()))? {
            Number::Int(x) => Ok(x),
            _ => Err(PyTypeError::new_err("only an integer tensor of one element can be used as an index")),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let t = slf.get().tensor();
        if !t.is_leaf() {
            return Err(PyTypeError::new_err(
                "only leaves can be pickled; use .detach() of a computed tensor",
            ));
        }
        let rebuild = py.import("retrograd._core")?.getattr("rebuild_tensor")?;
        let array = array::bits(py, t)?;
        let args = (array, t.dtype().name(), t.requires_grad(), slf.get_type());
        Ok((rebuild, args.into_pyobject(py)?))
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<String> {
        let t = slf.get().tensor();
        let py = slf.py();
        if let Err(e) = engine(|| host::check_readable(t)) {
            let _ = e;
            return Ok(format!(
                "tensor(<no single value>, shape={}, dtype=retrograd.{})",
                t.shape(),
                t.dtype()
            ));
        }
        let options = PyDict::new(py);
        options.set_item("separator", ", ")?;
        options.set_item("prefix", "tensor(")?;
        options.set_item("precision", 4)?;
        options.set_item("threshold", 1000)?;
        let array = array::readable(py, t)?;
        let mut text = if t.numel() == 0 && t.rank() != 1 {
            format!("[], size={}", t.shape())
        } else {
            py.import("numpy")?.call_method("array2string", (array,), Some(&options))?.to_string()
        };
        let named_by_its_digits = matches!(t.dtype(), DType::F32 | DType::I64 | DType::Bool);
        if !named_by_its_digits || (t.numel() == 0 && t.dtype() != DType::F32) {
            text.push_str(&format!(", dtype=retrograd.{}", t.dtype()));
        }
        if let Some((node, _)) = t.history() {
            text.push_str(&format!(", grad_fn=<{}>", node.op().name()));
        } else if t.requires_grad() {
            text.push_str(", requires_grad=True");
        }
        let is_parameter = slf.is_instance_of::<crate::module::PyParameter>();
        Ok(if is_parameter {
            format!("Parameter containing:\ntensor({text})")
        } else {
            format!("tensor({text})")
        })
    }
}
