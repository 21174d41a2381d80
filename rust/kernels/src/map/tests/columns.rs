//! Rows that follow each other beside a column.
use super::*;

fn columns<T: FloatElem + Debug + PartialEq>(of: fn(f32) -> T) {
    for n in [3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 128, 300, 1024, 1025] {
        for (rows, k, down, ahead) in
            [(1, 0, 1, 0), (2, 1, 3isize, 1), (3, 0, -1, 5), (40, 1, 1, 0), (41, 0, -2, 9)]
        {
            let (matrix_s, column_s) = ([n as isize, 1], [down, 0]);
            let mut value = (0..).map(|i: usize| of((i * 37 % 1009) as f32 - 504.0));
            let matrix: Vec<T> = value.by_ref().take(ahead + rows * n).collect();
            let column: Vec<T> = value.take(rows * down.unsigned_abs()).collect();
            let first = if down < 0 { (rows - 1) * down.unsigned_abs() } else { 0 };
            let want: Vec<T> = (0..rows * n)
                .map(|i| {
                    let at = first as isize + (i / n) as isize * down;
                    let mut operands = [matrix[ahead + i]; 2];
                    operands[k] = column[at as usize];
                    alone(formula::Sub, operands, of(0.0))
                })
                .collect();
            for in_place in [false, true] {
                let mut got = if in_place { matrix.clone() } else { vec![of(0.5); matrix.len()] };
                let before = got[..ahead].to_vec();
                let y = Out { ptr: got.as_mut_ptr().wrapping_add(ahead), strides: &matrix_s };
                let from = if in_place { y.ptr.cast_const() } else { matrix.as_ptr().wrapping_add(ahead) };
                let mut x = [In { ptr: from, strides: &matrix_s }; 2];
                x[k] = In { ptr: column.as_ptr().wrapping_add(first), strides: &column_s };
                // SAFETY: the buffers hold all rows; the output is exactly the matrix or none.
                unsafe { float(formula::Sub, &[rows, n], x, y) };
                assert!(got[ahead..] == want && got[..ahead] == before, "{rows}x{n} {k} {down} {in_place}");
            }
        }
    }
}

#[test]
fn rows_beside_a_column() {
    for level in available() {
        for threads in [1, 3] {
            set_num_threads(threads);
            with_level(level, || {
                columns::<f32>(|x| x);
                columns::<f64>(f64::from);
                columns::<bf16>(bf16::from_f32);
            });
        }
    }
    set_num_threads(0);
}
