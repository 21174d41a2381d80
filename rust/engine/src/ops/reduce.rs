//! Reductions over some of the dimensions.
use half::{bf16, f16};
use retrograd_kernels::operand::Out;
use retrograd_kernels::{Shape, Strides, reduce};
use smallvec::smallvec;

use super::attrs::{DimSet, op};
use super::cast::Cast;
use super::compare::{Compare, Kind};
use super::packed::Packed;
use super::pointwise::{Div, Mul};
use super::shape::{Expand, Reshape};
use super::{Accepts, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::scratch::Scratch;
use crate::tensor::Tensor;
use crate::vmap::BatchArg;

op! {
    /// The sum over `dims`; of nothing, 0.
    pub struct Sum {
        /// The dimensions summed over.
        dims: DimSet,
        /// Whether they stay, with extent one.
        keepdim: bool,
    }

    /// The largest over `dims`; NaN where there is one.
    pub struct Max {
        /// The dimensions searched.
        dims: DimSet,
        /// Whether they stay, with extent one.
        keepdim: bool,
    }

    /// The smallest over `dims`; NaN where there is one.
    pub struct Min {
        /// The dimensions searched.
        dims: DimSet,
        /// Whether they stay, with extent one.
        keepdim: bool,
    }

    /// The position of the largest over `dims`, in row-major order over them; the first of equals.
    pub struct ArgMax {
        /// The dimensions searched.
        dims: DimSet,
        /// Whether they stay, with extent one.
        keepdim: bool,
    }

    /// The position of the smallest over `dims`, in row-major order over them; the first of equals.
    pub struct ArgMin {
        /// The dimensions searched.
        dims: DimSet,
        /// Whether they stay, with extent one.
        keepdim: bool,
    }
}

const SAMPLES: &[&str] = &[
    "(3,4) dims=(0,1) keepdim=false",
    "(3,4) dims=(0,) keepdim=true",
    "(3,4) dims=(1,) keepdim=false",
    "(2,3,5) dims=(0,2) keepdim=false",
    "(4,3).T dims=(1,) keepdim=false",
    "(1,) dims=(0,) keepdim=false",
    "(3,4)::2 dims=(0,) keepdim=false",
    "(5000,) dims=(0,) keepdim=false",
    "(70,130) dims=(0,) keepdim=false",
    "(3,4)i9 dims=(1,) keepdim=false",
    "(3,4)b dims=(1,) keepdim=false",
];
const SUM_SAMPLES: &[&str] = &[
    "(3,4) dims=(0,1) keepdim=false",
    "(3,4) dims=(0,) keepdim=true",
    "(3,4) dims=(1,) keepdim=false",
    "(2,3,5) dims=(0,2) keepdim=false",
    "(4,3).T dims=(1,) keepdim=false",
    "() dims=() keepdim=false",
    "(0,4) dims=(0,) keepdim=false",
    "(0,4) dims=(1,) keepdim=true",
    "(3,4)::2 dims=(0,) keepdim=false",
    "(5000,) dims=(0,) keepdim=false",
    "(70,130) dims=(0,) keepdim=false",
    "(3,4)i9 dims=(1,) keepdim=false",
];

/// The shape after reducing `dims`.
fn reduced(shape: &Shape, dims: DimSet, keepdim: bool) -> Result<Shape> {
    if dims.end() > shape.len() {
        bail!(
            Index,
            "dimension {} is out of range for a tensor of {} dimensions",
            dims.end() - 1,
            shape.len()
        );
    }
    let mut out = Shape::new();
    for (i, &d) in shape.iter().enumerate() {
        if !dims.contains(i) {
            let _ = out.push(d);
        } else if keepdim {
            let _ = out.push(1);
        }
    }
    Ok(out)
}

/// What a search gives; fails where the extreme of nothing is asked for.
fn searched(x: &Meta, dims: DimSet, keepdim: bool, dtype: DType) -> Result<Metas> {
    let shape = &x.shape;
    let result = Meta::new(reduced(shape, dims, keepdim)?, dtype);
    let inner: usize = shape.iter().enumerate().filter(|(i, _)| dims.contains(*i)).map(|(_, d)| d).product();
    if inner == 0 {
        bail!(Value, "no elements have no extreme: shape {shape} is empty along the dimensions searched");
    }
    Ok(smallvec![result])
}

/// Kept and reduced dimensions of an operand, and where the kept ones go.
struct Split {
    outer: Shape,
    inner: Shape,
    x_outer: Strides,
    x_inner: Strides,
    y_outer: Strides,
}

impl Split {
    fn new(x: &View, strides: &Strides, y: &View, dims: DimSet, keepdim: bool) -> Self {
        let mut s = Split {
            outer: Shape::new(),
            inner: Shape::new(),
            x_outer: Strides::new(),
            x_inner: Strides::new(),
            y_outer: Strides::new(),
        };
        let mut next = 0;
        for (i, &d) in x.shape().iter().enumerate() {
            // No list can be longer than the operand's own.
            if dims.contains(i) {
                let _ = s.inner.push(d) && s.x_inner.push(strides[i]);
                next += usize::from(keepdim);
            } else {
                let _ = s.outer.push(d) && s.x_outer.push(strides[i]) && s.y_outer.push(y.strides[next]);
                next += 1;
            }
        }
        s
    }
}

macro_rules! run_reduction {
    ($op:expr, $x:expr, $y:expr, $r:expr, $kernel:ident, $workspace:ident) => {{
        let (x, y) = (&$x[0], &$y[0]);
        let packed = Packed::in_order(x, $op.dims)?;
        let s = Split::new(x, &packed.strides, y, $op.dims, $op.keepdim);
        macro_rules! run {
            ($t:ty) => {{
                let scratch = Scratch::new(reduce::$workspace::<$t>(&s.outer, &s.inner))?;
                let out = Out { ptr: y.ptr.cast(), strides: &s.y_outer };
                // SAFETY: shapes and strides describe the operand's and the output's memory.
                unsafe {
                    reduce::$kernel::<$t, _>(
                        $r,
                        &s.outer,
                        &s.inner,
                        packed.ptr(),
                        &s.x_outer,
                        &s.x_inner,
                        out,
                        scratch.ptr(),
                    )
                }
            }};
        }
        match x.dtype() {
            DType::F32 => run!(f32),
            DType::F64 => run!(f64),
            DType::BF16 => run!(bf16),
            DType::F16 => run!(f16),
            DType::I64 => run!(i64),
            DType::I32 => run!(i32),
            DType::U8 | DType::Bool => run!(u8),
        }
        Ok(())
    }};
}

/// A tensor of the reduced shape, with the reduced dimensions put back as extents of one.
fn kept(b: &Back, reduced: &Tensor, full: &Shape, dims: DimSet) -> Result<Tensor> {
    let mut shape = *full;
    for (i, d) in shape.iter_mut().enumerate() {
        if dims.contains(i) {
            *d = 1;
        }
    }
    if reduced.shape() == &shape { Ok(reduced.clone()) } else { b.op(Reshape { shape }, [reduced]) }
}

macro_rules! batch_reduction {
    () => {
        fn batch(&self, _x: &mut [BatchArg]) -> Result<Op> {
            Ok(Self { dims: self.dims.shifted(), ..*self }.into())
        }
    };
}

impl OpDef for Sum {
    const INFO: Info = info("sum", &["input"]).accepts(&[Accepts::Number]).samples(SUM_SAMPLES);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        Ok(smallvec![Meta::new(reduced(&x[0].shape, self.dims, self.keepdim)?, x[0].dtype)])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        run_reduction!(self, x, y, reduce::Sum, reduce, workspace)
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let full = b.meta(0).shape;
        let mut g = b.g()?;
        // Leading dimensions come back by broadcasting alone.
        if !self.dims.is_leading() {
            g = kept(b, &g, &full, self.dims)?;
        }
        b.add(0, b.op(Expand { shape: full }, [&g])?)
    }
    batch_reduction!();
}

