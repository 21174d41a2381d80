//! What happens to a tile of sums on its way to `c`.
use super::{Activation, Sum, Vector};
use crate::formula::Relu;
use crate::map::Formula;
use crate::operand::Shared;
use crate::simd::{Float, FloatElem, FloatVec, Kernel, MAX_LANES, Simd};

/// How sums of one block of `k` become part of `c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<T> {
    pub alpha: T,
    /// The factor of what was there before, where it is read.
    pub beta: T,
    pub reads_old: bool,
    /// Where the elements of `c` are no sums, these wait between blocks elsewhere.
    pub reads_acc: bool,
    pub writes_acc: bool,
    /// Null for none. Added in the last block, one a column or one a row. Its elements are `c`'s, unnamed here: tiles
    /// are made for types of sums alone.
    pub bias: Shared<*const ()>,
    pub bias_rs: isize,
    pub bias_cs: isize,
    pub activation: Activation,
    /// Null for none: what of the last block is let through. Its elements are `c`'s.
    pub gate: Shared<*const ()>,
    pub gate_rs: isize,
    pub gate_cs: isize,
    /// Where tiles that round put the elements of `c`; null where they leave sums.
    pub rounded: Shared<*mut ()>,
    pub rounded_rs: isize,
}

impl<T: Float> Finish<T> {
    /// Just the sums.
    pub fn bare() -> Self {
        Self {
            alpha: T::from_f64(1.0),
            beta: T::default(),
            reads_old: false,
            reads_acc: false,
            writes_acc: false,
            bias: Shared(std::ptr::null()),
            bias_rs: 0,
            bias_cs: 0,
            activation: Activation::None,
            gate: Shared(std::ptr::null()),
            gate_rs: 0,
            gate_cs: 0,
            rounded: Shared(std::ptr::null_mut()),
            rounded_rs: 0,
        }
    }

    /// What is done where sums are no elements of `c`, if it can be on the way from registers: to where sums wait, or,
    /// `rounded`, to `c`.
    pub fn direct<E>(&self, rounded: Option<(*mut E, isize)>) -> Option<Self> {
        if !self.is_plain() {
            None
        } else if self.writes_acc {
            (self.reads_old == self.reads_acc).then_some(*self)
        } else {
            rounded.map(|(c, rs)| Self { rounded: Shared(c.cast()), rounded_rs: rs, ..*self })
        }
    }

    /// Where the gate has its element for that one of `c`, both of them `E`.
    #[inline(always)]
    pub fn gate_at<E>(&self, row: usize, column: usize) -> *const E {
        let at = row as isize * self.gate_rs + column as isize * self.gate_cs;
        self.gate.get().cast::<E>().wrapping_offset(at)
    }

    /// Whether it can be done on the way from registers to a `c` whose columns are close: where the sums are stored or added
    /// to it, and a bias and a gate are close along columns.
    pub fn is_plain(&self) -> bool {
        self.is_close((0, 1), |finish| finish.gate_cs)
    }

    /// Whether nothing but a bias is added to the sums of the last block.
    pub fn is_bare(&self) -> bool {
        !self.reads_old && self.activation == Activation::None && self.gate.get().is_null()
    }

    /// How sums that are elements of `c` get there.
    pub fn way(&self, c_rs: isize, c_cs: isize) -> Way {
        if c_cs == 1 && self.is_plain() {
            Way::Plain
        } else if c_rs == 1 && self.is_close((1, 0), |finish| finish.gate_rs) {
            Way::Turned
        } else {
            Way::Long
        }
    }

    /// Whether sums are stored or added, a bias has these strides, and a gate that one of one.
    fn is_close(&self, bias: (isize, isize), gate: impl Fn(&Self) -> isize) -> bool {
        let one = T::from_f64(1.0);
        let bias_is_close = self.bias.get().is_null() || (self.bias_rs, self.bias_cs) == bias;
        let gate_is_close = self.gate.get().is_null() || gate(self) == 1;
        self.alpha == one && (!self.reads_old || self.beta == one) && bias_is_close && gate_is_close
    }
}

/// How a tile of sums gets to `c`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From registers, a row at a time.
    Plain,
    /// A column at a time, [turned](super::turned_c).
    Turned,
    /// Through [`FinishTile`].
    Long,
}

impl Activation {
    /// Of each lane.
    #[inline(always)]
    pub(super) fn of<V: FloatVec>(self, x: V) -> V {
        match self {
            Activation::None => x,
            Activation::Relu => Relu.eval([x]),
        }
    }
}

/// The value where the gate is above zero, else zero.
#[inline(always)]
pub(super) fn gated<S: Simd, T: Float>(simd: S, value: T::Vec<S>, gate: T::Vec<S>) -> T::Vec<S> {
    let zero = T::Vec::<S>::zero(simd);
    FloatVec::select(gate.gt(zero), value, zero)
}

