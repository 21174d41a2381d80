//! The operators. Each is a small `Copy` struct of attributes in one file of this folder, with all
//! that is known of it; the list at the end of this file makes the enum [`Op`] of them.
pub mod activation;
pub mod attrs;
pub mod cast;
pub mod cat;
pub mod compare;
pub mod draw;
pub mod index;
pub mod linear;
pub mod loss;
pub mod matmul;
pub mod memory;
pub mod norm;
pub mod optim;
mod packed;
pub mod pointwise;
pub mod reduce;
pub mod select;
pub mod shape;
pub mod softmax;

use retrograd_kernels::operand::{In, Out};
use retrograd_kernels::{Shape, Strides};
use smallvec::SmallVec;

use crate::autograd::Back;
use crate::dtype::{Category, DType};
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta, broadcast_strides};
use crate::vmap::BatchArg;
use attrs::{Attributes, Reader, Value};

/// The metas of an op's outputs.
pub type Metas = SmallVec<[Meta; 1]>;

/// What an operand may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Any dtype.
    Any,
    /// Any dtype, but the same as the first such operand.
    Same,
    /// A floating-point dtype, the same for all such operands.
    Float,
    /// A floating-point or integer dtype, the same for all such operands.
    Number,
    /// int64.
    Index,
    /// bool.
    Bool,
    /// float32 or float64 of its own, such as a step count or a vector of hyper-parameters.
    Real,
}

/// What a gradient needs of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Save {
    /// The operand of that position.
    X(usize),
    /// The output of that position.
    Y(usize),
}

/// What is known of an operator before it is called.
#[derive(Debug)]
pub struct Info {
    /// Its name: in Python, in messages, in the reference of the tests.
    pub name: &'static str,
    /// The operands' names.
    pub operands: &'static [&'static str],
    /// What each may be.
    pub accepts: &'static [Accepts],
    /// How many of the operands, the last ones, may be left out.
    pub optional: usize,
    /// Whether each operand stands for a list, all of the same length, one list after the other.
    pub variadic: bool,
    /// How many of the outputs, from the first, a gradient flows through.
    pub differentiable: usize,
    /// To compute the gradient of the operand (first), this must be saved (second).
    pub saves: &'static [(usize, Save)],
    /// Operands (lists, where variadic) that the op overwrites.
    pub mutates: &'static [usize],
    /// Whether each output element depends on the broadcast operands' elements at its own place
    /// alone: then it may run in place, and batching is a matter of aligning shapes.
    pub elementwise: bool,
    /// Whether the result lies in row-major order however the operands of an elementwise op lie.
    pub row_major: bool,
    /// Whether the first operand is there for its shape and dtype alone; in place it is filled.
    pub fills: bool,
    /// Calls the test sweep makes: operand shapes, then attributes.
    pub samples: &'static [&'static str],
}

