mod row;
mod row_sums;
mod turned_b;

use super::blocking::Packing;
use super::*;
use crate::simd::{Kernel, LINE, Level, Simd, available, with_level};
use crate::testing::everywhere;

fn narrow<T: GemmElem>(x: f64) -> T {
    T::narrow(T::Compute::from_f64(x))
}

fn widen<T: GemmElem>(x: T) -> f64 {
    x.widen().to_f64()
}

/// A matrix somewhere in a buffer of its own.
#[derive(Clone)]
struct Matrix<T> {
    data: Vec<T>,
    first: usize,
    rs: isize,
    cs: isize,
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Rows,
    Columns,
    /// Row after row, with gaps between rows.
    Padded,
    /// Row after row, so far apart that the matrix spans more than caches hold.
    FarRows,
    /// The same with columns.
    FarColumns,
    /// Neither dimension close.
    Strided,
    /// Rows from the last to the first.
    Reversed,
    /// Row after row, the first some elements behind the beginning of a cache line.
    OffLine,
    /// Every row the same; not for results.
    Repeated,
}

const LAYOUTS: [Layout; 5] =
    [Layout::Rows, Layout::Columns, Layout::Padded, Layout::Strided, Layout::Reversed];

impl<T: GemmElem> Matrix<T> {
    fn new(rows: usize, columns: usize, layout: Layout, value: impl Fn(usize, usize) -> f64) -> Self {
        let (m, n) = (rows.max(1), columns.max(1));
        let (first, rs, cs, len) = match layout {
            Layout::Rows => (0, n as isize, 1, m * n),
            Layout::Columns => (0, 1, m as isize, m * n),
            Layout::Padded => (3, n as isize + 5, 1, 3 + m * (n + 5)),
            Layout::FarRows => (0, n as isize + 5000, 1, m * (n + 5000)),
            Layout::FarColumns => (0, 1, m as isize + 5000, n * (m + 5000)),
            Layout::Strided => (1, 3 * n as isize, 3, 1 + 3 * m * n),
            Layout::Reversed => ((m - 1) * n, -(n as isize), 1, m * n),
            Layout::OffLine => (5, n as isize, 1, 5 + LINE + m * n),
            Layout::Repeated => (0, 0, 1, n),
        };
        // What is between the elements must be neither used nor changed.
        let mut matrix = Self { data: vec![narrow(f64::NAN); len], first, rs, cs };
        if layout == Layout::OffLine {
            matrix.first += matrix.data.as_ptr().align_offset(LINE);
        }
        for i in 0..rows {
            for j in 0..columns {
                let at = matrix.at(i, j);
                let i = if layout == Layout::Repeated { 0 } else { i };
                matrix.data[at] = narrow(value(i, j));
            }
        }
        matrix
    }

    fn at(&self, i: usize, j: usize) -> usize {
        (self.first as isize + i as isize * self.rs + j as isize * self.cs) as usize
    }

    fn get(&self, i: usize, j: usize) -> f64 {
        widen(self.data[self.at(i, j)])
    }

    fn values(&self, rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|at| self.get(at / columns, at % columns)).collect()
    }

    /// Elements that belong to no place of a `rows` by `columns` matrix.
    fn gaps(&self, rows: usize, columns: usize) -> usize {
        let mut is_gap = vec![true; self.data.len()];
        (0..rows * columns).for_each(|at| is_gap[self.at(at / columns, at % columns)] = false);
        let untouched = |(x, gap): (&T, &bool)| *gap && widen(*x).is_nan();
        let total = is_gap.iter().filter(|&&gap| gap).count();
        assert_eq!(
            self.data.iter().zip(&is_gap).filter(|&p| untouched(p)).count(),
            total,
            "a gap was written"
        );
        total
    }
}

fn noise(i: usize, j: usize) -> f64 {
    ((i * 131 + j * 71 + 7) as f64 * 0.618).sin()
}

#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    layouts: [Layout; 3],
    alpha: f64,
    beta: f64,
    has_bias: bool,
    activation: Activation,
    gate: Option<Layout>,
}

impl Case {
    fn plain(m: usize, n: usize, k: usize) -> Self {
        Self {
            m,
            n,
            k,
            layouts: [Layout::Rows; 3],
            alpha: 1.0,
            beta: 0.0,
            has_bias: false,
            activation: Activation::None,
            gate: None,
        }
    }

