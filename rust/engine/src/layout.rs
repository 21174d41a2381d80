//! Shapes with dtypes, strides, and the questions asked of them.
use retrograd_kernels::{Dims, MAX_RANK, Shape, Strides};

use crate::dtype::DType;
use crate::error::{Result, bail};

/// What an operator's shape and dtype rule sees of an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meta {
    /// The extent of each dimension.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
}

impl Meta {
    /// A meta of `shape` and `dtype`.
    pub fn new(shape: Shape, dtype: DType) -> Self {
        Self { shape, dtype }
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }
}

/// Where a tensor's elements lie in its storage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// The extent of each dimension.
    pub shape: Shape,
    /// Distances between neighbours, in elements.
    pub strides: Strides,
    /// The first element's position in the storage, in elements.
    pub offset: usize,
}

impl Layout {
    /// Row-major from the storage's start.
    pub fn contiguous(shape: Shape) -> Self {
        Self { shape, strides: shape.contiguous_strides(), offset: 0 }
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        is_contiguous(&self.shape, &self.strides)
    }

    /// First and one-past-last element position touched; equal where there is none.
    pub fn span(&self) -> (usize, usize) {
        if self.shape.numel() == 0 {
            return (self.offset, self.offset);
        }
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for (&d, &s) in self.shape.iter().zip(self.strides.iter()) {
            let reach = (d as isize - 1) * s;
            if reach < 0 { low += reach } else { high += reach }
        }
        (low as usize, high as usize + 1)
    }
}

/// Whether `strides` are row-major for `shape`; extents of one may have any stride.
pub fn is_contiguous(shape: &[usize], strides: &[isize]) -> bool {
    let mut step = 1isize;
    for (&d, &s) in shape.iter().zip(strides).rev() {
        if d == 0 {
            return true;
        }
        if d != 1 && s != step {
            return false;
        }
        step *= d as isize;
    }
    true
}

/// Whether some element is reached by two indices.
pub fn overlaps_itself(shape: &[usize], strides: &[isize]) -> bool {
    shape.iter().zip(strides).any(|(&d, &s)| d > 1 && s == 0)
}

/// The shape two or more operands broadcast to.
pub fn broadcast(shapes: &[&Shape]) -> Result<Shape> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = Shape::filled(1, rank);
    for shape in shapes {
        let lead = rank - shape.len();
        for (i, &d) in shape.iter().enumerate() {
            let o = &mut out[lead + i];
            if *o == 1 {
                *o = d;
            } else if d != 1 && d != *o {
                let all: Vec<String> = shapes.iter().map(|s| s.to_string()).collect();
                bail!(
                    Value,
                    "shapes {} do not broadcast: extents {} and {d} differ; they must be equal, or one of them 1",
                    all.join(" and "),
                    *o
                );
            }
        }
    }
    Ok(out)
}

/// Strides that read an operand of `shape` and `strides` as if it had shape `to`.
pub fn broadcast_strides(shape: &[usize], strides: &[isize], to: &[usize]) -> Strides {
    let lead = to.len() - shape.len();
    let mut out = Strides::filled(0, to.len());
    for i in 0..shape.len() {
        // An extent of one is repeated, whatever its stride says.
        out[lead + i] = if shape[i] == 1 { 0 } else { strides[i] };
    }
    out
}

/// How a result of `shape` lies if it is to lie as its operands (shape and strides) do: the dimensions in the order of their
/// strides, side by side. Operands that are repeated along a dimension have no say. `None`
/// where that is row-major, nobody has a say, or two disagree.
pub fn kept_strides<'a>(
    shape: &Shape,
    operands: impl Iterator<Item = (&'a Shape, &'a Strides)>,
) -> Option<Strides> {
    let mut kept = None;
    for (of, strides) in operands {
        if of != shape || overlaps_itself(of, strides) {
            continue;
        }
        let wish = dense_strides(shape, strides);
        if kept.is_some_and(|kept| kept != wish) {
            return None;
        }
        kept = Some(wish);
    }
    kept.filter(|strides| !is_contiguous(shape, strides))
}

