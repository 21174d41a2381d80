//! Whether products of bfloat16 are best left to the machine's own instruction.
use super::Level;
use super::vector::Kernel;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a level has an instruction for [`dot_pairs`](super::FloatVec::dot_pairs) that does more products in a cycle
/// than multiply-adds of `f32` would.
///
/// AMD's does twice as many. Intel's does half as many: there, widening is faster.
pub fn has_fast_dot(level: Level) -> bool {
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    level == Level::Avx512
        && match KNOWN.load(Ordering::Relaxed) {
            0 => {
                let is_fast = detect();
                KNOWN.store(1 + u8::from(is_fast), Ordering::Relaxed);
                is_fast
            }
            known => known == 2,
        }
}

#[cfg(target_arch = "x86_64")]
#[cold]
fn detect() -> bool {
    let about = std::arch::x86_64::__cpuid(0);
    let is_amd = [about.ebx, about.edx, about.ecx].map(u32::to_le_bytes) == [*b"Auth", *b"enti", *b"cAMD"];
    is_amd && is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> bool {
    false
}

/// Runs a kernel where the level [has the instruction](has_fast_dot).
///
/// # Safety
/// It has.
pub unsafe fn dispatch_dot<K: Kernel>(kernel: K) -> K::Output {
    use super::vector::Simd;
    #[cfg(target_arch = "x86_64")]
    type Level = super::Avx512;
    #[cfg(not(target_arch = "x86_64"))]
    type Level = super::Portable;
    // SAFETY: the caller's promise.
    unsafe { Level::new_unchecked().vectorize_dot(kernel) }
}