    /// Of both signs, some of it NaN.
    fn gate<T: GemmElem>(&self) -> Option<Matrix<T>> {
        let element = |i, j| if (i + 3 * j) % 11 == 5 { f64::NAN } else { noise(i + 1, j + 2) };
        self.gate.map(|layout| Matrix::new(self.m, self.n, layout, element))
    }

    fn operands<T: GemmElem>(&self) -> [Matrix<T>; 4] {
        let &Self { m, n, k, layouts: [a, b, c], .. } = self;
        // With beta zero, what `c` held must not matter.
        let old = |i, j| if self.beta == 0.0 { f64::NAN } else { noise(j, i + 5) };
        [
            Matrix::new(m, k, a, noise),
            Matrix::new(k, n, b, |i, j| noise(i + 3, j)),
            Matrix::new(m, n, c, old),
            Matrix::new(1, n, c, |_, j| noise(j, 1)),
        ]
    }

    fn problem<T: GemmElem>(
        &self,
        a: &Matrix<T>,
        b: &Matrix<T>,
        c: &mut Matrix<T>,
        bias: &Matrix<T>,
        gate: Option<&Matrix<T>>,
    ) -> Gemm<T> {
        Gemm {
            m: self.m,
            n: self.n,
            k: self.k,
            a: &raw const a.data[a.first],
            a_rs: a.rs,
            a_cs: a.cs,
            b: &raw const b.data[b.first],
            b_rs: b.rs,
            b_cs: b.cs,
            c: &raw mut c.data[c.first],
            c_rs: c.rs,
            c_cs: c.cs,
            alpha: T::Compute::from_f64(self.alpha),
            beta: T::Compute::from_f64(self.beta),
            bias: self.has_bias.then(|| (&raw const bias.data[bias.first], bias.cs)),
            activation: self.activation,
            gate: gate.map(|gate| (&raw const gate.data[gate.first], gate.rs, gate.cs)),
        }
    }

    fn run<T: GemmElem>(&self) -> Matrix<T> {
        let [a, b, mut c, bias] = self.operands::<T>();
        let gate = self.gate::<T>();
        let &Self { m, n, k, .. } = self;
        let problem = self.problem(&a, &b, &mut c, &bias, gate.as_ref());
        let mut scratch = vec![0u8; workspace::<T>(m, n, k, false) + 1];
        // SAFETY: the matrices are as large as said; the scratch is misaligned on purpose.
        unsafe { gemm(&problem, Batch::default(), scratch.as_mut_ptr().add(1)) };
        c.gaps(m, n);
        c
    }

    fn exact<T: GemmElem>(&self) -> Vec<f64> {
        let [a, b, c, bias] = self.operands::<T>();
        let gate = self.gate::<T>();
        let mut all = Vec::new();
        for i in 0..self.m {
            for j in 0..self.n {
                let sum: f64 = (0..self.k).map(|p| a.get(i, p) * b.get(p, j)).sum();
                let old = if self.beta == 0.0 { 0.0 } else { self.beta * c.get(i, j) };
                let value = self.alpha * sum + old + if self.has_bias { bias.get(0, j) } else { 0.0 };
                let value = if self.activation == Activation::Relu { value.max(0.0) } else { value };
                let passes = gate.as_ref().is_none_or(|gate| gate.get(i, j) > 0.0);
                all.push(if passes { value } else { 0.0 });
            }
        }
        all
    }

    fn check<T: GemmElem>(&self) {
        let (got, want) = (self.run::<T>().values(self.m, self.n), self.exact::<T>());
        let eps = 0.5f64.powi(T::Compute::MANTISSA_BITS as i32);
        // Where the result is no sum but a bfloat16, it is rounded once, to 8 bits.
        let last = if T::IS_COMPUTE { 0.0 } else { 0.5f64.powi(8) };
        for (at, (got, want)) in got.iter().zip(&want).enumerate() {
            let error = (got - want).abs();
            let tolerance = eps * (2.0 + self.k as f64) * 2.0 + last * want.abs();
            assert!(error <= tolerance, "{self:?} at {:?}: {got} for {want}", (at / self.n, at % self.n));
        }
    }
}

