//! Ids of what the server makes: random, but for histories of the simulation, which must repeat.

#[cfg(not(test))]
pub(crate) use baton_model::id::new;
#[cfg(test)]
pub(crate) use repeatable::{new, repeat_from};

#[cfg(test)]
mod repeatable {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From now on this thread's ids follow from `seed`.
    pub(crate) fn repeat_from(seed: u64) {
        STATE.set(Some(seed));
    }

    /// The thread's next id, random where no seed was set.
    pub(crate) fn new() -> String {
        let Some(state) = STATE.get() else { return baton_model::id::new() };
        STATE.set(Some(state.wrapping_add(1)));
        // A bijection of the counter (SplitMix64), so that no id comes twice.
        let mut word = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        uuid::Uuid::from_u64_pair(word ^ (word >> 31), state).to_string()
    }
}