/// A tile of sums that takes the long way.
pub(super) struct FinishTile<'a, E: FloatElem> {
    /// Of the first of its blocks of `k`, and of the last.
    pub finish: &'a Finish<Sum<E>>,
    /// Rows of `stride` sums.
    pub sums: *const Sum<E>,
    pub stride: usize,
    /// How many blocks of `k` the sums are of, and from one's to the next's.
    pub blocks: usize,
    pub block_stride: usize,
    pub rows: usize,
    pub columns: usize,
    /// Where the tile is in the whole.
    pub row: usize,
    pub column: usize,
    pub c: *mut E,
    pub c_rs: isize,
    pub c_cs: isize,
    pub acc: *mut Sum<E>,
    pub acc_rs: isize,
}

impl<E: FloatElem> Kernel for FinishTile<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = Vector::<E, S>::LANES;
        for r in 0..self.rows {
            for j in (0..self.columns).step_by(lanes) {
                let n = lanes.min(self.columns - j);
                // SAFETY: the tile is inside `c`, and `sums` has whole vectors.
                unsafe { self.vector(simd, r, j, n) };
            }
        }
    }
}

impl<E: FloatElem> FinishTile<'_, E> {
    /// Finishes `n` elements of row `r` from column `j` on.
    #[inline(always)]
    unsafe fn vector<S: Simd>(&self, simd: S, r: usize, j: usize, n: usize) {
        let finish = self.finish;
        // SAFETY: as promised by whoever made the tile.
        unsafe {
            let c = self.c.wrapping_offset(r as isize * self.c_rs + j as isize * self.c_cs);
            let acc = self.acc.wrapping_offset(r as isize * self.acc_rs + j as isize);
            let sums = Vector::<E, S>::load(simd, self.sums.add(r * self.stride + j));
            let alpha = Vector::<E, S>::splat(simd, finish.alpha);
            let mut value = if finish.reads_old {
                let beta = Vector::<E, S>::splat(simd, finish.beta);
                let old = if finish.reads_acc {
                    load::<S, Sum<E>>(simd, acc, 1, n)
                } else {
                    load::<S, E>(simd, c, self.c_cs, n)
                };
                alpha.mul_add(sums, beta * old)
            } else {
                alpha * sums
            };
            for block in 1..self.blocks {
                let sums = self.sums.add(block * self.block_stride + r * self.stride + j);
                value = alpha.mul_add(Vector::<E, S>::load(simd, sums), value);
            }
            if !finish.bias.get().is_null() {
                let (row, column) = ((self.row + r) as isize, (self.column + j) as isize);
                let bias = finish.bias.get().cast::<E>();
                let bias = bias.offset(row * finish.bias_rs + column * finish.bias_cs);
                value = value + load::<S, E>(simd, bias, finish.bias_cs, n);
            }
            value = finish.activation.of(value);
            if !finish.gate.get().is_null() {
                let gate = finish.gate_at::<E>(self.row + r, self.column + j);
                value = gated::<S, Sum<E>>(simd, value, load::<S, E>(simd, gate, finish.gate_cs, n));
            }
            if finish.writes_acc {
                store::<S, Sum<E>>(simd, value, acc, 1, n);
            } else {
                store::<S, E>(simd, value, c, self.c_cs, n);
            }
        }
    }
}

/// Reads `n` elements, `stride` apart.
#[inline(always)]
unsafe fn load<S: Simd, E: FloatElem>(simd: S, ptr: *const E, stride: isize, n: usize) -> Vector<E, S> {
    // SAFETY: promised by the caller.
    unsafe {
        match stride {
            0 => FloatVec::splat(simd, (*ptr).widen()),
            1 if n == Vector::<E, S>::LANES => E::load(simd, ptr),
            1 => E::load_first(simd, ptr, n),
            _ => {
                let mut buffer = [Sum::<E>::default(); MAX_LANES];
                for (i, lane) in buffer.iter_mut().enumerate().take(n) {
                    *lane = (*ptr.offset(i as isize * stride)).widen();
                }
                FloatVec::load(simd, buffer.as_ptr())
            }
        }
    }
}

/// Writes `n` elements, `stride` apart.
#[inline(always)]
unsafe fn store<S: Simd, E: FloatElem>(simd: S, value: Vector<E, S>, ptr: *mut E, stride: isize, n: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        if stride == 1 {
            return if n == Vector::<E, S>::LANES {
                E::store(simd, value, ptr)
            } else {
                E::store_first(simd, value, ptr, n)
            };
        }
        let mut buffer = [Sum::<E>::default(); MAX_LANES];
        value.store(buffer.as_mut_ptr());
        for (i, lane) in buffer.iter().enumerate().take(n) {
            *ptr.offset(i as isize * stride) = E::narrow(*lane);
        }
    }
}
