//! Matrix products.
use retrograd_kernels::gemm::{self, Batch, Gemm};
use retrograd_kernels::operand::Out;
use retrograd_kernels::{Shape, Strides};
use smallvec::smallvec;

use super::attrs::op;
use super::shape::{Permute, Reshape};
use super::{Accepts::Float, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::layout::{Meta, broadcast, reshape_strides};
use crate::scratch::Scratch;
use crate::tensor::Tensor;
use crate::vmap::BatchArg;

op! {
    /// The matrix product of the last two dimensions; those before broadcast.
    pub struct Matmul {}

    /// The product of two matrices where `output` is above zero, else zero: the same bits as the two ops one after the other.
    pub struct MatmulReluBackward {}
}

/// One matrix as the kernel reads it.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub ptr: *mut u8,
    /// From row to row.
    pub rows: isize,
    /// From column to column.
    pub cols: isize,
}

impl Matrix {
    /// The last two dimensions of a tensor.
    pub fn new(v: &View) -> Self {
        let r = v.shape().len();
        Self { ptr: v.ptr, rows: v.strides[r - 2], cols: v.strides[r - 1] }
    }

    /// The same matrix with rows for columns.
    pub fn transposed(self) -> Self {
        Self { ptr: self.ptr, rows: self.cols, cols: self.rows }
    }
}

/// `c = activation(a @ b + bias along rows)`, or that added to `c`, for each of a batch.
pub(super) struct Product<'a> {
    pub dtype: DType,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Matrix,
    pub b: Matrix,
    pub c: Matrix,
    pub adds: bool,
    pub bias: Option<(*const u8, isize)>,
    pub activation: gemm::Activation,
    pub gate: Option<Matrix>,
    /// Where the sum of each row of `a` goes, or is added to, and the stride. Not of a batch.
    pub row_sums: Option<(*mut u8, isize)>,
    pub batch: Batch<'a>,
}

/// What most products leave out.
pub(super) const PLAIN: Product<'static> = Product {
    dtype: DType::F32,
    m: 0,
    n: 0,
    k: 0,
    a: NOWHERE,
    b: NOWHERE,
    c: NOWHERE,
    adds: false,
    bias: None,
    activation: gemm::Activation::None,
    gate: None,
    row_sums: None,
    batch: Batch { shape: &[], a: &[], b: &[], c: &[] },
};

const NOWHERE: Matrix = Matrix { ptr: std::ptr::null_mut(), rows: 0, cols: 0 };

impl Product<'_> {
    // Small products feel it when all this goes through memory.
    #[inline(always)]
    pub fn run(self) -> Result<()> {
        macro_rules! run {
            ($t:ty) => {{
                let problem = Gemm::<$t> {
                    m: self.m,
                    n: self.n,
                    k: self.k,
                    a: self.a.ptr.cast(),
                    a_rs: self.a.rows,
                    a_cs: self.a.cols,
                    b: self.b.ptr.cast(),
                    b_rs: self.b.rows,
                    b_cs: self.b.cols,
                    c: self.c.ptr.cast(),
                    c_rs: self.c.rows,
                    c_cs: self.c.cols,
                    alpha: 1.0,
                    beta: if self.adds { 1.0 } else { 0.0 },
                    bias: self.bias.map(|(ptr, stride)| (ptr.cast(), stride)),
                    activation: self.activation,
                    gate: self.gate.map(|gate| (gate.ptr.cast_const().cast(), gate.rows, gate.cols)),
                };
                let is_batch = !self.batch.shape.is_empty();
                let scratch = Scratch::new(gemm::workspace::<$t>(self.m, self.n, self.k, is_batch))?;
                if let Some((sums, stride)) = self.row_sums {
                    let room = Scratch::new(gemm::row_sums_workspace::<$t>(self.m, self.k))?;
                    let sums = Out { ptr: sums.cast(), strides: &[stride] };
                    // SAFETY: the matrices and the sums lie within the operands, as their views say.
                    unsafe { gemm::gemm_and_row_sums(&problem, sums, scratch.ptr(), room.ptr()) };
                    return Ok(());
                }
                // SAFETY: the matrices lie within the operands, as their views say.
                unsafe { gemm::gemm(&problem, self.batch, scratch.ptr()) };
                Ok(())
            }};
        }
        match self.dtype {
            DType::F32 => run!(f32),
            DType::F64 => run!(f64),
            DType::BF16 => run!(half::bf16),
            other => bail!(Unsupported, "of {other} matrices is not supported yet; cast them to float32"),
        }
    }
}

