//! One route: what it takes, answers and refuses.

use std::collections::{BTreeMap, BTreeSet};

use protocol::error::ErrorCode;
use protocol::routes::{Caller, Route};
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, Header, Ref, RefOr, Required, Response, ResponseBuilder, ResponsesBuilder, Schema,
};

use super::callers::{self, Scheme};
use super::{REQUEST_ID_COMPONENT, refusals};

/// One route.
pub struct Operation {
    pub(super) route: Route,
    /// The components that it refers to.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
    id: String,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: BTreeMap<u16, Response>,
    refusals: Vec<ErrorCode>,
    /// What a route needs that is open to anyone.
    needs: Option<Scheme>,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Operation {
    /// A route which takes and answers nothing yet. The id is a verb and a noun, like `list_nodes`.
    pub fn new(route: Route, id: &str) -> Self {
        let changes = !matches!(route.method, "GET" | "HEAD");
        let mut refusals = callers::refusals(route.caller, changes);
        refusals.extend([ErrorCode::Internal, ErrorCode::Unavailable]);
        Self {
            route,
            schemas: Vec::new(),
            id: id.to_owned(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals,
            needs: None,
        }
    }

    /// The next of the path's parts that vary is one of these.
    ///
    /// # Panics
    /// If the path has no more such parts.
    pub fn part<T: ToSchema>(&mut self) {
        let schema = self.refer::<T>();
        self.part_of(schema);
    }

    /// The next of the path's parts that vary is a number from 0 to this.
    ///
    /// # Panics
    /// If the path has no more such parts.
    pub fn number(&mut self, max: u64) {
        let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_u64)).maximum(Some(max));
        self.part_of(schema);
    }

