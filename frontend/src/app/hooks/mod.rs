//! State that several pages share.

pub(super) mod answer;
pub(super) mod ask;
pub(super) mod clock;
pub(super) mod live;
pub(super) mod place;
pub(super) mod reach;
pub(super) mod registration;
