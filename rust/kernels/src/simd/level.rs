//! The instruction-set levels, and the choice among them.
use super::vector::Simd;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set the kernels are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Plain Rust on small arrays; runs anywhere.
    Portable = 1,
    /// 128-bit vectors of AArch64.
    Neon = 2,
    /// 256-bit vectors of x86-64 with fused multiply-add.
    Avx2 = 3,
    /// 512-bit vectors of x86-64 (F, BW, DQ, VL).
    Avx512 = 4,
}

impl Level {
    /// Every level, the slowest first.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512];

    /// The name `RETROGRAD_SIMD` knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Whether this machine can run the level.
    pub fn is_supported(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => super::neon::Neon::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => super::avx2::Avx2::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => super::avx512::Avx512::new().is_some(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The levels this machine can run, the slowest first.
pub fn available() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_supported())
}

/// The chosen level as its discriminant; 0 until somebody asked.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// Runs `body` with [`level`] returning `level` on this thread. Kernels choose their level before they
/// hand work to other threads, so the whole kernel runs at it.
#[cfg(test)]
pub fn with_level<R>(level: Level, body: impl FnOnce() -> R) -> R {
    assert!(level.is_supported(), "{level} does not run on this machine");
    let before = FORCED.replace(Some(level));
    let result = body();
    FORCED.set(before);
    result
}

/// The level all kernels run at: the best of this machine, or what `RETROGRAD_SIMD` asks for.
///
/// A bad `RETROGRAD_SIMD` is reported by [`init`]; here it is as if it were not set.
#[inline]
pub fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = FORCED.get() {
        return level;
    }
    match CHOSEN.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Neon,
        3 => Level::Avx2,
        4 => Level::Avx512,
        _ => choose().unwrap_or_else(|_| best()),
    }
}

/// Chooses the level, once. Says what is wrong with `RETROGRAD_SIMD` where it names no level or one
/// this machine lacks.
pub fn init() -> Result<Level, String> {
    choose()
}

fn best() -> Level {
    let best = available().last().unwrap_or(Level::Portable);
    CHOSEN.store(best as u8, Ordering::Relaxed);
    best
}

#[cold]
fn choose() -> Result<Level, String> {
    let wanted = match std::env::var("RETROGRAD_SIMD") {
        Ok(name) if !name.is_empty() => parse(&name)?,
        _ => return Ok(best()),
    };
    CHOSEN.store(wanted as u8, Ordering::Relaxed);
    Ok(wanted)
}

fn parse(name: &str) -> Result<Level, String> {
    let names =
        |levels: &mut dyn Iterator<Item = Level>| levels.map(Level::name).collect::<Vec<_>>().join(", ");
    let lower = name.trim().to_ascii_lowercase();
    let Some(level) = Level::ALL.into_iter().find(|level| level.name() == lower) else {
        let all = names(&mut Level::ALL.into_iter());
        return Err(format!("RETROGRAD_SIMD={name:?} is not a SIMD level: choose one of {all}"));
    };
    if !level.is_supported() {
        let here = names(&mut available());
        return Err(format!("RETROGRAD_SIMD={name}: this machine does not support it; it has {here}"));
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_errors_tell_the_choices() {
        assert_eq!(parse("Portable"), Ok(Level::Portable));
        let error = parse("sse9").unwrap_err();
        assert!(error.contains("sse9") && error.contains("portable"), "{error}");
        let foreign = if cfg!(target_arch = "x86_64") { Level::Neon } else { Level::Avx2 };
        assert!(parse(foreign.name()).unwrap_err().contains("does not support"));
    }

    #[test]
    fn the_chosen_level_runs_here() {
        assert!(level().is_supported());
        assert!(available().any(|l| l == Level::Portable));
        // A level forced by the environment, and nothing else, must have been chosen.
        if let Ok(forced) = std::env::var("RETROGRAD_SIMD") {
            assert_eq!(level().name(), forced);
        }
    }
}
