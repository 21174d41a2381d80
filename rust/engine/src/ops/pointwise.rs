//! Operators whose every output element depends on one element of each operand.
use retrograd_kernels::operand::In;
use retrograd_kernels::{Shape, Strides, formula, map};
use smallvec::smallvec;

use super::attrs::op;
use super::compare::{Compare, Kind};
use super::select::Where;
use super::{Accepts, Info, Metas, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::with_float;
use crate::error::Result;
use crate::layout::{Meta, broadcast};
use crate::tensor::Tensor;

pub(super) const UNARY: &[&str] =
    &["(3,4)", "()", "(0,4)", "(1,)", "(4,3).T", "(3,4)::2", "(2,3,5)", "(1037,)"];
const UNARY_POSITIVE: &[&str] = &["(3,4)+", "()+", "(0,4)+", "(1,)+", "(4,3).T+", "(3,4)::2+", "(1037,)+"];
pub(super) const BINARY: &[&str] = &[
    "(3,4) (3,4)",
    "() ()",
    "(0,4) (0,4)",
    "(3,4) (4,)",
    "(3,1) (1,4)",
    "(1,) (3,4)",
    "() (3,4)",
    "(4,3).T (3,4)",
    "(4,3).T (4,3).T",
    "(3,4)::2 (3,1)",
    "(2,3,5) (3,1)",
    "(1037,) (1037,)",
];
const BINARY_POSITIVE: &[&str] = &[
    "(3,4)+ (3,4)+",
    "()+ ()+",
    "(0,4)+ (0,4)+",
    "(3,4)+ (4,)+",
    "(3,1)+ (1,4)+",
    "(4,3).T+ (3,4)+",
    "(3,4)::2+ (3,1)+",
    "(1037,)+ (1037,)+",
];

const POWERS: &[&str] = &[
    "(3,4)+ (3,4)+",
    "()+ ()+",
    "(0,4)+ (0,4)+",
    "(3,4)+ (4,)+",
    "(3,1)+ (1,4)+",
    "(4,3).T+ (3,4)+",
    "(3,4)::2+ (3,1)+",
    "(3,4)i9 (3,4)i19",
    "(1037,)+ (1037,)+",
];
const DIVISION: &[&str] = &[
    "(3,4) (3,4)",
    "() ()",
    "(0,4) (0,4)",
    "(3,4) (4,)",
    "(4,3).T (3,4)",
    "(3,4)::2 (3,1)",
    "(3,4)i9 (3,4)i5",
    "(1037,) (1037,)",
];
const CLAMP: &[&str] = &[
    "(3,4) min=-1.0 max=1.5 closed=true",
    "(3,4) min=0.0 max=6.0 closed=false",
    "() min=0.0 max=1.0 closed=true",
    "(0,4) min=0.0 max=1.0 closed=true",
    "(4,3).T min=-0.5 max=0.5 closed=true",
    "(3,4)::2 min=1.0 max=-1.0 closed=true",
    "(1037,) min=-1.0 max=1.0 closed=true",
];
const CLAMP_BACKWARD: &[&str] = &[
    "(3,4) (3,4) min=-1.0 max=1.5 closed=true",
    "(3,4) (3,4) min=0.0 max=6.0 closed=false",
    "() () min=0.0 max=1.0 closed=true",
    "(0,4) (0,4) min=0.0 max=1.0 closed=true",
    "(4,3).T (4,) min=-0.5 max=0.5 closed=true",
    "(3,4)::2 (3,1) min=1.0 max=-1.0 closed=true",
];

/// The shape rule: operands broadcast, the dtype stays.
pub(super) fn elementwise(x: &[&Meta]) -> Result<Metas> {
    let shape = match x {
        [a] => a.shape,
        [a, b] if a.shape == b.shape => a.shape,
        _ => {
            let shapes: smallvec::SmallVec<[_; 4]> = x.iter().map(|m| &m.shape).collect();
            broadcast(&shapes)?
        }
    };
    Ok(smallvec![Meta::new(shape, x[0].dtype)])
}

/// Calls a kernel with each operand read under `shape`: by its own strides where it has that shape, else broadcast.
#[inline(always)]
fn with_inputs<T: Copy, const N: usize>(x: &[View], shape: &Shape, kernel: impl FnOnce([In<T>; N])) {
    let mut inputs = [In { ptr: std::ptr::null(), strides: &[] as &[isize] }; N];
    let mut broadcast = [Strides::new(); N];
    for ((input, strides), x) in inputs.iter_mut().zip(&mut broadcast).zip(x) {
        input.ptr = x.ptr.cast_const().cast();
        input.strides = if x.shape() == shape {
            x.strides
        } else {
            *strides = x.strides_for(shape);
            strides
        };
    }
    kernel(inputs)
}

/// Runs a formula over floating-point operands.
pub(super) fn float<F, const N: usize>(f: F, x: &[View], y: &[View]) -> Result<()>
where
    F: map::Formula<N>,
{
    let (y, shape) = (y[0], y[0].shape());
    with_float!(y.dtype(), T => {
        // SAFETY: shapes and strides describe the operands' memory.
        with_inputs(x, shape, |inputs| unsafe { map::float::<T, F, N>(f, shape, inputs, y.write()) })
    });
    Ok(())
}

/// Runs a formula over operands of any number type.
fn number<F, const N: usize>(f: F, x: &[View], y: &[View]) -> Result<()>
where
    F: map::Formula<N> + map::IntFormula<N>,
{
    use crate::dtype::DType;
    macro_rules! int {
        ($t:ty) => {{
            let (y, shape) = (y[0], y[0].shape());
            // SAFETY: shapes and strides describe the operands' memory.
            with_inputs(x, shape, |inputs| unsafe { map::int::<$t, F, N>(f, shape, inputs, y.write()) });
            Ok(())
        }};
    }
    match y[0].dtype() {
        DType::I64 => int!(i64),
        DType::I32 => int!(i32),
        DType::U8 => int!(u8),
        _ => float(f, x, y),
    }
}

/// An elementwise op: `name { attributes }, operands, dtypes, saves, samples, kernel, formula, vjp`. With `as op`, kernel and
/// vjp know the op and so its attributes by that name.
macro_rules! pointwise {
    ($(
        $(#[$doc:meta])* $name:ident $({ $($(#[$fdoc:meta])* $field:ident: $t:ty),* $(,)? })? ($($operand:ident),+)
        $(as $this:ident)? = $text:literal,
        $accepts:ident, saves $saves:expr, samples $samples:expr, $kernel:ident($formula:expr),
        vjp |$b:ident| $vjp:expr;
    )*) => { $(
        op! { $(#[$doc])* pub struct $name { $($($(#[$fdoc])* $field: $t),*)? } }

        impl OpDef for $name {
            const INFO: Info = info($text, &[$(stringify!($operand)),+])
                .accepts(&[$({ let _ = stringify!($operand); Accepts::$accepts }),+])
                .saves($saves)
                .elementwise()
                .samples($samples);

            fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                elementwise(x)
            }
            fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                $(let $this = self;)?
                $kernel($formula, x, y)
            }
            fn vjp(&self, $b: &mut Back) -> Result<()> {
                $(let $this = self;)?
                $vjp
            }
        }
    )* };
}
pub(super) use pointwise;

use Save::{X, Y};

pointwise! {
    /// `input + other`.
    Add(input, other) = "add", Number, saves &[], samples BINARY, number(formula::Add),
    vjp |b| { let g = b.g()?; b.add(0, g.clone())?; b.add(1, g) };

    /// `input - other`.
    Sub(input, other) = "sub", Number, saves &[], samples BINARY, number(formula::Sub),
    vjp |b| {
        let g = b.g()?;
        b.add(0, g.clone())?;
        if b.needs(1) { b.add(1, b.op(Neg {}, (g,))?)?; }
        Ok(())
    };

    /// `input * other`.
    Mul(input, other) = "mul", Number, saves &[(0, X(1)), (1, X(0))], samples BINARY, number(formula::Mul),
    vjp |b| {
        let g = b.g()?;
        if !b.needs(0) { return b.add(1, b.op(Mul {}, (g, b.x(0)?))?); }
        if b.needs(1) { b.add(1, b.op(Mul {}, (&g, b.x(0)?))?)?; }
        b.add(0, b.op(Mul {}, (g, b.x(1)?))?)
    };

    /// `input / other`; integers are cast to a floating-point dtype by the caller.
    Div(input, other) = "div", Float, saves &[(0, X(1)), (1, X(0)), (1, X(1))], samples BINARY_POSITIVE,
    float(formula::Div),
    vjp |b| {
        let other = b.x(1)?;
        let ga = b.op(Div {}, (b.g()?, &other))?;
        if b.needs(1) {
            let quotient = b.op(Div {}, (b.x(0)?, other))?;
            b.add(1, b.op(Neg {}, (b.op(Mul {}, (&ga, quotient))?,))?)?;
        }
        b.add(0, ga)
    };

    /// `input` to the power of `exponent`; of integers it wraps, and is rounded towards zero where the exponent is negative.
    Pow(input, exponent) = "pow", Number, saves &[(0, X(0)), (0, X(1)), (1, X(0)), (1, X(1)), (1, Y(0))],
    samples POWERS, number(formula::Pow),
    vjp |b| {
        let (g, x, e) = (b.g()?, b.x(0)?, b.x(1)?);
        let zero = b.constant(0.0, &x)?;
        let at_zero = |b: &Back, also: Tensor| {
            let never = b.constant(0.0, &also)?;
            b.op(Where {}, (b.op(Compare { kind: Kind::Eq }, [&x, &zero])?, also, never))
        };
        if b.needs(0) {
            let mut flat = b.op(Compare { kind: Kind::Eq }, [&e, &zero])?;
            if e.requires_grad() {
                // This slope's own, by e, is 1 / x where e is 0.
                flat = at_zero(b, flat)?;
            }
            // x ** 0 does not change with x: 0 ** -1 must not make it NaN.
            let less = b.op(Sub {}, (&e, b.constant(1.0, &e)?))?;
            let less = b.op(Where {}, (flat, &zero, less))?;
            let slope = b.op(Mul {}, (&e, b.op(Pow {}, (&x, less))?))?;
            b.add(0, b.op(Mul {}, (&g, slope))?)?;
        }
        if b.needs(1) {
            // 0 ** e does not change with e, unless that is negative: log(0) must not make it NaN.
            let flat = at_zero(b, b.op(Compare { kind: Kind::Ge }, [&e, &zero])?)?;
            let base = b.op(Where {}, (flat, b.constant(1.0, &x)?, &x))?;
            let slope = b.op(Mul {}, (b.y(0)?, b.op(Log {}, (base,))?))?;
            b.add(1, b.op(Mul {}, (g, slope))?)?;
        }
        Ok(())
    };

    /// `input / other` rounded down; of integers, 0 where `other` is.
    FloorDivide(input, other) = "floor_divide", Number, saves &[], samples DIVISION, number(formula::FloorDiv),
    vjp |b| {
        for i in 0..2 {
            if b.needs(i) { b.add(i, crate::make::zeros(b.meta(i))?)?; }
        }
        Ok(())
    };

    /// What [`FloorDivide`] leaves of `input`: it has the sign of `other`; of integers, 0 where `other` is.
    Remainder(input, other) = "remainder", Number, saves &[(1, X(0)), (1, X(1))], samples DIVISION,
    number(formula::Remainder),
    vjp |b| {
        let g = b.g()?;
        if b.needs(1) {
            let quotient = b.op(FloorDivide {}, (b.x(0)?, b.x(1)?))?;
            b.add(1, b.op(Neg {}, (b.op(Mul {}, (&g, quotient))?,))?)?;
        }
        b.add(0, g)
    };

    /// The larger of the two; NaN where either is.
    Maximum(input, other) = "maximum", Number, saves &[(0, X(0)), (0, X(1)), (1, X(0)), (1, X(1))],
    samples BINARY, number(formula::Maximum), vjp |b| extremum(b);

    /// The smaller of the two; NaN where either is.
    Minimum(input, other) = "minimum", Number, saves &[(0, X(0)), (0, X(1)), (1, X(0)), (1, X(1))],
    samples BINARY, number(formula::Minimum),
    vjp |b| extremum(b);

    /// `-input`.
    Neg(input) = "neg", Number, saves &[], samples UNARY, number(formula::Neg),
    vjp |b| b.add(0, b.op(Neg {}, (b.g()?,))?);

    /// The absolute value; its derivative at zero is zero.
    Abs(input) = "abs", Number, saves &[(0, X(0))], samples UNARY, number(formula::Abs),
    vjp |b| {
        let (g, x) = (b.g()?, b.x(0)?);
        let zero = b.constant(0.0, &x)?;
        let up = b.op(Where {}, [&b.op(Compare { kind: Kind::Gt }, [&x, &zero])?, &g, &zero])?;
        let down = b.op(Where {}, [&b.op(Compare { kind: Kind::Lt }, [&x, &zero])?, &g, &zero])?;
        b.add(0, b.op(Sub {}, (up, down))?)
    };

    /// e to the power of `input`.
    Exp(input) = "exp", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Exp),
    vjp |b| b.add(0, b.op(Mul {}, (b.g()?, b.y(0)?))?);

    /// The natural logarithm.
    Log(input) = "log", Float, saves &[(0, X(0))], samples UNARY_POSITIVE, float(formula::Log),
    vjp |b| b.add(0, b.op(Div {}, (b.g()?, b.x(0)?))?);

    /// The square root.
    Sqrt(input) = "sqrt", Float, saves &[(0, Y(0))], samples UNARY_POSITIVE, float(formula::Sqrt),
    vjp |b| {
        let y = b.y(0)?;
        b.add(0, b.op(Div {}, (b.g()?, b.op(Add {}, [&y, &y])?))?)
    };

    /// 1 / the square root.
    Rsqrt(input) = "rsqrt", Float, saves &[(0, Y(0))], samples UNARY_POSITIVE, float(formula::Rsqrt),
    vjp |b| {
        let y = b.y(0)?;
        let (square, half) = (b.op(Square {}, [&y])?, b.constant(-0.5, &y)?);
        let slope = b.op(Mul {}, (b.op(Mul {}, (square, y))?, half))?;
        b.add(0, b.op(Mul {}, (b.g()?, slope))?)
    };

    /// 1 / `input`.
    Reciprocal(input) = "reciprocal", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Reciprocal),
    vjp |b| {
        let square = b.op(Square {}, (b.y(0)?,))?;
        b.add(0, b.op(Neg {}, (b.op(Mul {}, (b.g()?, square))?,))?)
    };

    /// `input * input`.
    Square(input) = "square", Number, saves &[(0, X(0))], samples UNARY, number(formula::Square),
    vjp |b| {
        let x = b.x(0)?;
        b.add(0, b.op(Mul {}, (b.g()?, b.op(Add {}, [&x, &x])?))?)
    };

    /// 1, -1, or the zero or NaN that `input` is; its derivative is zero.
    Sign(input) = "sign", Number, saves &[], samples UNARY, number(formula::Sign),
    vjp |b| b.add(0, crate::make::zeros(b.meta(0))?);

    /// `min(max(input, min), max)`; NaN stays.
    Clamp {
        /// The lower bound; minus infinity for none.
        min: f64,
        /// The upper bound, which wins where it is below the lower one; infinity for none.
        max: f64,
        /// Whether the derivative at the bounds themselves is 1, not 0.
        closed: bool,
    } (input) as op = "clamp", Float, saves &[(0, X(0))], samples CLAMP,
    float(formula::Clamp { min: op.min, max: op.max }),
    vjp |b| b.add(0, b.op(ClampBackward { min: op.min, max: op.max, closed: op.closed }, (b.x(0)?, b.g()?))?);

    /// `grad` where `input` is between `min` and `max`, else zero.
    ClampBackward {
        /// The lower bound.
        min: f64,
        /// The upper bound.
        max: f64,
        /// Whether the bounds themselves count as between.
        closed: bool,
    } (input, grad) as op = "clamp_backward", Float, saves &[(1, X(0))], samples CLAMP_BACKWARD,
    float(formula::ClampGrad { min: op.min, max: op.max, closed: op.closed }),
    vjp |b| if b.needs(1) { b.add(1, b.op(*op, (b.x(0)?, b.g()?))?) } else { Ok(()) };

    /// `exp(input) - 1`, exact near zero.
    Expm1(input) = "expm1", Float, saves &[(0, Y(0))], samples UNARY, float(formula::Expm1),
    vjp |b| {
        let y = b.y(0)?;
        let one = b.constant(1.0, &y)?;
        b.add(0, b.op(Mul {}, (b.g()?, b.op(Add {}, (y, one))?))?)
    };

    /// `log(1 + input)`, exact near zero.
    Log1p(input) = "log1p", Float, saves &[(0, X(0))], samples UNARY_POSITIVE, float(formula::Log1p),
    vjp |b| {
        let x = b.x(0)?;
        let one = b.constant(1.0, &x)?;
        b.add(0, b.op(Div {}, (b.g()?, b.op(Add {}, (x, one))?))?)
    };

    /// The sine.
    Sin(input) = "sin", Float, saves &[(0, X(0))], samples UNARY, float(formula::Sin),
    vjp |b| b.add(0, b.op(Mul {}, (b.g()?, b.op(Cos {}, (b.x(0)?,))?))?);

    /// The cosine.
    Cos(input) = "cos", Float, saves &[(0, X(0))], samples UNARY, float(formula::Cos),
    vjp |b| b.add(0, b.op(Neg {}, (b.op(Mul {}, (b.g()?, b.op(Sin {}, (b.x(0)?,))?))?,))?);

    /// The error function.
    Erf(input) = "erf", Float, saves &[(0, X(0))], samples UNARY, float(formula::Erf),
    vjp |b| {
        // 2 / sqrt(pi) e^(-x^2)
        let square = b.op(Square {}, (b.x(0)?,))?;
        let bell = b.op(Exp {}, (b.op(Neg {}, (square,))?,))?;
        let scale = b.constant(std::f64::consts::FRAC_2_SQRT_PI, &bell)?;
        b.add(0, b.op(Mul {}, (b.g()?, b.op(Mul {}, (bell, scale))?))?)
    };
}

/// The gradient goes to the operand that won; where both did, half to each.
fn extremum(b: &mut Back) -> Result<()> {
    let (g, x0, x1) = (b.g()?, b.x(0)?, b.x(1)?);
    let half = b.op(Mul {}, [&g, &b.constant(0.5, &g)?])?;
    let tie = b.op(Compare { kind: Kind::Eq }, [&x0, &x1])?;
    let zero = b.constant(0.0, &g)?;
    // The first operand wins where picking it gives the op's own result.
    let is_max = matches!(b.kind(), super::Op::Maximum(_));
    for (i, kind) in
        [(0, if is_max { Kind::Gt } else { Kind::Lt }), (1, if is_max { Kind::Lt } else { Kind::Gt })]
    {
        if b.needs(i) {
            let won = b.op(Compare { kind }, [&x0, &x1])?;
            let alone = b.op(Where {}, [&won, &g, &zero])?;
            b.add(i, b.op(Where {}, (&tie, &half, alone))?)?;
        }
    }
    Ok(())
}
