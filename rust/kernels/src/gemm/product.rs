//! A product as the loops see it: its result's columns are closer than its rows.
use super::blocking::{FAR, FEW_ROWS, MANY_ROWS, NARROW};
use super::epilogue::Finish;
use super::fetch::Fetch;
use super::{Activation, Gemm, GemmElem, Sum};
use crate::operand::Shared;
use crate::simd::Float;

/// Whether few columns would leave most of a vector empty: then the many rows had better take its lanes, even if they must be
/// packed for it, and where they are close already all the more.
fn is_narrow<E: GemmElem>(p: &Gemm<E>) -> bool {
    p.m >= MANY_ROWS
        && ((2..=NARROW).contains(&p.n) || (2..=2 * NARROW).contains(&p.n) && p.a_rs == 1 && p.k > FAR)
}

/// Whether a few rows and the result had better be turned than `b`: as in a linear layer of a small batch.
fn is_turned_sooner<E: GemmElem>(p: &Gemm<E>) -> bool {
    let b_is_turned = p.b_rs == 1 && p.b_cs != 1 && p.c_cs == 1;
    let fills_vectors = FEW_ROWS.contains(&p.m) && p.m.is_multiple_of(*FEW_ROWS.start());
    E::IS_COMPUTE && b_is_turned && fills_vectors && p.n >= 4 * p.m && p.k >= 4 * FAR
}

#[derive(Clone, Copy)]
pub(super) struct Product<E: GemmElem> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Shared<*const E>,
    pub a_rs: isize,
    pub a_cs: isize,
    pub b: Shared<*const E>,
    pub b_rs: isize,
    pub b_cs: isize,
    pub c: Shared<*mut E>,
    pub c_rs: isize,
    pub c_cs: isize,
    /// Where sums wait between blocks of `k`, if not in `c`: its columns are neighbours.
    pub acc: Shared<*mut Sum<E>>,
    pub acc_rs: isize,
    /// The result is wanted in `acc`.
    stays_in_acc: bool,
    alpha: Sum<E>,
    beta: Sum<E>,
    bias: Shared<*const E>,
    bias_rs: isize,
    bias_cs: isize,
    activation: Activation,
    gate: Shared<*const E>,
    gate_rs: isize,
    gate_cs: isize,
    /// This is `bᵀ aᵀ` for the caller's `a b`.
    pub is_transposed: bool,
}

impl<E: GemmElem> Product<E> {
    pub fn new(p: &Gemm<E>) -> Self {
        let (bias, bias_cs) = p.bias.unwrap_or((std::ptr::null(), 0));
        let (gate, gate_rs, gate_cs) = p.gate.unwrap_or((std::ptr::null(), 0, 0));
        let product = Self {
            m: p.m,
            n: p.n,
            k: p.k,
            a: Shared(p.a),
            a_rs: p.a_rs,
            a_cs: p.a_cs,
            b: Shared(p.b),
            b_rs: p.b_rs,
            b_cs: p.b_cs,
            c: Shared(p.c),
            c_rs: p.c_rs,
            c_cs: p.c_cs,
            acc: Shared(std::ptr::null_mut()),
            acc_rs: 0,
            stays_in_acc: false,
            alpha: p.alpha,
            beta: p.beta,
            bias: Shared(bias),
            bias_rs: 0,
            bias_cs,
            activation: p.activation,
            gate: Shared(gate),
            gate_rs,
            gate_cs,
            is_transposed: false,
        };
        let is_column = p.n == 1 && p.m != 1;
        let rows_are_close = p.c_rs == 1 && p.c_cs != 1 && p.m != 1;
        if is_column || rows_are_close || is_narrow(p) || is_turned_sooner(p) {
            product.transposed()
        } else {
            product
        }
        .settled()
    }

    fn transposed(self) -> Self {
        Self {
            m: self.n,
            n: self.m,
            a: self.b,
            a_rs: self.b_cs,
            a_cs: self.b_rs,
            b: self.a,
            b_rs: self.a_cs,
            b_cs: self.a_rs,
            c_rs: self.c_cs,
            c_cs: self.c_rs,
            bias_rs: self.bias_cs,
            bias_cs: self.bias_rs,
            gate_rs: self.gate_cs,
            gate_cs: self.gate_rs,
            is_transposed: true,
            ..self
        }
    }

