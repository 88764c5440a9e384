//! Deterministic random data: the same seed gives the same data on every machine.

mod value;

pub use value::{Sql, SqlType};

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough for test data.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in `DOWNHAUL_SEED`, to repeat a failure, or else this one.
    ///
    /// # Panics
    /// When the variable is no number.
    #[must_use]
    pub fn seed_or(default: u64) -> u64 {
        std::env::var("DOWNHAUL_SEED").map_or(default, |text| {
            text.parse().unwrap_or_else(|_| panic!("DOWNHAUL_SEED=`{text}` is no number"))
        })
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "nothing is below 0");
        // The bias of the remainder is below 2⁻³² for every bound that a test uses.
        usize::try_from(self.bits() % bound as u64).expect("smaller than a usize")
    }

    /// A number between two, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.wrapping_sub(low).cast_unsigned().wrapping_add(1);
        let offset = if span == 0 { self.bits() } else { self.bits() % span };
        low.wrapping_add(offset.cast_signed())
    }

    /// True in one of `n` cases.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// The same things in another order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }

    /// A generator of its own for a part, so that a change in one part leaves the others as they
    /// are.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// An identifier of `a`–`z`, never a keyword.
    pub fn name(&mut self) -> String {
        let mut name: String =
            (0..5).map(|_| char::from(*self.pick(b"abcdefghijklmnopqrstuvwxyz"))).collect();
        name.push('_');
        name + &self.below(1000).to_string()
    }

    /// Text with everything that breaks naive quoting: quotes, backslashes, line ends, astral
    /// characters, combining marks, SQL.
    pub fn text(&mut self, longest: usize) -> String {
        const PIECES: &[&str] = &[
            "a", "B", "7", " ", "'", "\"", "\\", "\n", "\t", "\r\n", "%", "_", "`", "$$", "--",
            ";", "/*", "é", "ß", "e\u{301}", "漢", "🦀", "\u{200d}", "\u{feff}", "NULL", "\\N",
            "\\x00", "{}", ",", "()", "' OR 1=1",
        ];
        let target = self.below(longest + 1);
        let mut text = String::new();
        for _ in 0..target {
            let piece = *self.pick(PIECES);
            if text.chars().count() + piece.chars().count() > target {
                break;
            }
            text.push_str(piece);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // First outputs for seed 1234567, as published with the reference implementation.
        let mut rng = Rng::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(expected.map(|_| rng.bits()), expected);
    }

    #[test]
    fn stays_within_bounds() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            let n = rng.between(-2, 2);
            seen[usize::try_from(n + 2).unwrap()] = true;
            assert!(rng.text(12).chars().count() <= 12);
            let _ = rng.between(i64::MIN, i64::MAX);
        }
        assert_eq!(seen, [true; 5]);
    }
}