const SIZES: &[(usize, usize, usize)] = &[
    (0, 3, 2),
    (3, 0, 2),
    (3, 5, 0),
    (1, 1, 1),
    (1, 17, 9),
    (17, 1, 9),
    (5, 5, 1),
    (2, 33, 5),
    (16, 16, 16),
    (13, 31, 33),
    (25, 64, 7),
    (32, 10, 64),
    (40, 100, 37),
    (101, 97, 103),
    (7, 40, 1100),
    (1, 1030, 67),
    (1100, 1, 70),
    (1, 7, 300),
    (1, 1, 33),
    (1, 33, 1200),
    (1, 1, 2200),
    (65, 130, 520),
    (50, 200, 520),
    (60, 50, 1030),
    (24, 97, 260),
    (16, 70, 300),
    (8, 40, 1030),
    (50, 3, 65),
    (70, 7, 130),
];

#[test]
fn all_sizes_in_all_layouts() {
    everywhere(&[1, 3], || {
        for &(m, n, k) in SIZES {
            let is_large = m * n * k > 50_000;
            for a in LAYOUTS.into_iter().chain([Layout::Repeated]) {
                for b in LAYOUTS {
                    // The large ones take long; what they add does not depend on rarer layouts.
                    if is_large && (a as usize + b as usize) > 3 {
                        continue;
                    }
                    let c = if a == b { Layout::Rows } else { Layout::Padded };
                    let case = Case { layouts: [a, b, c], ..Case::plain(m, n, k) };
                    case.check::<f32>();
                    case.check::<f64>();
                    case.check::<bf16>();
                }
            }
            for c in LAYOUTS {
                let layouts = [Layout::Rows, Layout::Rows, c];
                Case { layouts, beta: 1.0, ..Case::plain(m, n, k) }.check::<f32>();
                Case { layouts, beta: 1.0, ..Case::plain(m, n, k) }.check::<bf16>();
                Case { layouts, beta: 0.5, alpha: -2.0, ..Case::plain(m, n, k) }.check::<f64>();
            }
        }
    });
}

#[test]
fn few_rows_begin_with_whole_vectors() {
    everywhere(&[1, 3], || {
        for (m, n, k) in [(2, 256, 20), (3, 320, 9), (2, 321, 9), (4, 320, 9)] {
            for c in [Layout::Rows, Layout::OffLine, Layout::Strided] {
                let layouts = [Layout::Rows, Layout::OffLine, c];
                let case = Case { layouts, beta: 0.5, has_bias: true, ..Case::plain(m, n, k) };
                case.check::<f32>();
                case.check::<f64>();
                case.check::<bf16>();
            }
        }
    });
}

#[test]
fn matrices_with_far_lines_are_packed() {
    everywhere(&[1, 3], || {
        // The last two have more columns than a thread takes at a time.
        for (m, n, k) in [(65, 130, 520), (121, 101, 103), (6, 300, 300), (110, 300, 300)] {
            for (a, b) in [
                (Layout::FarRows, Layout::FarRows),
                (Layout::FarColumns, Layout::FarColumns),
                (Layout::FarRows, Layout::FarColumns),
                (Layout::FarColumns, Layout::FarRows),
            ] {
                let case = Case { layouts: [a, b, Layout::Rows], ..Case::plain(m, n, k) };
                case.check::<f32>();
                case.check::<f64>();
                case.check::<bf16>();
            }
        }
    });
}

