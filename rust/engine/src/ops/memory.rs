//! Copying and overwriting.
use retrograd_kernels::copy;
use smallvec::smallvec;

use super::attrs::op;
use super::cast::convert;
use super::{Accepts, Info, Metas, OpDef, View, info};
use crate::autograd::Back;
use crate::dtype::with_width;
use crate::error::{Result, bail};
use crate::host;
use crate::layout::{Meta, broadcast};

op! {
    /// A contiguous copy.
    pub struct Clone {}

    /// `src`, broadcast and cast to what `input` is; in place, `input` is overwritten with it.
    pub struct CopyInto {}

    /// `value` all over, in `input`'s shape and dtype; in place, `input` is overwritten with it.
    pub struct Fill {
        /// What to fill with, cast to the dtype.
        value: f64,
    }
}

/// Copies `x`, broadcast, to `y` of the same dtype.
pub(crate) fn copy_view(x: &View, y: &View) {
    let strides = x.strides_for(y.shape());
    with_width!(y.dtype(), T => {
        // SAFETY: shapes and strides describe the operands' memory.
        unsafe { copy::copy::<T>(y.shape(), x.read_with(&strides), y.write()) }
    });
}

impl OpDef for Clone {
    const INFO: Info = info("clone", &["input"])
        .accepts(&[Accepts::Any])
        .elementwise()
        .row_major()
        .samples(&["(3,4)", "()", "(0,4)", "(4,3).T", "(3,4)::2", "(3,4)i5", "(3,4)b", "(65,130).T"]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        copy_view(&x[0], &y[0]);
        Ok(())
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        b.add(0, b.g()?)
    }
}

impl OpDef for CopyInto {
    const INFO: Info = info("copy_into", &["input", "src"])
        .accepts(&[Accepts::Any, Accepts::Any])
        .elementwise()
        .fills()
        .samples(&[
            "(3,4) (3,4)",
            "(3,4) (4,)",
            "(3,4) ()",
            "(0,4) (0,4)",
            "(4,3).T (3,1)",
            "(3,4)::2 (3,4)",
            "(3,4) (3,4)i5",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if broadcast(&[&x[0].shape, &x[1].shape]).ok() != Some(x[0].shape) {
            bail!(Value, "a source of shape {} does not broadcast to shape {}", x[1].shape, x[0].shape);
        }
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        if x[1].dtype() == y[0].dtype() {
            copy_view(&x[1], &y[0])
        } else {
            convert(&x[1], &y[0])
        }
        Ok(())
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        b.add(1, b.g()?)
    }
}

impl OpDef for Fill {
    const INFO: Info = info("fill", &["input"]).accepts(&[Accepts::Any]).elementwise().fills().samples(&[
        "(3,4) value=1.5",
        "() value=-2.0",
        "(0,4) value=1.0",
        "(4,3).T value=0.0",
        "(3,4)i5 value=3",
        "(3,4)b value=1",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![*x[0]])
    }
    fn run(&self, _x: &[View], y: &[View]) -> Result<()> {
        let mut element = 0u64;
        // SAFETY: eight bytes hold an element of any dtype.
        unsafe { host::write((&raw mut element).cast(), y[0].dtype(), self.value) };
        with_width!(y[0].dtype(), T => {
            // SAFETY: the element was written at the start of those bytes; the view is valid.
            unsafe { copy::fill::<T>(y[0].shape(), y[0].write(), *(&raw const element).cast::<T>()) }
        });
        Ok(())
    }
    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