    /// Steps along a dimension of one element are never taken: they may as well be 1.
    fn settled(mut self) -> Self {
        if self.n == 1 {
            (self.b_cs, self.c_cs, self.gate_cs) = (1, 1, 1);
        }
        if self.k == 1 {
            (self.a_cs, self.b_rs) = (1, self.b_rs.max(1));
        }
        self
    }

    /// The same product that many elements further on.
    pub fn shifted(&self, [a, b, c]: [isize; 3]) -> Self {
        // The offsets are the caller's operands', which have changed places here.
        let (a, b) = if self.is_transposed { (b, a) } else { (a, b) };
        Self {
            // Wrapping, since only the caller's promise keeps the offsets inside.
            a: Shared(self.a.get().wrapping_offset(a)),
            b: Shared(self.b.get().wrapping_offset(b)),
            c: Shared(self.c.get().wrapping_offset(c)),
            ..*self
        }
    }

    /// The bare product of `k` columns of `a` and rows of `b`, in a place of its own.
    pub fn part(&self, k_done: usize, k: usize, sums: *mut Sum<E>, row: usize) -> Self {
        let mut part = Self {
            k,
            a: Shared(self.a_at(0, k_done)),
            b: Shared(self.b_at(k_done, 0)),
            alpha: Sum::<E>::from_f64(1.0),
            beta: Sum::<E>::default(),
            bias: Shared(std::ptr::null()),
            activation: Activation::None,
            gate: Shared(std::ptr::null()),
            ..*self
        };
        if E::IS_COMPUTE {
            (part.c, part.c_rs, part.c_cs) = (Shared(sums.cast()), row as isize, 1);
        } else {
            (part.acc, part.acc_rs, part.stays_in_acc) = (Shared(sums), row as isize, true);
        }
        part
    }

    /// The same product, its sums waiting there between blocks of `k`.
    pub fn waiting(&self, acc: Shared<*mut Sum<E>>) -> Self {
        Self { acc, acc_rs: self.n as isize, ..*self }
    }

    /// Where row `row` of `a` has its element `k`.
    #[inline(always)]
    pub fn a_at(&self, row: usize, k: usize) -> *const E {
        self.a.get().wrapping_offset(row as isize * self.a_rs + k as isize * self.a_cs)
    }

    /// Where column `column` of `b` has its element `k`.
    #[inline(always)]
    pub fn b_at(&self, k: usize, column: usize) -> *const E {
        self.b.get().wrapping_offset(k as isize * self.b_rs + column as isize * self.b_cs)
    }

    /// To bring `m` rows of `a` near, `k` long, from there on.
    pub fn fetch_a(&self, row: usize, m: usize, k_done: usize, k: usize) -> Fetch {
        Fetch::new(self.a_at(row, k_done), m, k, self.a_rs, self.a_cs)
    }

    /// To bring `n` columns of `b` near, `k` long, from there on.
    pub fn fetch_b(&self, k_done: usize, k: usize, column: usize, n: usize) -> Fetch {
        Fetch::new(self.b_at(k_done, column), k, n, self.b_rs, self.b_cs)
    }

    /// Multiply-adds.
    pub fn work(&self) -> usize {
        self.m.saturating_mul(self.n).saturating_mul(self.k.max(1))
    }

    /// The epilogue of a block of `k`.
    pub fn finish(&self, is_first: bool, is_last: bool) -> Finish<Sum<E>> {
        let is_last = is_last && !self.stays_in_acc;
        Finish {
            alpha: self.alpha,
            beta: if is_first { self.beta } else { Sum::<E>::from_f64(1.0) },
            reads_old: !is_first || self.beta != Sum::<E>::default(),
            reads_acc: !E::IS_COMPUTE && !is_first,
            writes_acc: !E::IS_COMPUTE && !is_last,
            bias: Shared(if is_last { self.bias.get().cast() } else { std::ptr::null() }),
            bias_rs: self.bias_rs,
            bias_cs: self.bias_cs,
            activation: if is_last { self.activation } else { Activation::None },
            gate: Shared(if is_last { self.gate.get().cast() } else { std::ptr::null() }),
            gate_rs: self.gate_rs,
            gate_cs: self.gate_cs,
            ..Finish::bare()
        }
    }
}
