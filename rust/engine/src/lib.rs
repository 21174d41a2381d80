//! Tensors, operators, reverse-mode automatic differentiation and replay.
pub mod alloc;
pub mod apply;
pub mod autograd;
pub mod dtype;
pub mod error;
pub mod generator;
pub mod host;
mod huge;
pub mod layout;
pub mod make;
mod mode;
pub mod ops;
pub mod replay;
mod scratch;
pub mod storage;
pub mod tensor;
mod view;
pub mod vmap;

pub use dtype::DType;
pub use error::{Error, Kind, Result};
pub use retrograd_kernels as kernels;
pub use tensor::Tensor;