/// Calls `f` with the operand as one matrix of all its rows; rows that lie unevenly are brought together first.
pub(super) fn with_rows(
    x: &View,
    rows: usize,
    cols: usize,
    f: impl FnOnce(Matrix) -> Result<()>,
) -> Result<()> {
    if **x.shape() == [rows, cols] {
        return f(Matrix::new(x));
    }
    if let Some(s) = reshape_strides(x.shape(), x.strides, &[rows, cols]) {
        return f(Matrix { ptr: x.ptr, rows: s[0], cols: s[1] });
    }
    let packed = Scratch::new(rows * cols * x.dtype().size())?;
    let strides = x.shape().contiguous_strides();
    super::memory::copy_view(x, &View { ptr: packed.ptr(), meta: x.meta, strides: &strides });
    f(Matrix { ptr: packed.ptr(), rows: cols as isize, cols: 1 })
}

/// The last two dimensions swapped.
pub(super) fn transposed(b: &Back, x: &Tensor) -> Result<Tensor> {
    let mut dims = Shape::filled(0, x.rank());
    for (i, d) in dims.iter_mut().enumerate() {
        *d = i;
    }
    let rank = x.rank();
    dims.swap(rank - 1, rank - 2);
    b.op(Permute { dims }, [x])
}

/// All dimensions but the last as one.
pub(super) fn rows(b: &Back, x: Tensor) -> Result<Tensor> {
    if x.rank() == 2 {
        return Ok(x);
    }
    let last = x.shape()[x.rank() - 1];
    let count = x.shape()[..x.rank() - 1].iter().product();
    b.op(Reshape { shape: Shape::from_slice(&[count, last]).unwrap_or_default() }, [&x])
}

