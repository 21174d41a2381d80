//! The PyO3 module `retrograd._core`: conversion and errors only.
mod array;
mod compile;
mod create;
mod dtype;
mod errors;
mod functional;
mod graph;
mod hooks;
mod module;
mod operand;
mod ops;
mod optim;
mod runtime;
mod sequence;
mod tensor;
mod tree;
mod vmap;

use pyo3::prelude::*;
use retrograd_engine::DType;

/// The compiled part of Retrograd.
#[pymodule]
#[allow(non_upper_case_globals, reason = "constants have their Python names")]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::compile::{Compiled, compile};
    #[pymodule_export]
    use super::create::{
        arange, as_tensor, cat, empty, empty_like, eye, from_numpy, full, full_like, ones, ones_like, rand,
        rand_like, randint, randn, randn_like, randperm, rebuild_tensor, stack, tensor, where_, zeros,
        zeros_like,
    };
    #[pymodule_export]
    use super::dtype::{PyDType, dtype_by_name};
    #[pymodule_export]
    use super::functional::{
        cross_entropy, dropout, elu, gelu, hardtanh, layer_norm, leaky_relu, linear, softplus,
    };
    #[pymodule_export]
    use super::graph::{
        EnableGrad, InferenceMode, NoGrad, PyNode, SetGradEnabled, backward, grad, is_grad_enabled,
    };
    #[pymodule_export]
    use super::hooks::Handle;
    #[pymodule_export]
    use super::module::{PyModule, PyParameter};
    #[pymodule_export]
    use super::ops::{Operator, op_list};
    #[pymodule_export]
    use super::optim::{adam_step, drop_grads, poke, sgd_step};
    #[pymodule_export]
    use super::runtime::{
        empty_cache, get_num_threads, get_rng_state, manual_seed, memory_stats, pool_worker_tasks,
        set_num_threads, set_rng_state, simd_level, simd_levels, structure_changed,
    };
    #[pymodule_export]
    use super::sequence::{call_in_turn, know_forwards};
    #[pymodule_export]
    use super::tensor::PyTensor;
    #[pymodule_export]
    use super::vmap::{Vmapped, vmap};

    // Constants, so that the generated stubs have them.
    #[pymodule_export]
    const float16: PyDType = PyDType(DType::F16);
    #[pymodule_export]
    const float32: PyDType = PyDType(DType::F32);
    #[pymodule_export]
    const float64: PyDType = PyDType(DType::F64);
    #[pymodule_export]
    const bfloat16: PyDType = PyDType(DType::BF16);
    #[pymodule_export]
    const int32: PyDType = PyDType(DType::I32);
    #[pymodule_export]
    const int64: PyDType = PyDType(DType::I64);
    #[pymodule_export]
    const uint8: PyDType = PyDType(DType::U8);
    #[pymodule_export]
    const bool: PyDType = PyDType(DType::Bool);
    #[pymodule_export]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, pyo3::types::PyModule>) -> PyResult<()> {
        runtime::check_simd()?;
        graph::install_interrupt_check();
        module.add("ops", ops::submodule(module.py())?)?;
        Ok(())
    }
}
