//! Conversion between dtypes.
use half::{bf16, f16};
use retrograd_kernels::copy;
use retrograd_kernels::elem::{Bool, Elem};
use smallvec::smallvec;

use super::attrs::op;
use super::{Accepts, Info, Metas, OpDef, View, info};
use crate::autograd::Back;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Meta;

op! {
    /// The operand in another dtype. A gradient is cast back.
    pub struct Cast {
        /// The dtype of the result.
        dtype: DType,
    }
}

/// Copies `x`, broadcast and converted, to `y`.
pub(crate) fn convert(x: &View, y: &View) {
    fn from<A: Elem>(x: &View, y: &View) {
        macro_rules! to {
            ($b:ty) => {{
                let strides = x.strides_for(y.shape());
                // SAFETY: shapes and strides describe the operands' memory.
                unsafe { copy::cast::<A, $b>(y.shape(), x.read_with(&strides), y.write()) }
            }};
        }
        match y.dtype() {
            DType::Bool => to!(Bool),
            DType::U8 => to!(u8),
            DType::I32 => to!(i32),
            DType::I64 => to!(i64),
            DType::F16 => to!(f16),
            DType::BF16 => to!(bf16),
            DType::F32 => to!(f32),
            DType::F64 => to!(f64),
        }
    }
    match x.dtype() {
        DType::Bool => from::<Bool>(x, y),
        DType::U8 => from::<u8>(x, y),
        DType::I32 => from::<i32>(x, y),
        DType::I64 => from::<i64>(x, y),
        DType::F16 => from::<f16>(x, y),
        DType::BF16 => from::<bf16>(x, y),
        DType::F32 => from::<f32>(x, y),
        DType::F64 => from::<f64>(x, y),
    }
}

impl OpDef for Cast {
    const INFO: Info = info("cast", &["input"]).accepts(&[Accepts::Any]).elementwise().samples(&[
        "(3,4) dtype=float64",
        "(3,4) dtype=float32",
        "(4,3).T dtype=bfloat16",
        "(0,4) dtype=float64",
        "() dtype=float64",
        "(3,4)::2 dtype=int64",
        "(3,4)i5 dtype=float32",
        "(3,4)b dtype=float32",
        "(3,4)i2 dtype=bool",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![Meta::new(x[0].shape, self.dtype)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        convert(&x[0], &y[0]);
        Ok(())
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let dtype = b.meta(0).dtype;
        b.add(0, b.op(Cast { dtype }, (b.g()?,))?)
    }
}