impl OpDef for Matmul {
    const INFO: Info = info("matmul", &["input", "other"])
        .accepts(&[Float, Float])
        .saves(&[(0, Save::X(1)), (1, Save::X(0))])
        .samples(&[
            "(3,4) (4,5)",
            "(1,1) (1,1)",
            "(4,3).T (4,5)",
            "(3,4) (5,4).T",
            "(2,3,4) (4,5)",
            "(2,3,4) (2,4,5)",
            "(2,1,3,4) (5,4,2)",
            "(5,3,4) (5,4,1)",
            "(5,1,4) (4,6)",
            "(0,4) (4,5)",
            "(3,0) (0,5)",
            "(3,4) (4,0)",
            "(3,8)::2 (8,5)",
            "(33,65) (65,17)",
            "(1,64) (64,48)",
            "(64,300) (300,2)",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let (a, b) = (&x[0].shape, &x[1].shape);
        if a.len() < 2 || b.len() < 2 {
            bail!(Value, "operands of shapes {a} and {b} must have at least two dimensions");
        }
        let (ra, rb) = (a.len(), b.len());
        if a[ra - 1] != b[rb - 2] {
            bail!(
                Value,
                "shapes {a} and {b} do not fit: the first has {} columns, the second {} rows; they must be equal",
                a[ra - 1],
                b[rb - 2]
            );
        }
        let mut shape = *a;
        if rb == 2 {
            shape[ra - 1] = b[1];
        } else {
            let lead = |s: &Shape| Shape::from_slice(&s[..s.len() - 2]).unwrap_or_default();
            shape = broadcast(&[&lead(a), &lead(b)])?;
            let _ = shape.push(a[ra - 2]);
            let _ = shape.push(b[rb - 1]);
        }
        Ok(smallvec![Meta::new(shape, x[0].dtype)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (a, b, c) = (&x[0], &x[1], &y[0]);
        let rank = c.shape().len();
        let (m, n, k) = (c.shape()[rank - 2], c.shape()[rank - 1], a.shape()[a.shape().len() - 1]);
        // One matrix on the right serves all rows on the left: one large product. The result is contiguous.
        if b.shape().len() == 2 {
            let total = c.shape()[..rank - 1].iter().product();
            let c = Matrix { ptr: c.ptr, rows: n as isize, cols: 1 };
            return with_rows(a, total, k, |a| {
                Product { dtype: b.dtype(), m: total, n, k, a, b: Matrix::new(b), c, ..PLAIN }.run()
            });
        }
        let lead = &c.shape()[..rank - 2];
        let batch_strides = |v: &View| -> Strides {
            let r = v.shape().len() - 2;
            crate::layout::broadcast_strides(&v.shape()[..r], &v.strides[..r], lead)
        };
        let (sa, sb, sc) = (batch_strides(a), batch_strides(b), batch_strides(c));
        Product {
            dtype: c.dtype(),
            m,
            n,
            k,
            a: Matrix::new(a),
            b: Matrix::new(b),
            c: Matrix::new(c),
            batch: Batch { shape: lead, a: &sa, b: &sb, c: &sc },
            ..PLAIN
        }
        .run()
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        if b.needs(0) {
            let other = transposed(b, &b.x(1)?)?;
            b.add(0, b.op(Matmul {}, [&g, &other])?)?;
        }
        if b.needs(1) {
            let mut x = b.x(0)?;
            let mut g = g;
            // A matrix that served a whole batch gets its gradient from one product, not from a sum of many.
            if b.meta(1).shape.len() == 2 {
                x = rows(b, x)?;
                g = rows(b, g)?;
            }
            let x = transposed(b, &x)?;
            b.add(1, b.op(Matmul {}, [&x, &g])?)?;
        }
        Ok(())
    }

    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        let rank = x.iter().map(|a| a.example_shape().len()).max().unwrap_or(0);
        x.iter_mut().try_for_each(|a| a.pad_to_rank(rank))?;
        Ok((*self).into())
    }
}

impl OpDef for MatmulReluBackward {
    const INFO: Info = info("matmul_relu_backward", &["input", "other", "output"])
        .accepts(&[Float, Float, Float])
        .no_gradient()
        .samples(&[
            "(3,4) (4,5) (3,5)",
            "(1,4) (4,1) (1,1)",
            "(0,4) (4,5) (0,5)",
            "(3,0) (0,5) (3,5)",
            "(4,3).T (5,4).T (5,3).T",
            "(3,4) (4,8)::2 (3,8)::2",
            "(64,300) (300,2) (64,2)",
            "(33,65) (65,17) (33,17)",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let (a, b, output) = (&x[0].shape, &x[1].shape, &x[2].shape);
        let fits = a.len() == 2 && b.len() == 2 && a[1] == b[0] && **output == [a[0], b[1]];
        if !fits {
            bail!(
                Value,
                "input {a}, other {b} and output {output} do not fit: they must be (m, k), (k, n) and (m, n)"
            );
        }
        Ok(smallvec![Meta::new(*output, x[0].dtype)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (a, b, c) = (&x[0], &x[1], &y[0]);
        let (m, n, k) = (c.shape()[0], c.shape()[1], a.shape()[1]);
        let gate = Some(Matrix::new(&x[2]));
        let (a, b, c) = (Matrix::new(a), Matrix::new(b), Matrix::new(c));
        Product { dtype: y[0].dtype(), m, n, k, a, b, c, gate, ..PLAIN }.run()
    }

    fn vjp(&self, _b: &mut Back) -> Result<()> {
        Ok(())
    }
}

/// A vector as a matrix of one row.
pub(super) fn as_rows(b: &Back, x: Tensor) -> Result<Tensor> {
    if x.rank() != 1 {
        return Ok(x);
    }
    b.op(Reshape { shape: Shape::from_slice(&[1, x.numel()]).unwrap_or_default() }, [&x])
}
