//! Randomness. A draw takes a key from a generator's state; what is made from the key is a function of it.
use std::cmp::Ordering;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use retrograd_kernels::{Shape, philox};
use smallvec::smallvec;

use super::attrs::op;
use super::{Accepts, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::{DType, with_float};
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::vmap::BatchArg;

op! {
    /// Takes from a generator's `state` (seed and counter, int64) the key for `n` random numbers, and moves its counter on.
    pub struct Draw {
        /// How many numbers are to be made from the key.
        n: usize,
    }

    /// `input` with each element zeroed with probability `p`, the others scaled by `1 / (1 - p)`, as `key` decides.
    pub struct Dropout {
        /// The probability to zero an element.
        p: f64,
    }

    /// Numbers from `low` to `high`, all as likely, in `input`'s shape and dtype.
    pub struct Uniform {
        /// The smallest.
        low: f64,
        /// Above the largest.
        high: f64,
    }

    /// Normally distributed numbers in `input`'s shape and dtype.
    pub struct Normal {
        /// Their mean.
        mean: f64,
        /// Their standard deviation.
        std: f64,
    }
}

fn key_shape() -> Shape {
    Shape::from_slice(&[2]).unwrap_or_default()
}

fn check_key(key: &Meta) -> Result<()> {
    if key.shape != key_shape() {
        bail!(Value, "a key has shape (2,), not {}", key.shape);
    }
    Ok(())
}

/// Seed and counter.
fn key_of(key: &View) -> (u64, u64) {
    let ptr = key.ptr.cast_const().cast::<i64>();
    // SAFETY: a key holds two int64 values.
    unsafe { (*ptr as u64, *ptr.offset(key.strides[0]) as u64) }
}

impl OpDef for Draw {
    const INFO: Info = info("draw", &["state"])
        .accepts(&[Accepts::Index])
        .no_gradient()
        .mutates(&[0])
        .samples(&["(2,)i9 n=5"]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_key(x[0])?;
        Ok(smallvec![Meta::new(key_shape(), DType::I64)])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let state = x[0].ptr.cast::<i64>();
        let key = y[0].ptr.cast::<i64>();
        let used = philox::counters_used(self.n) as i64;
        // SAFETY: state and key hold two int64 values each; several threads may draw from one state, so
        // the counter is moved atomically.
        unsafe {
            let counter = AtomicI64::from_ptr(state.offset(x[0].strides[0]));
            *key = *state;
            *key.add(1) = counter.fetch_add(used, Relaxed);
        }
        Ok(())
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}

impl OpDef for Dropout {
    const INFO: Info = info("dropout", &["input", "key"])
        .accepts(&[Accepts::Float, Accepts::Index])
        .saves(&[(0, Save::X(1))])
        .samples(&[
            "(3,4) (2,)i9 p=0.5",
            "() (2,)i9 p=0.25",
            "(0,4) (2,)i9 p=0.5",
            "(4,3).T (2,)i9 p=0.5",
            "(1037,) (2,)i9 p=0.1",
            "(3,4)::2 (2,)i9 p=0.0",
            "(3,4) (2,)i9 p=1.0",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if !(0.0..=1.0).contains(&self.p) {
            bail!(Value, "the probability must be from 0 to 1, not {}", self.p);
        }
        check_key(x[1])?;
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (seed, counter) = key_of(&x[1]);
        with_float!(y[0].dtype(), T => {
            // SAFETY: shapes and strides describe the operands' memory.
            unsafe { philox::dropout::<T>(seed, counter, self.p, y[0].shape(), x[0].read(), y[0].write()) }
        });
        Ok(())
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        b.add(0, b.op(*self, (b.g()?, b.x(1)?))?)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        if x[1].batched {
            bail!(Unsupported, "with a batched key is not supported under vmap");
        }
        Ok((*self).into())
    }
}

impl OpDef for Uniform {
    const INFO: Info =
        info("uniform", &["input", "key"]).accepts(&[Accepts::Float, Accepts::Index]).fills().samples(&[
            "(3,4) (2,)i9 low=-1.0 high=2.0",
            "(0,4) (2,)i9 low=0.0 high=1.0",
            "(1037,) (2,)i9 low=0.0 high=1.0",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if self.low.partial_cmp(&self.high).is_none_or(Ordering::is_gt) {
            bail!(Value, "low ({}) must not exceed high ({})", self.low, self.high);
        }
        let range = self.high - self.low;
        let is_finite = if x[0].dtype == DType::F64 { range.is_finite() } else { (range as f32).is_finite() };
        if !is_finite {
            bail!(Value, "the range from {} to {} is beyond {}", self.low, self.high, x[0].dtype);
        }
        check_key(x[1])?;
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (seed, counter) = key_of(&x[1]);
        with_float!(y[0].dtype(), T => {
            // SAFETY: the output is fresh and contiguous.
            unsafe { philox::uniform::<T>(seed, counter, self.low, self.high, y[0].numel(), y[0].ptr.cast()) }
        });
        Ok(())
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}

impl OpDef for Normal {
    const INFO: Info =
        info("normal", &["input", "key"]).accepts(&[Accepts::Float, Accepts::Index]).fills().samples(&[
            "(3,4) (2,)i9 mean=-1.0 std=2.0",
            "(0,4) (2,)i9 mean=0.0 std=1.0",
            "(1037,) (2,)i9 mean=0.0 std=1.0",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if self.std.partial_cmp(&0.0).is_none_or(Ordering::is_lt) {
            bail!(Value, "the standard deviation must not be negative, got {}", self.std);
        }
        check_key(x[1])?;
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (seed, counter) = key_of(&x[1]);
        with_float!(y[0].dtype(), T => {
            // SAFETY: the output is fresh and contiguous.
            unsafe { philox::normal::<T>(seed, counter, self.mean, self.std, y[0].numel(), y[0].ptr.cast()) }
        });
        Ok(())
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