/// Strides without gaps, of the same order as `like`. Those of extents of one, which may be any, depend on the shape alone.
fn dense_strides(shape: &Shape, like: &Strides) -> Strides {
    let mut order: Dims<usize> = Dims::new();
    for (d, _) in shape.iter().enumerate().filter(|&(_, &extent)| extent != 1) {
        // Behind what steps further; of equal steps, the earlier dimension is the outer one.
        let nearer = |&o: &usize| like[o].unsigned_abs() < like[d].unsigned_abs();
        let at = order.iter().position(nearer).unwrap_or(order.len());
        let _ = order.insert(at, d);
    }
    let mut strides = Strides::filled(1, shape.len());
    let mut step = 1;
    for &d in order.iter().rev() {
        strides[d] = step;
        step = step.saturating_mul(shape[d].max(1) as isize);
    }
    strides
}

/// A dimension counted from the front, where `dim` may be negative.
pub fn axis(dim: isize, rank: usize) -> Result<usize> {
    // A scalar takes dim 0 and -1, as in torch.
    let extent = rank.max(1) as isize;
    if dim < -extent || dim >= extent {
        bail!(
            Index,
            "dimension {dim} is out of range for a tensor of {rank} dimensions (use {} to {})",
            -extent,
            extent - 1
        );
    }
    Ok(if dim < 0 { dim + extent } else { dim } as usize)
}

/// Row-major strides of `shape`, and the bytes it takes, checked against what can be addressed.
#[inline(always)]
pub fn row_major(shape: &Shape, dtype: DType) -> Result<(Strides, usize)> {
    let mut strides = Strides::filled(0, shape.len());
    let (mut step, mut numel, mut overflows) = (1usize, 1usize, false);
    for i in (0..shape.len()).rev() {
        strides[i] = step as isize;
        let (next, over) = step.overflowing_mul(shape[i].max(1));
        (step, overflows) = (next, overflows | over);
        numel = numel.wrapping_mul(shape[i]);
    }
    if overflows || step > isize::MAX as usize / dtype.size() {
        // Rare: a true overflow, or one that an extent of zero makes up for.
        numel = checked_numel(shape, dtype)?;
        strides = shape.contiguous_strides();
    }
    Ok((strides, numel * dtype.size()))
}

/// The number of elements of `shape`, checked against what can be addressed.
pub fn checked_numel(shape: &Shape, dtype: DType) -> Result<usize> {
    match shape
        .checked_numel()
        .filter(|n| n.checked_mul(dtype.size()).is_some_and(|b| b <= isize::MAX as usize))
    {
        Some(n) => Ok(n),
        None => bail!(Value, "a tensor of shape {shape} has more elements than memory can address"),
    }
}

/// A shape from a list that may be too long.
pub fn shape_of(values: &[usize]) -> Result<Shape> {
    match Shape::from_slice(values) {
        Some(shape) => Ok(shape),
        None => bail!(Value, "{} dimensions are more than the {MAX_RANK} supported", values.len()),
    }
}

/// Strides that view `shape`/`strides` as `new` without a copy, where that is possible.
pub fn reshape_strides(shape: &[usize], strides: &[isize], new: &[usize]) -> Option<Strides> {
    if new.iter().product::<usize>() == 0 {
        return Some(Shape::from_slice(new)?.contiguous_strides());
    }
    let mut out = Strides::filled(0, new.len());
    // Walk both shapes from the back; each maximal run of old dimensions that is laid out
    // evenly may be cut anew.
    let mut j = new.len();
    let mut i = shape.len();
    while i > 0 {
        let mut start = i - 1;
        if shape[start] == 1 {
            i = start;
            continue;
        }
        let base = strides[start];
        let mut extent = shape[start];
        while start > 0 && (shape[start - 1] == 1 || strides[start - 1] == base * extent as isize) {
            extent *= shape[start - 1];
            start -= 1;
        }
        let mut step = base;
        let mut taken = 1;
        while j > 0 && taken < extent {
            let d = new[j - 1];
            out[j - 1] = step;
            taken *= d;
            step *= d as isize;
            j -= 1;
        }
        if taken != extent {
            return None;
        }
        i = start;
    }
    // What is left are extents of one.
    let mut step = if new.is_empty() { 1 } else { out.get(j).map_or(1, |&s| s * new[j] as isize) };
    while j > 0 {
        j -= 1;
        out[j] = step.max(1);
        step = out[j];
    }
    Some(out)
}