/// Starts an [`Info`].
pub const fn info(name: &'static str, operands: &'static [&'static str]) -> Info {
    Info {
        name,
        operands,
        accepts: &[],
        optional: 0,
        variadic: false,
        differentiable: 1,
        saves: &[],
        mutates: &[],
        elementwise: false,
        row_major: false,
        fills: false,
        samples: &[],
    }
}

impl Info {
    /// What each operand may be.
    pub const fn accepts(mut self, accepts: &'static [Accepts]) -> Self {
        self.accepts = accepts;
        self
    }
    /// How many of the last operands may be left out.
    pub const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }
    /// What each operand's gradient needs of the forward pass.
    pub const fn saves(mut self, saves: &'static [(usize, Save)]) -> Self {
        self.saves = saves;
        self
    }
    /// Which operands are overwritten.
    pub const fn mutates(mut self, operands: &'static [usize]) -> Self {
        self.mutates = operands;
        self
    }
    /// The calls the test sweep makes.
    pub const fn samples(mut self, samples: &'static [&'static str]) -> Self {
        self.samples = samples;
        self
    }
    /// Each output element depends on the operands' elements at its place alone.
    pub const fn elementwise(mut self) -> Self {
        self.elementwise = true;
        self
    }
    /// The result lies in row-major order, not as the operands do.
    pub const fn row_major(mut self) -> Self {
        self.row_major = true;
        self
    }
    /// Only the first operand's shape and dtype count.
    pub const fn fills(mut self) -> Self {
        self.fills = true;
        self
    }
    /// Operands are lists.
    pub const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }
    /// No gradient flows through the op.
    pub const fn no_gradient(mut self) -> Self {
        self.differentiable = 0;
        self
    }

    /// Checks the number of operands and their dtypes.
    fn check(&self, x: &[&Meta]) -> Result<()> {
        let lists = self.operands.len();
        let least = lists - self.optional;
        let fits =
            if self.variadic { x.len().is_multiple_of(lists) } else { (least..=lists).contains(&x.len()) };
        if !fits {
            let count = if least < lists { format!("{least} to {lists}") } else { lists.to_string() };
            bail!(DType, "takes {count} operands ({}), got {}", self.operands.join(", "), x.len());
        }
        let per_list = if self.variadic { x.len() / lists } else { 1 };
        let mut common: Option<DType> = None;
        for (i, meta) in x.iter().enumerate() {
            let list = if self.variadic { i / per_list } else { i };
            let accepts = self.accepts[list];
            let d = meta.dtype;
            let fits = match accepts {
                Accepts::Any | Accepts::Same => true,
                Accepts::Float => d.is_float(),
                Accepts::Number => d.category() != Category::Bool,
                Accepts::Index => d == DType::I64,
                Accepts::Bool => d == DType::Bool,
                Accepts::Real => matches!(d, DType::F32 | DType::F64),
            };
            if !fits {
                let wanted = match accepts {
                    Accepts::Float => "a floating-point",
                    Accepts::Number => "a numeric",
                    Accepts::Index => "an int64",
                    Accepts::Bool => "a bool",
                    _ => "a float32 or float64",
                };
                bail!(
                    DType,
                    "'{}' must be {wanted} tensor, not {d}; cast it with .to()",
                    self.operands[list]
                );
            }
            if matches!(accepts, Accepts::Same | Accepts::Float | Accepts::Number) {
                let first = *common.get_or_insert(d);
                if first != d {
                    bail!(DType, "operands must share a dtype, not {first} and {d}; cast one with .to()");
                }
            }
        }
        Ok(())
    }
}

/// A tensor's memory as a kernel is given it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The first element.
    pub ptr: *mut u8,
    /// Shape and dtype.
    pub meta: &'a Meta,
    /// Distances between neighbours, in elements.
    pub strides: &'a Strides,
}

impl<'a> View<'a> {
    /// The shape.
    pub fn shape(&self) -> &'a Shape {
        &self.meta.shape
    }
    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.meta.dtype
    }
    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.meta.numel()
    }
    /// Strides that read it as the broadcast shape `to`.
    pub fn strides_for(&self, to: &[usize]) -> Strides {
        broadcast_strides(self.shape(), self.strides, to)
    }
    /// As a kernel's input, with its own strides.
    pub fn read<T>(&self) -> In<'a, T> {
        In { ptr: self.ptr.cast(), strides: self.strides }
    }
    /// As a kernel's input, read with other strides.
    pub fn read_with<'s, T>(&self, strides: &'s [isize]) -> In<'s, T> {
        In { ptr: self.ptr.cast(), strides }
    }
    /// As a kernel's output.
    pub fn write<T>(&self) -> Out<'a, T> {
        Out { ptr: self.ptr.cast(), strides: self.strides }
    }
}

/// All that is known of one operator. See `docs/architecture.md` for the contract of each method.
pub trait OpDef: Copy + Into<Op> + Attributes {
    /// Names, dtypes, what is saved, samples.
    const INFO: Info;

    /// The outputs' shapes and dtypes, or why the operands do not fit.
    fn infer(&self, x: &[&Meta]) -> Result<Metas>;

    /// Where the op only looks at its operand anew: how.
    fn view(&self, _x: &Layout) -> Option<Layout> {
        None
    }

    /// Computes the outputs into memory that is given.
    fn run(&self, x: &[View], y: &[View]) -> Result<()>;

    /// The vector-Jacobian product, in ops.
    fn vjp(&self, b: &mut Back) -> Result<()>;

