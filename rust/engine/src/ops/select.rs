//! Choosing between two operands element by element.
use retrograd_kernels::map;
use smallvec::smallvec;

use super::attrs::op;
use super::{Accepts, Info, Metas, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::with_width;
use crate::error::Result;
use crate::layout::{Meta, broadcast};
use crate::make;

op! {
    /// `input` where `condition`, else `other`.
    pub struct Where {}
}

impl OpDef for Where {
    const INFO: Info = info("where", &["condition", "input", "other"])
        .accepts(&[Accepts::Bool, Accepts::Same, Accepts::Same])
        .saves(&[(1, Save::X(0)), (2, Save::X(0))])
        .elementwise()
        .samples(&[
            "(3,4)b (3,4) (3,4)",
            "(3,1)b (4,) ()",
            "(0,4)b (0,4) (0,4)",
            "(4,3).Tb (3,4) (3,4)::2",
            "()b (3,4) (3,4)",
            "(3,4)b (3,4)i5 (4,)i5",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![Meta::new(broadcast(&[&x[0].shape, &x[1].shape, &x[2].shape])?, x[1].dtype)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let shape = y[0].shape();
        let s: [_; 3] = std::array::from_fn(|i| x[i].strides_for(shape));
        with_width!(y[0].dtype(), T => {
            // SAFETY: shapes and strides describe the operands' memory.
            unsafe {
                map::select::<T>(shape, x[0].read_with(&s[0]), x[1].read_with(&s[1]), x[2].read_with(&s[2]), y[0].write())
            }
        });
        Ok(())
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let (g, condition) = (b.g()?, b.x(0)?);
        let zero = make::zeros(Meta::new(Default::default(), g.dtype()))?;
        if b.needs(1) {
            b.add(1, b.op(Where {}, [&condition, &g, &zero])?)?;
        }
        if b.needs(2) {
            b.add(2, b.op(Where {}, [&condition, &zero, &g])?)?;
        }
        Ok(())
    }
}
