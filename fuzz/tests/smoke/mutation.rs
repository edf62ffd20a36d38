//! Inputs made of a corpus: flipped bits, splices, cuts, repeats, and numbers where a length may stand.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Two places in `length` bytes, in order; both may be its end.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        (one.min(other), one.max(other))
    }
}

/// Inputs grow no further than this.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// One file of the corpus after one to four changes.
pub(crate) fn mutated(corpus: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].to_vec();
    for _ in 0..=random.below(4) {
        change(&mut input, corpus, random);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, corpus: &[&[u8]], random: &mut Random) {
    let length = input.len();
    match random.below(8) {
        0 | 1 if length > 0 => input[random.below(length)] ^= 1 << random.below(8),
        2 if length > 0 => input[random.below(length)] = random.byte(),
        3 => input.truncate(random.below(length + 1)),
        4 => {
            let (begin, end) = random.range(length);
            let repeated = input[begin..end].to_vec();
            input.splice(end..end, repeated);
        }
        5 => {
            let (begin, end) = random.range(length);
            input.drain(begin..end);
        }
        6 => {
            let other = corpus[random.below(corpus.len())];
            let ((begin, end), (from, to)) = (random.range(length), random.range(other.len()));
            input.splice(begin..end, other[from..to].iter().copied());
        }
        _ => number(input, random),
    }
}

/// Writes a number that lengths and counts go wrong with, as long as a field may be.
fn number(input: &mut Vec<u8>, random: &mut Random) {
    let length = input.len() as u64;
    let numbers = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 63, u64::MAX];
    let near = [length, length.wrapping_sub(1), length + 1, length / 32, random.next() % 512];
    let all = [numbers.as_slice(), &near].concat();
    let number = all[random.below(all.len())];
    let begin = random.below(input.len() + 1);
    if random.below(3) == 0 {
        let old = usize::from(begin < input.len());
        input.splice(begin..begin + old, varint(number));
    } else {
        let bytes = 1 << random.below(4);
        let end = input.len().min(begin + bytes);
        input.splice(begin..end, number.to_le_bytes().into_iter().take(bytes));
    }
}

/// FORMAT.md, "Conventions".
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
