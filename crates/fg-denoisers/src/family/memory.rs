//! Working memory, one piece after the other.

/// The next values of memory.
pub(crate) fn take<'a>(memory: &mut &'a mut [f64], len: usize) -> &'a mut [f64] {
    let (taken, rest) = core::mem::take(memory).split_at_mut(len);
    *memory = rest;
    taken
}
