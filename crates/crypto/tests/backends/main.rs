//! One test program that runs natively and in the browser, on every backend there is:
//! `cargo nextest run -p crypto` and `cargo test -p crypto --target wasm32-unknown-unknown --test backends`.

mod devices;
mod enrolment;
mod golden;
mod reclaim;
mod refusals;
mod support;

// Where the product does its cryptography.
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