/// An extreme and its position: the op, its name, what finds it.
macro_rules! extremes {
    ($($value:ident $text:literal, $position:ident $position_text:literal;)*) => { $(
        impl OpDef for $value {
            const INFO: Info = info($text, &["input"])
                .accepts(&[Accepts::Any])
                .saves(&[(0, Save::X(0)), (0, Save::Y(0))])
                .samples(SAMPLES);

            fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                searched(x[0], self.dims, self.keepdim, x[0].dtype)
            }
            fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                run_reduction!(self, x, y, reduce::$value, reduce, workspace)
            }
            fn vjp(&self, b: &mut Back) -> Result<()> {
                share_among_winners(b, self.dims)
            }
            batch_reduction!();
        }

        impl OpDef for $position {
            const INFO: Info =
                info($position_text, &["input"]).accepts(&[Accepts::Any]).no_gradient().samples(SAMPLES);

            fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                searched(x[0], self.dims, self.keepdim, DType::I64)
            }
            fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                run_reduction!(self, x, y, reduce::$position, arg_reduce, arg_workspace)
            }
            fn vjp(&self, _b: &mut Back) -> Result<()> {
                Ok(())
            }
            batch_reduction!();
        }
    )* };
}

extremes! {
    Max "max", ArgMax "argmax";
    Min "min", ArgMin "argmin";
}

/// Equal winners share the gradient evenly.
fn share_among_winners(b: &mut Back, dims: DimSet) -> Result<()> {
    let x = b.x(0)?;
    let full = *x.shape();
    let (y, g) = (kept(b, &b.y(0)?, &full, dims)?, kept(b, &b.g()?, &full, dims)?);
    let won = b.op(Compare { kind: Kind::Eq }, [&x, &y])?;
    let won = b.op(Cast { dtype: x.dtype() }, [&won])?;
    let count = b.op(Sum { dims, keepdim: true }, [&won])?;
    let share = b.op(Div {}, [&g, &count])?;
    b.add(0, b.op(Mul {}, [&won, &share])?)
}
