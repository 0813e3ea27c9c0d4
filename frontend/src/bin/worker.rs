//! The program of the worker.

fn main() {
    #[cfg(target_arch = "wasm32")]
    frontend::worker::run();
}
