//! Few rows or few columns, and an operand that tiles turn on their way.
use super::*;

/// The same bits as where nothing is turned.
fn check<T: GemmElem>((m, n, k): (usize, usize, usize)) {
    // Few rows meet a turned `b`; of few columns, as many rows of `a` do.
    for (m, n, turned) in [(m, n, [Layout::Rows, Layout::Columns]), (n, m, [Layout::Rows, Layout::Rows])] {
        for c in [Layout::Rows, Layout::Columns, Layout::Padded, Layout::Strided] {
            let plain = Case { layouts: [turned[0], turned[1], c], ..Case::plain(m, n, k) };
            let gate = Some(Layout::Padded);
            for case in [
                plain,
                Case { has_bias: true, ..plain },
                Case { has_bias: true, activation: Activation::Relu, beta: 1.0, ..plain },
                Case { alpha: 2.0, beta: 0.5, gate, ..plain },
            ] {
                case.check::<T>();
                let straight = Case { layouts: [Layout::Columns, Layout::Rows, c], ..case };
                assert!(case.run::<T>().values(m, n) == straight.run::<T>().values(m, n), "{case:?}");
            }
        }
    }
}

#[test]
fn what_tiles_turn() {
    everywhere(&[1, 3], || {
        for (i, m) in (2..=13).enumerate() {
            for n in [5, 16, 33, 40] {
                let k = [7, 8, 16, 17, 40, 64, 530][(i + n) % 7];
                check::<f32>((m, n, k));
                check::<f64>((m, n, k));
            }
        }
        // Blocks of `k` that are not worth two threads each.
        check::<f32>((3, 64, 1100));
        check::<bf16>((3, 40, 40));
    });
}
