//! The interface's description, made of the very handlers that the router binds: what they extract is what a route
//! takes, what they return is what it answers. Only what a handler refuses is told apart, in `refusals`.

mod input;
mod output;
mod refusals;

use protocol::error::ErrorCode;
use protocol::routes::{Route, coordinator as routes};
use server::openapi::{Description, Operation};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use self::input::Input;
use self::output::Output;

const ABOUT: &str = "Accounts, vaults and their logs, devices, where blobs are, and storage nodes. Every answer that is \
                     no success is an `ErrorBody`. What is sealed or signed inside of messages is described in \
                     docs/PROTOCOL.md and docs/FORMAT.md; how to begin, in docs/API.md.";

/// Of an interface without routes.
pub(crate) fn begin() -> Description {
    Description::new("Triplicate coordinator", ABOUT)
}

/// The route of the description itself.
pub(crate) fn itself() -> Operation {
    let mut operation = Operation::new(routes::OPENAPI, "find_openapi");
    let document = ObjectBuilder::new().schema_type(Type::Object);
    operation.answers(200, "application/json", "This document.", document);
    operation
}

/// A route as its handler serves it.
pub(crate) fn describe<H: Handler<T>, T>(route: Route) -> Operation {
    let name = std::any::type_name::<H>();
    let mut operation = Operation::new(route, name.rsplit("::").next().unwrap_or(name));
    operation.refuses(&[ErrorCode::RequestTimeout]);
    operation.refuses(refusals::of(route));
    H::describe(&mut operation);
    operation
}

/// A handler whose arguments and answer describe themselves. `T` are the arguments, as in [`axum::handler::Handler`].
pub(crate) trait Handler<T> {
    fn describe(operation: &mut Operation);
}

impl<F, Answer> Handler<((),)> for F
where
    F: FnOnce() -> Answer,
    Answer: Future<Output: Output>,
{
    fn describe(operation: &mut Operation) {
        Answer::Output::describe(operation);
    }
}

macro_rules! handlers {
    ($($argument:ident)*) => {
        impl<F, Answer, Via, $($argument),*> Handler<(Via, $($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Answer,
            Answer: Future<Output: Output>,
            $($argument: Input,)*
        {
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                Answer::Output::describe(operation);
            }
        }
    };
}

handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);
handlers!(A B C D E G H);
