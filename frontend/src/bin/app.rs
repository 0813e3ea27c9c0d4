//! The program of the page.

fn main() {
    #[cfg(target_arch = "wasm32")]
    frontend::app::run();
}