    /// The next of the path's parts that vary.
    ///
    /// # Panics
    /// If the path has no more such parts.
    pub fn part_of(&mut self, schema: impl Into<RefOr<Schema>>) {
        let mut names =
            self.route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let known = self.parameters.iter().filter(|parameter| parameter.parameter_in == ParameterIn::Path);
        let name = names.nth(known.count()).expect("the path has as many parts as its handler takes");
        let part = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).schema(Some(schema));
        self.add_parameters([part.required(Required::True).build()]);
        self.refuses(&[ErrorCode::InvalidRequest]);
    }

    /// These may stand in the query or the head.
    pub fn add_parameters(&mut self, parameters: impl IntoIterator<Item = Parameter>) {
        self.parameters.extend(parameters);
        self.refuses(&[ErrorCode::InvalidRequest]);
    }

    /// The body is JSON.
    pub fn takes_json<T: ToSchema>(&mut self) {
        let schema = self.refer::<T>();
        self.takes("application/json", None, Required::True, schema);
    }

    /// The body is octets, and what they are. Without any, it is no other than one that is not there.
    pub fn takes_octets(&mut self, about: &str) {
        self.takes("application/octet-stream", Some(about), Required::False, octets());
    }

    fn takes(
        &mut self,
        kind: &str,
        about: Option<&str>,
        required: Required,
        schema: impl Into<RefOr<Schema>>,
    ) {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new().content(kind, content).required(Some(required));
        self.body = Some(body.description(about).build());
        self.refuses(&[ErrorCode::InvalidRequest, ErrorCode::TooLarge]);
    }

    /// A success without a body.
    pub fn answers_nothing(&mut self, status: u16, about: &str) {
        self.answer(status, with_request_id(ResponseBuilder::new().description(about)));
    }

    /// A success in JSON.
    pub fn answers_json<T: ToSchema>(&mut self, status: u16, about: &str) {
        let schema = self.refer::<T>();
        self.answers(status, "application/json", about, schema);
    }

    /// A success in octets, and what they are.
    pub fn answers_octets(&mut self, about: &str) {
        self.answers(200, "application/octet-stream", about, octets());
    }

    /// A success in another media type.
    pub fn answers(&mut self, status: u16, kind: &str, about: &str, schema: impl Into<RefOr<Schema>>) {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.answer(
            status,
            with_request_id(ResponseBuilder::new().description(about)).content(kind, content),
        );
    }

    /// Successes carry this header too.
    pub fn answers_header(&mut self, name: &str, header: &Header) {
        for response in self.answers.values_mut() {
            response.headers.insert(name.to_owned(), header.clone().into());
        }
    }

    fn answer(&mut self, status: u16, response: ResponseBuilder) {
        self.answers.insert(status, response.build());
    }

    /// What it refuses requests for, beside who may call it and what shape a request has.
    pub fn refuses(&mut self, codes: &[ErrorCode]) {
        self.refusals.extend(codes);
    }

    /// It needs the header of our own page, without a session too.
    pub fn needs_same_origin(&mut self) {
        self.needs = Some(Scheme::SameOrigin);
        self.refuses(&[ErrorCode::Forbidden]);
    }

    /// It is signed by a node that nobody knows yet.
    pub fn takes_node_signature(&mut self) {
        self.needs = Some(Scheme::NodeSignature);
        self.refuses(&[ErrorCode::Unauthenticated]);
    }

    /// Any proof that it may ask for.
    pub(super) fn schemes(&self) -> impl Iterator<Item = Scheme> {
        callers::schemes(self.route.caller).iter().copied().chain(self.needs)
    }

    /// How others refer to a type, which becomes a component.
    pub fn refer<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        reference::<T>()
    }

    /// The refusals, which become components, because many routes have the same.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (String, Response)> {
        let with_body = Some(&self.refusals).filter(|_| self.has_bodies()).into_iter();
        let by_status = with_body.flat_map(|codes| refusals::by_status(codes));
        by_status.map(|(status, codes)| (refusals::name(&codes), refusals::describe(status, &codes, true)))
    }

    fn refusal(&self, status: u16, codes: &BTreeSet<ErrorCode>) -> RefOr<Response> {
        if self.has_bodies() {
            return Ref::from_response_name(refusals::name(codes)).into();
        }
        refusals::describe(status, codes, false).into()
    }

    fn has_bodies(&self) -> bool {
        self.route.method != "HEAD"
    }

    pub(super) fn build(&self) -> utoipa::openapi::path::Operation {
        let Self { route, id, parameters, body, answers, refusals, needs, .. } = self;
        let changes = !matches!(route.method, "GET" | "HEAD");
        let security = callers::requirements(route.caller, changes, *needs);
        let refused = refusals::by_status(refusals).into_iter();
        let refused = refused.map(|(status, codes)| (status, self.refusal(status, &codes)));
        let mut responses: BTreeMap<u16, RefOr<Response>> = refused.collect();
        responses.extend(answers.iter().map(|(status, response)| (*status, response.clone().into())));
        let responses = responses.into_iter().map(|(status, response)| (status.to_string(), response));
        OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag(route))
            .summary(Some(route.about))
            .description(condition(route.caller))
            .parameters(Some(parameters.clone()).filter(|parameters| !parameters.is_empty()))
            .request_body(body.clone())
            .responses(ResponsesBuilder::new().responses_from_iter(responses))
            .securities(Some(security))
            .build()
    }
}

/// What no security scheme says.
fn condition(caller: Caller) -> Option<&'static str> {
    match caller {
        Caller::SteppedUp => {
            Some("Needs a session in which the passphrase was proven within the last five minutes.")
        }
        Caller::Operator => Some("Needs a session of an operator's."),
        Caller::SteppedUpOperator => Some(
            "Needs a session of an operator's, in which the passphrase was proven within the last five minutes.",
        ),
        _ => None,
    }
}

/// The first noun of the path.
fn tag(route: &Route) -> &'static str {
    let mut parts = route.path.split('/').filter(|part| !matches!(*part, "" | "api" | "v1"));
    match parts.next() {
        Some(noun) if route.path.contains("/v1/") => noun,
        _ => "monitoring",
    }
}

pub(super) fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

pub(super) fn with_request_id(response: ResponseBuilder) -> ResponseBuilder {
    let header = Ref::new(format!("#/components/headers/{REQUEST_ID_COMPONENT}"));
    response.header_ref("X-Request-Id", header)
}

/// Any bytes: in OpenAPI 3.1 a schema that says nothing.
fn octets() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::AnyValue).into()
}