#[test]
fn epilogues() {
    everywhere(&[1, 3], || {
        for &(m, n, k) in SIZES.iter().filter(|(m, n, k)| m * n * k < 500_000) {
            for c in LAYOUTS {
                for beta in [0.0, 1.0, 0.5] {
                    for activation in [Activation::None, Activation::Relu] {
                        let layouts = [Layout::Rows, Layout::Columns, c];
                        let case = Case { layouts, beta, has_bias: true, activation, ..Case::plain(m, n, k) };
                        case.check::<f32>();
                        case.check::<bf16>();
                        Case { alpha: 0.25, ..case }.check::<f32>();
                        Case { alpha: 0.25, ..case }.check::<bf16>();
                        for gate in [Layout::Rows, Layout::Columns, Layout::Padded].map(Some) {
                            let case = Case { gate, has_bias: beta == 1.0, ..case };
                            case.check::<f32>();
                            case.check::<f64>();
                            case.check::<bf16>();
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn nan_survives_relu_and_products() {
    check_nan::<f32>();
    check_nan::<bf16>();
}

fn check_nan<T: GemmElem>() {
    let case = Case { activation: Activation::Relu, ..Case::plain(3, 20, 4) };
    let [mut a, b, mut c, _] = case.operands::<T>();
    a.data[5] = narrow(f64::NAN);
    let problem = Gemm {
        m: 3,
        n: 20,
        k: 4,
        a: a.data.as_ptr(),
        a_rs: 4,
        a_cs: 1,
        b: b.data.as_ptr(),
        b_rs: 20,
        b_cs: 1,
        c: c.data.as_mut_ptr(),
        c_rs: 20,
        c_cs: 1,
        alpha: T::Compute::from_f64(1.0),
        beta: T::Compute::default(),
        bias: None,
        activation: Activation::Relu,
        gate: None,
    };
    let mut scratch = vec![0; workspace::<T>(3, 20, 4, false)];
    // SAFETY: the matrices are as large as said.
    unsafe { gemm(&problem, Batch::default(), scratch.as_mut_ptr()) };
    for (at, value) in c.data.iter().enumerate() {
        assert_eq!(widen(*value).is_nan(), at / 20 == 1);
    }
}

/// The bits of a result must not depend on anything but shape and dtype.
#[test]
fn the_same_bits_everywhere() {
    fn check<T: GemmElem>(m: usize, n: usize, k: usize) {
        let mut first: Option<Vec<f64>> = None;
        for level in available().filter(|&level| level != Level::Portable) {
            for threads in [1, 2, 3, 8] {
                pool::set_num_threads(threads);
                for (a, b, c) in [
                    (Layout::Rows, Layout::Rows, Layout::Rows),
                    (Layout::Rows, Layout::Columns, Layout::Columns),
                    (Layout::Columns, Layout::Rows, Layout::Strided),
                    (Layout::Strided, Layout::Strided, Layout::Padded),
                ] {
                    let case = Case { layouts: [a, b, c], ..Case::plain(m, n, k) };
                    let values = with_level(level, || case.run::<T>()).values(m, n);
                    assert!(
                        *first.get_or_insert_with(|| values.clone()) == values,
                        "{case:?} at {level} on {threads} threads"
                    );
                }
            }
            // Rows do not know their neighbours, unless they are alone.
            if m > 2 && n > 1 {
                let two = with_level(level, || Case::plain(2, n, k).run::<T>()).values(2, n);
                let whole = first.as_ref().expect("computed above");
                assert!(two == whole[..2 * n], "two rows of {m} {n} {k} differ at {level}");
            }
        }
    }
    let sizes = [
        (1, 300, 700),
        (300, 1, 700),
        (33, 65, 1300),
        (200, 150, 513),
        (12, 32, 5000),
        (260, 513, 129),
        (66, 512, 1030),
        (64, 48, 4000),
        (5, 7, 30_000),
        (700, 3, 90),
        (1, 1300, 300),
        (1, 4500, 70),
        (1, 3, 5000),
        (1, 40, 9000),
        (900, 1, 2100),
    ];
    for (m, n, k) in sizes {
        check::<f32>(m, n, k);
        check::<f64>(m, n, k);
        check::<bf16>(m, n, k);
    }
}

/// The arithmetic the module promises, in plain Rust.
#[test]
fn bits_follow_the_promise() {
    let (m, n, k) = (5, 40, 1100);
    let case = Case { beta: 0.5, alpha: 3.0, ..Case::plain(m, n, k) };
    let [a, b, c, _] = case.operands::<f32>();
    let block = blocking::k_block::<f32>(k);
    assert!(block < k && k.div_ceil(block) == 3);
    for level in available().filter(|&level| level != Level::Portable) {
        let got = with_level(level, || case.run::<f32>());
        for i in 0..m {
            for j in 0..n {
                let mut value = 0.5 * c.data[c.at(i, j)];
                for first in (0..k).step_by(block) {
                    let sum = (first..k.min(first + block))
                        .fold(0f32, |sum, p| a.data[a.at(i, p)].mul_add(b.data[b.at(p, j)], sum));
                    value = 3f32.mul_add(sum, value);
                }
                assert_eq!(got.data[got.at(i, j)].to_bits(), value.to_bits(), "{level} at {i}, {j}");
            }
        }
    }
}

/// The same for bfloat16: the odd `k` before the even, and one rounding at the end.
#[test]
fn bits_of_bfloat16_follow_the_promise() {
    for k in [2101, 2100, 512] {
        for (alpha, beta) in [(3.0, 0.5), (1.0, 1.0), (1.0, 0.0)] {
            check_bfloat16(Case { alpha, beta, ..Case::plain(5, 40, k) });
        }
    }
}

fn check_bfloat16(case: Case) {
    let Case { m, n, k, .. } = case;
    let (alpha, beta) = (case.alpha as f32, case.beta as f32);
    let [a, b, c, _] = case.operands::<bf16>();
    let block = blocking::k_block::<bf16>(k);
    assert!(block.is_multiple_of(2) && (k < 2000 || k.div_ceil(block) == 3));
    for level in available().filter(|&level| level != Level::Portable) {
        let got = with_level(level, || case.run::<bf16>());
        for i in 0..m {
            for j in 0..n {
                let mut value = if beta == 0.0 { 0.0 } else { beta * c.data[c.at(i, j)].to_f32() };
                for first in (0..k).step_by(block) {
                    let last = k.min(first + block);
                    let order = (first..last).step_by(2).flat_map(|p| [p + 1, p]).filter(|&p| p < last);
                    let sum = order.fold(0f32, |sum, p| {
                        a.data[a.at(i, p)].to_f32().mul_add(b.data[b.at(p, j)].to_f32(), sum)
                    });
                    value = alpha.mul_add(sum, value);
                }
                let want = bf16::from_f32(value);
                assert_eq!(got.data[got.at(i, j)].to_bits(), want.to_bits(), "{level} at {i}, {j}");
            }
        }
    }
}

#[test]
fn batches() {
    everywhere(&[1, 3], || {
        for (m, n, k) in [
            (3, 5, 4),
            (3, 1, 4),
            (1, 5, 4),
            (64, 1, 70),
            (16, 16, 16),
            (33, 70, 40),
            (130, 140, 150),
            (9, 8, 2100),
        ] {
            let (x, y) = (3, 4);
            // Strides through a and b: all different; b shared; a shared along one; rows that fold.
            let (ma, mb, mc) = (m * k, k * n, m * n);
            for (sa, sb) in [
                ([y * ma, ma], [y * mb, mb]),
                ([y * ma, ma], [0, 0]),
                ([ma, 0], [0, mb]),
                ([0, 0], [y * mb, mb]),
            ] {
                let a: Vec<f32> = (0..x * y * ma).map(|i| noise(i, 1) as f32).collect();
                let b: Vec<f32> = (0..x * y * mb).map(|i| noise(i, 2) as f32).collect();
                let mut c = vec![f32::NAN; x * y * mc];
                let mut scratch = vec![0u8; workspace::<f32>(m, n, k, true)];
                let problem = Gemm {
                    m,
                    n,
                    k,
                    a: a.as_ptr(),
                    a_rs: k as isize,
                    a_cs: 1,
                    b: b.as_ptr(),
                    b_rs: 1,
                    b_cs: k as isize,
                    c: c.as_mut_ptr(),
                    c_rs: n as isize,
                    c_cs: 1,
                    alpha: 1.0,
                    beta: 0.0,
                    bias: None,
                    activation: Activation::None,
                    gate: None,
                };
                let [sa_i, sb_i] = [sa, sb].map(|s| s.map(|v| v as isize));
                let batch =
                    Batch { shape: &[x, y], a: &sa_i, b: &sb_i, c: &[(y * mc) as isize, mc as isize] };
                // SAFETY: the buffers hold the whole batch.
                unsafe { gemm(&problem, batch, scratch.as_mut_ptr()) };
                for (at, &got) in c.iter().enumerate() {
                    let (i, j, row, column) = (at / mc / y, at / mc % y, at % mc / n, at % n);
                    let (a, b) = (&a[i * sa[0] + j * sa[1]..], &b[i * sb[0] + j * sb[1]..]);
                    let want: f64 =
                        (0..k).map(|p| f64::from(a[row * k + p]) * f64::from(b[column * k + p])).sum();
                    let error = (f64::from(got) - want).abs();
                    assert!(
                        error < 1e-6 * (100 + k) as f64,
                        "{m} {n} {k} at {i} {j} {row} {column}: {error}"
                    );
                }
            }
        }
    });
}

#[test]
fn a_batch_keeps_within_the_scratch_asked_for() {
    // Sums of bfloat16 wait between blocks of `k`, in scratch that has room for one product's rows.
    let (batch, m, n, k) = (5usize, 20usize, 24usize, 2 * bf16::K_BLOCK + 8);
    let a: Vec<bf16> = (0..batch * m * k).map(|i| bf16::from_f64(noise(i, 1))).collect();
    let b: Vec<bf16> = (0..k * n).map(|i| bf16::from_f64(noise(i, 2))).collect();
    let mut c = vec![bf16::NAN; batch * m * n];
    let bytes = workspace::<bf16>(m, n, k, true);
    let mut scratch = vec![0xa5u8; bytes + 4096];
    let problem = Gemm {
        m,
        n,
        k,
        a: a.as_ptr(),
        a_rs: k as isize,
        a_cs: 1,
        b: b.as_ptr(),
        b_rs: n as isize,
        b_cs: 1,
        c: c.as_mut_ptr(),
        c_rs: n as isize,
        c_cs: 1,
        alpha: 1.0,
        beta: 0.0,
        bias: None,
        activation: Activation::None,
        gate: None,
    };
    let [ma, mc] = [m * k, m * n].map(|step| step as isize);
    // SAFETY: the buffers are as large as said.
    unsafe { gemm(&problem, Batch { shape: &[batch], a: &[ma], b: &[0], c: &[mc] }, scratch.as_mut_ptr()) };
    assert!(scratch[bytes..].iter().all(|&byte| byte == 0xa5));
    assert!(c.iter().all(|x| x.to_f32().is_finite()));
}

struct Parts((usize, usize, usize), usize, usize, Packing);

impl Kernel for Parts {
    type Output = (usize, usize);
    fn run<S: Simd>(self, _: S) -> (usize, usize) {
        blocking::parts::<S, f32>(self.0, self.1, self.2, self.3)
    }
}

#[test]
fn parts_cover_a_block() {
    let packs = |a, b| Packing { a, b, ..Packing::default() };
    for pack in [packs(false, false), packs(true, true)] {
        for ((m, n), threads, most) in [
            ((256, 800), 2, 100),
            ((1, 1), 8, 0),
            ((80, 96), 3, 5),
            ((1024, 1024), 2, 1000),
            ((30, 12800), 16, 64),
        ] {
            let (high, wide) = simd::dispatch(Parts((m, n, 256), threads, most, pack));
            assert!((1..=m).contains(&high) && (1..=n).contains(&wide));
            assert!(m.div_ceil(high) * n.div_ceil(wide) <= most.max(1), "{m} {n} {threads} {most}");
        }
    }
}

#[test]
fn threads_share_rows_where_they_would_read_all_of_them() {
    let pack = Packing::default();
    assert_eq!(simd::dispatch(Parts((4096, 64, 64), 2, 1000, pack)), (2048, 64));
}

#[test]
fn an_empty_batch_does_nothing() {
    let problem = Gemm::<f64> {
        m: 2,
        n: 2,
        k: 2,
        a: std::ptr::null(),
        a_rs: 2,
        a_cs: 1,
        b: std::ptr::null(),
        b_rs: 2,
        b_cs: 1,
        c: std::ptr::null_mut(),
        c_rs: 2,
        c_cs: 1,
        alpha: 1f64,
        beta: 0.0,
        bias: None,
        activation: Activation::None,
        gate: None,
    };
    let batch = Batch { shape: &[3, 0], a: &[1, 1], b: &[1, 1], c: &[1, 1] };
    // SAFETY: there is nothing to touch.
    unsafe { gemm(&problem, batch, std::ptr::null_mut()) };
}

#[test]
fn no_rows_or_columns_of_long_sums() {
    for (m, n) in [(0, 1), (1, 0), (0, 0), (2, 0), (0, 40)] {
        Case::plain(m, n, 2 * f32::K_BLOCK + 3).check::<f32>();
        Case::plain(m, n, 2 * f32::K_BLOCK + 3).check::<bf16>();
    }
}

#[test]
fn k_is_cut_by_its_length_alone() {
    for k in [0, 1, 511, 512, 513, 1000, 1024, 1025, 5000, 100_003] {
        let block = blocking::k_block::<f32>(k);
        assert!(block <= f32::K_BLOCK && (k == 0) == (block == 0));
        let blocks = if k == 0 { 0 } else { k.div_ceil(block) };
        assert_eq!(blocks, k.div_ceil(f32::K_BLOCK), "{k}");
    }
}
