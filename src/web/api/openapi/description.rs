//! What the OpenAPI document says of one call: a few words, parameters, bodies, answers.

use utoipa::ToSchema;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, KnownFormat, Ref, RefOr, Required, Schema};

use crate::web::problem_code::ProblemCode;

/// Schemas by name.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A call in words. What is the same for every call (who may, which problems always) is added by the document.
pub(crate) struct Description {
    /// The parts that the document completes.
    pub(crate) operation: Operation,
    /// Every schema that the call's bodies refer to.
    pub(crate) schemas: Schemas,
    /// What can go wrong here and not everywhere.
    pub(crate) problems: Vec<ProblemCode>,
}

impl Description {
    /// A call by the name that generated clients use, and in one line.
    pub(crate) fn new(name: &str, summary: &str) -> Self {
        let mut operation = Operation::new();
        operation.operation_id = Some(name.to_owned());
        operation.summary = Some(summary.to_owned());
        Self {
            operation,
            schemas: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// More words.
    pub(crate) fn says(mut self, words: &str) -> Self {
        self.operation.description = Some(words.to_owned());
        self
    }

    /// Query parameters: name and meaning.
    pub(crate) fn query(self, parameters: &[(&str, &str)]) -> Self {
        parameters
            .iter()
            .fold(self, |description, (name, meaning)| {
                description.parameter(name, ParameterIn::Query, meaning, Required::False)
            })
            .refuses(&[ProblemCode::InvalidRequest])
    }

    /// Request headers: name and meaning.
    pub(crate) fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |description, (name, meaning)| {
            description.parameter(name, ParameterIn::Header, meaning, Required::False)
        })
    }

    /// The part of the address that names one thing; what does not exist is `not_found`.
    pub(crate) fn of(self, name: &str, meaning: &str) -> Self {
        self.parameter(name, ParameterIn::Path, meaning, Required::True)
            .refuses(&[ProblemCode::NotFound])
    }

    fn parameter(
        mut self,
        name: &str,
        place: ParameterIn,
        meaning: &str,
        required: Required,
    ) -> Self {
        let parameter: Parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(meaning))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        self.operation
            .parameters
            .get_or_insert_default()
            .push(parameter.into());
        self
    }

    /// A JSON body.
    pub(crate) fn reads<T: ToSchema>(mut self, required: Required) -> Self {
        let reference = self.refer::<T>();
        let body = RequestBodyBuilder::new()
            .required(Some(required))
            .content("application/json", Content::new(Some(reference)))
            .build();
        self.operation.request_body = Some(body.into());
        self.refuses(&[
            ProblemCode::MalformedJson,
            ProblemCode::InvalidRequest,
            ProblemCode::TooLarge,
        ])
    }

    /// The same as a form of two parts: JSON and a file.
    pub(crate) fn or_reads_file<T: ToSchema>(mut self) -> Self {
        let reference = self.refer::<T>();
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        let form = ObjectBuilder::new()
            .property("message", reference)
            .required("message")
            .property("file", file)
            .required("file");
        if let Some(RefOr::T(body)) = &mut self.operation.request_body {
            let body: &mut RequestBody = body;
            body.content.insert(
                "multipart/form-data".to_owned(),
                RefOr::T(Content::new(Some(form))),
            );
        }
        self.refuses(&[
            ProblemCode::MalformedRequest,
            ProblemCode::UnsupportedMediaType,
        ])
    }

    /// An answer with a JSON body.
    pub(crate) fn answers<T: ToSchema>(mut self, status: u16, words: &str) -> Self {
        let reference = self.refer::<T>();
        self.respond(
            status,
            json(words, Content::new(Some(RefOr::<Schema>::Ref(reference)))),
        )
    }

    /// A page of a list: `data`, and `next_cursor` where it goes on.
    pub(crate) fn lists<T: ToSchema>(mut self, words: &str) -> Self {
        let rows = ArrayBuilder::new().items(self.refer::<T>());
        let cursor = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Send it back as `cursor`; absent on the last page."));
        let page = ObjectBuilder::new()
            .property("data", rows)
            .required("data")
            .property("next_cursor", cursor);
        self.respond(200, json(words, Content::new(Some(page))))
    }

    /// An answer without a body, or with one that is no JSON.
    pub(crate) fn answers_with(self, status: u16, media_type: Option<&str>, words: &str) -> Self {
        let mut response = ResponseBuilder::new().description(words);
        if let Some(media_type) = media_type {
            let text = ObjectBuilder::new().schema_type(Type::String);
            response = response.content(media_type, Content::new(Some(text)));
        }
        self.respond(status, response)
    }

    /// The message was merged into another: its address now.
    pub(crate) fn moves(self) -> Self {
        let words = "The message was merged into another; go there.";
        let location = Header::new(ObjectBuilder::new().schema_type(Type::String));
        let response = ResponseBuilder::new()
            .description(words)
            .header("Location", location);
        self.respond(308, response)
    }

    /// What can go wrong here.
    pub(crate) fn refuses(mut self, problems: &[ProblemCode]) -> Self {
        self.problems.extend_from_slice(problems);
        self
    }

    fn respond(mut self, status: u16, response: ResponseBuilder) -> Self {
        let response: Response = response.build();
        let responses = &mut self.operation.responses.responses;
        responses.insert(status.to_string(), response.into());
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }
}

fn json(words: &str, content: Content) -> ResponseBuilder {
    ResponseBuilder::new()
        .description(words)
        .content("application/json", content)
}