    /// The op that does the same for operands with one more dimension in front. Operands without
    /// one may be given it by [`BatchArg::expand`].
    fn batch(&self, _x: &mut [BatchArg]) -> Result<Op> {
        bail!(Unsupported, "has no batching rule yet, so it cannot run under vmap")
    }
}

/// Makes the enum of all operators and the table that tests, bindings and listings read.
macro_rules! ops {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// Any operator, with its attributes.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Op { $($name($module::$name)),* }

        $(impl From<$module::$name> for Op {
            fn from(op: $module::$name) -> Op { Op::$name(op) }
        })*

        impl Op {
            /// What is known of the operator.
            pub fn info(&self) -> &'static Info {
                match self { $(Op::$name(_) => const { &$module::$name::INFO }),* }
            }
            pub(crate) fn infer(&self, x: &[&Meta]) -> Result<Metas> {
                self.info().check(x)?;
                match self { $(Op::$name(op) => op.infer(x)),* }
            }
            pub(crate) fn view(&self, x: &Layout) -> Option<Layout> {
                match self { $(Op::$name(op) => op.view(x)),* }
            }
            pub(crate) fn run(&self, x: &[View], y: &[View]) -> Result<()> {
                match self { $(Op::$name(op) => op.run(x, y)),* }
            }
            pub(crate) fn vjp(&self, b: &mut Back) -> Result<()> {
                match self { $(Op::$name(op) => op.vjp(b)),* }
            }
            pub(crate) fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
                match self { $(Op::$name(op) => op.batch(x)),* }
            }
        }

        /// Every operator, in the order of the list.
        pub const OPS: &[Entry] = &[$(Entry {
            info: &$module::$name::INFO,
            fields: <$module::$name as Attributes>::FIELDS,
            read: |values| Ok(Op::$name(<$module::$name as Attributes>::read(Reader::new(values))?)),
        }),*];
    };
}

/// A row of [`OPS`].
pub struct Entry {
    /// What is known of the operator.
    pub info: &'static Info,
    /// Name and kind of each attribute.
    pub fields: &'static [(&'static str, &'static str)],
    /// The operator with the given attributes.
    pub read: fn(&[(&str, Value)]) -> Result<Op>,
}

impl Op {
    /// The operator's name.
    pub fn name(&self) -> &'static str {
        self.info().name
    }
}

ops! {
    pointwise::Add, pointwise::Sub, pointwise::Mul, pointwise::Div, pointwise::Pow,
    pointwise::FloorDivide, pointwise::Remainder,
    pointwise::Maximum, pointwise::Minimum,
    pointwise::Neg, pointwise::Abs, pointwise::Exp, pointwise::Log, pointwise::Sqrt,
    pointwise::Rsqrt, pointwise::Reciprocal, pointwise::Square, pointwise::Sign, pointwise::Clamp, pointwise::ClampBackward,
    pointwise::Expm1, pointwise::Log1p, pointwise::Sin, pointwise::Cos, pointwise::Erf,
    activation::Tanh, activation::TanhBackward, activation::Sigmoid, activation::SigmoidBackward,
    activation::Relu, activation::ReluBackward, activation::Silu, activation::SiluBackward,
    activation::Gelu, activation::GeluBackward, activation::Softplus, activation::SoftplusBackward,
    activation::LeakyRelu, activation::LeakyReluBackward, activation::Elu, activation::EluBackward,
    compare::Compare, select::Where,
    matmul::Matmul, matmul::MatmulReluBackward,
    linear::Linear, linear::LinearActivation, linear::LinearBackward, linear::AddLinearBackward,
    reduce::Sum, reduce::Max, reduce::Min, reduce::ArgMax, reduce::ArgMin,
    shape::Reshape, shape::Permute, shape::Slice, shape::Expand, shape::SliceScatter, cat::Cat,
    index::Gather, index::ScatterAdd, index::IndexSelect, index::IndexAdd,
    cast::Cast, memory::Clone, memory::CopyInto, memory::Fill,
    loss::CrossEntropy, loss::CrossEntropyBackward,
    softmax::Softmax, softmax::SoftmaxBackward, softmax::LogSoftmax, softmax::LogSoftmaxBackward,
    norm::LayerNorm, norm::LayerNormBackward,
    draw::Draw, draw::Dropout, draw::Uniform, draw::Normal,
    optim::SgdStep, optim::AdamStep,
}
