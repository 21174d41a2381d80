//! Comparisons: their result is a bool tensor and has no gradient.
use half::{bf16, f16};
use retrograd_kernels::{formula, map};
use smallvec::smallvec;

use super::attrs::{choice, op};
use super::{Accepts::Same, Info, Metas, OpDef, View, info};
use crate::autograd::Back;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Meta, broadcast};

choice! {
    /// Which comparison.
    pub enum Kind {
        /// `==`
        Eq = "eq",
        /// `!=`
        Ne = "ne",
        /// `<`
        Lt = "lt",
        /// `<=`
        Le = "le",
        /// `>`
        Gt = "gt",
        /// `>=`
        Ge = "ge",
    }
}

op! {
    /// Compares two operands element by element; a NaN equals nothing.
    pub struct Compare {
        /// Which comparison.
        kind: Kind,
    }
}

impl OpDef for Compare {
    const INFO: Info =
        info("compare", &["input", "other"]).accepts(&[Same, Same]).no_gradient().elementwise().samples(&[
            "(3,4) (3,4) kind=lt",
            "(3,4)i3 (4,)i3 kind=eq",
            "(3,4)i3 (3,1)i3 kind=ne",
            "(0,4) (0,4) kind=le",
            "(4,3).T (3,4) kind=gt",
            "() (3,4)::2 kind=ge",
            "(3,4)b (3,4)b kind=eq",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![Meta::new(broadcast(&[&x[0].shape, &x[1].shape])?, DType::Bool)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let shape = y[0].shape();
        let (s0, s1) = (x[0].strides_for(shape), x[1].strides_for(shape));
        macro_rules! run {
            ($t:ty, $f:ident) => {
                // SAFETY: shapes and strides describe the operands' memory.
                unsafe {
                    map::compare::<$t, _>(
                        formula::$f,
                        shape,
                        x[0].read_with(&s0),
                        x[1].read_with(&s1),
                        y[0].write(),
                    )
                }
            };
        }
        macro_rules! kinds {
            ($t:ty) => {
                match self.kind {
                    Kind::Eq => run!($t, Eq),
                    Kind::Ne => run!($t, Ne),
                    Kind::Lt => run!($t, Lt),
                    Kind::Le => run!($t, Le),
                    Kind::Gt => run!($t, Gt),
                    Kind::Ge => run!($t, Ge),
                }
            };
        }
        match x[0].dtype() {
            DType::Bool | DType::U8 => kinds!(u8),
            DType::I32 => kinds!(i32),
            DType::I64 => kinds!(i64),
            DType::F16 => kinds!(f16),
            DType::BF16 => kinds!(bf16),
            DType::F32 => kinds!(f32),
            DType::F64 => kinds!(f64),
        }
        Ok(())
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}
