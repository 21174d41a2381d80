//! Random number generators: a seed and a counter, held in a tensor so that replays move it on too.
use std::sync::OnceLock;

use retrograd_kernels::Shape;

use crate::apply::{apply_in_place, apply1};
use crate::autograd::GradMode;
use crate::error::Result;
use crate::ops::draw::{Draw, Dropout, Normal, Uniform};
use crate::replay;
use crate::tensor::Tensor;

/// A source of random numbers.
pub struct Generator {
    state: Tensor,
}

impl Generator {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Result<Self> {
        let shape = Shape::from_slice(&[2]).unwrap_or_default();
        Ok(Self { state: Tensor::from_slice(&[seed as i64, 0], shape)? })
    }

    /// Starts anew from `seed`.
    pub fn seed(&self, seed: u64) -> Result<()> {
        self.set_state([seed as i64, 0])
    }

    /// Seed and counter.
    pub fn state(&self) -> [i64; 2] {
        // SAFETY: the state is a contiguous tensor of two int64 values.
        unsafe { *self.state.ptr().cast::<[i64; 2]>() }
    }

    /// Goes on from seed and counter.
    pub fn set_state(&self, state: [i64; 2]) -> Result<()> {
        replay::check_host_write("setting the state of random numbers")?;
        // SAFETY: as above.
        unsafe { *self.state.ptr().cast::<[i64; 2]>() = state }
        Ok(())
    }

    /// A key for `n` random numbers.
    pub fn key(&self, n: usize) -> Result<Tensor> {
        apply1(Draw { n }, &[&self.state])
    }

    /// Fills with numbers from `low` to `high`.
    pub fn uniform(&self, tensor: &Tensor, low: f64, high: f64) -> Result<()> {
        apply_in_place(Uniform { low, high }, &[tensor, &self.key(tensor.numel())?])
    }

    /// Fills with normally distributed numbers.
    pub fn normal(&self, tensor: &Tensor, mean: f64, std: f64) -> Result<()> {
        apply_in_place(Normal { mean, std }, &[tensor, &self.key(tensor.numel())?])
    }

    /// Zeroes each element with probability `p` and scales the others.
    pub fn dropout(&self, tensor: &Tensor, p: f64) -> Result<Tensor> {
        apply1(Dropout { p }, &[tensor, &self.key(tensor.numel())?])
    }

    /// A random order of 0 to `n` - 1.
    pub fn permutation(&self, n: usize) -> Result<Tensor> {
        let _no_grad = GradMode::set(false);
        let shape = crate::layout::shape_of(&[n])?;
        // Sorting by random keys: equal keys, rare in float64, stay in order.
        let keys = Tensor::empty(shape, crate::DType::F64)?;
        self.uniform(&keys, 0.0, 1.0)?;
        crate::host::check_readable(&keys)?;
        // SAFETY: a contiguous float64 tensor of n elements, which nobody else holds.
        let keys = unsafe { std::slice::from_raw_parts(keys.ptr().cast::<f64>(), n) };
        let mut order: Vec<i64> = (0..n as i64).collect();
        order.sort_by(|&a, &b| keys[a as usize].total_cmp(&keys[b as usize]));
        Tensor::from_slice(&order, shape)
    }
}

/// The generator used where none is named; starts from seed 0.
pub fn default_generator() -> Result<&'static Generator> {
    static DEFAULT: OnceLock<Generator> = OnceLock::new();
    if let Some(generator) = DEFAULT.get() {
        return Ok(generator);
    }
    let fresh = Generator::new(0)?;
    Ok(DEFAULT.get_or_init(|| fresh))
}
