//! A clock for pages that tell how long ago something was, or how long it still lasts.

use gloo_timers::callback::Interval;
use yew::prelude::*;

const TICK_MS: u32 = 1_000;

/// What a clock says, once a second.
#[hook]
pub(in crate::app) fn use_now<T: Copy + 'static>(clock: fn() -> T) -> T {
    let now = use_state(clock);
    {
        let now = now.setter();
        use_effect_with((), move |()| {
            let ticks = Interval::new(TICK_MS, move || now.set(clock()));
            move || drop(ticks)
        });
    }
    *now
}
