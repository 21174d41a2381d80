//! Rows of results that follow each other.
use super::*;

/// A matrix of `rows` by `n` in memory of its own: its elements, where the first is, and its strides.
struct Operand<T> {
    memory: Vec<T>,
    first: usize,
    strides: [isize; 2],
}

impl<T: FloatElem> Operand<T> {
    fn new(rows: usize, n: usize, strides: [isize; 2], ahead: usize, of: fn(f32) -> T) -> Self {
        let reach = (rows - 1) * strides[0].unsigned_abs();
        let first = ahead + if strides[0] < 0 { reach } else { 0 };
        let end = ahead + reach + (n - 1) * strides[1].unsigned_abs() + 1;
        let memory = (0..end).map(|i| of(((i + 3 * ahead) * 37 % 1009) as f32 - 504.0)).collect();
        Self { memory, first, strides }
    }

    fn at(&self, row: usize, column: usize) -> T {
        let at = row as isize * self.strides[0] + column as isize * self.strides[1];
        self.memory[self.first.wrapping_add_signed(at)]
    }

    fn input(&self) -> In<'_, T> {
        In { ptr: self.memory.as_ptr().wrapping_add(self.first), strides: &self.strides }
    }
}

fn check<T: FloatElem + Debug + PartialEq, F: Formula<N>, const N: usize>(
    f: F,
    [rows, n]: [usize; 2],
    x: [&Operand<T>; N],
    blank: T,
) {
    let want: Vec<T> = (0..rows * n).map(|i| alone(f, x.map(|x| x.at(i / n, i % n)), blank)).collect();
    for ahead in [0, 1, 5] {
        let mut got = vec![blank; ahead + rows * n + 1];
        let y = Out { ptr: got.as_mut_ptr().wrapping_add(ahead), strides: &[n as isize, 1] };
        // SAFETY: the buffers hold all rows.
        unsafe { float(f, &[rows, n], x.map(Operand::input), y) };
        assert!(got[ahead..][..rows * n] == want, "{rows}x{n} {:?} {ahead}", x.map(|x| x.strides));
        assert!(got[..ahead].iter().chain(&got[ahead + rows * n..]).all(|&y| y == blank));
    }
    // In place of what is contiguous.
    for k in (0..N).filter(|&k| x[k].strides == [n as isize, 1]) {
        let mut got = x[k].memory[x[k].first..].to_vec();
        let y = Out { ptr: got.as_mut_ptr(), strides: &x[k].strides };
        let mut inputs = x.map(Operand::input);
        inputs[k] = In { ptr: y.ptr.cast_const(), strides: &x[k].strides };
        // SAFETY: as above; the output is exactly an input.
        unsafe { float(f, &[rows, n], inputs, y) };
        assert!(got == want, "{rows}x{n} in place {:?}", x.map(|x| x.strides));
    }
}

fn layouts<T: FloatElem + Debug + PartialEq>(of: fn(f32) -> T) {
    for n in [7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 300, 1025] {
        for rows in [1, 2, 3, 40] {
            let (wide, all) = (n as isize, [rows, n]);
            let strides = [[wide, 1], [wide + 5, 1], [0, 1], [1, 0], [-2, 0], [-wide - 3, 1], [0, 0]];
            let operands = [0, 2].map(|ahead| strides.map(|s| Operand::new(rows, n, s, ahead, of)));
            for a in &operands[0] {
                check(formula::Neg, all, [a], of(0.5));
                for b in &operands[1] {
                    check(formula::Sub, all, [a, b], of(0.5));
                }
            }
        }
    }
}

#[test]
fn adjacent_rows() {
    everywhere(&[1, 3], || {
        layouts::<f32>(|x| x);
        layouts::<f64>(f64::from);
        layouts::<bf16>(bf16::from_f32);
    });
}
