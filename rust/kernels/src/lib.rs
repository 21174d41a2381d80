//! SIMD kernels: they take raw pointers, shapes and element strides, write into outputs they
//! are given, and know nothing of tensors, tapes or allocation.
mod cache;
pub mod copy;
pub mod dims;
pub mod elem;
pub mod formula;
pub mod gemm;
pub mod index;
pub mod map;
mod nest;
pub mod norm;
pub mod operand;
pub mod optim;
pub mod philox;
pub mod pool;
pub mod reduce;
mod row;
pub mod simd;
pub mod softmax;
#[cfg(test)]
mod testing;
mod transpose;

pub use dims::{Dims, MAX_RANK, Shape, Strides};
