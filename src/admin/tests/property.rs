//! The OpenAPI document says neither more nor less than the server does: whatever fits it is taken, all else is refused.

use super::fixture::{ALL, Fixture, request};
use super::sampling::Sampled;
use axum::http::{Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::Value;
use std::fmt::Write as _;

/// Requests of each kind for each operation.
const CASES: u32 = 24;

/// What a request has to give.
#[derive(Debug, Clone)]
struct Input<'a> {
    /// `path`, `query`, `header`, or `body`.
    place: &'a str,
    name: &'a str,
    is_required: bool,
    schema: Sampled<'a>,
}

/// What a request gives: places, names and values.
type Given = Vec<(String, String, Option<Value>)>;

fn inputs<'a>(document: &'a Value, operation: &'a Value) -> Vec<Input<'a>> {
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let mut inputs: Vec<Input<'a>> = parameters
        .iter()
        .map(|it| Input {
            place: it["in"].as_str().unwrap(),
            name: it["name"].as_str().unwrap(),
            is_required: it["required"].as_bool().unwrap_or(false),
            schema: Sampled { document, schema: &it["schema"] },
        })
        .collect();
    let body = &operation["requestBody"];
    if body.is_object() {
        let schema = &body["content"]["application/json"]["schema"];
        let is_required = body["required"].as_bool().unwrap_or(false);
        let schema = Sampled { document, schema };
        inputs.push(Input { place: "body", name: "body", is_required, schema });
    }
    inputs
}

impl Input<'_> {
    /// Values that fit, or none where that will do.
    fn good(&self) -> BoxedStrategy<Option<Value>> {
        let values = self.schema.values();
        if self.is_required {
            values.prop_map(Some).boxed()
        } else {
            prop::option::of(values).boxed()
        }
    }

    /// Values that do not fit, as far as they can be sent: outside of a body all is text.
    fn bad(&self) -> BoxedStrategy<Option<Value>> {
        let others = self.schema.others();
        if self.place == "body" {
            return others.prop_map(Some).boxed();
        }
        let schema = self.schema;
        let (document, schema) = (schema.document.clone(), schema.schema.clone());
        let is_misfit = move |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            let sampled = Sampled { document: &document, schema: &schema };
            let number: Option<Value> = text.parse::<u64>().ok().map(Value::from);
            !text.is_empty() && !sampled.fits(value) && !number.is_some_and(|it| sampled.fits(&it))
        };
        let texts = prop_oneof![
            ".{1,12}".prop_map(Value::from),
            "[0-9]{1,25}".prop_map(Value::from),
            "[ -~]{300}".prop_map(Value::from),
            "\u{7f}[a-z]{3}".prop_map(Value::from),
        ];
        texts.prop_filter("fits by chance", is_misfit).prop_map(Some).boxed()
    }
}

/// Requests in which all fits, or all but the input of this index.
fn requests(inputs: &[Input<'_>], bad: Option<usize>) -> BoxedStrategy<Given> {
    let each = inputs.iter().enumerate().map(|(index, input)| {
        let value = if bad == Some(index) { input.bad() } else { input.good() };
        (Just(input.place.to_owned()), Just(input.name.to_owned()), value)
    });
    each.collect::<Vec<_>>().boxed()
}

fn encoded(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02X}").unwrap();
        all
    })
}

fn send(
    runtime: &tokio::runtime::Runtime,
    api: &Fixture,
    method: &Method,
    path: &str,
    given: &Given,
) -> (StatusCode, String) {
    let mut uri = path.to_owned();
    let (mut body, mut headers) = (String::new(), Vec::new());
    let mut separator = '?';
    for (place, name, value) in given {
        let Some(value) = value else { continue };
        match place.as_str() {
            "path" => uri = uri.replace(&format!("{{{name}}}"), &encoded(value)),
            "query" => {
                let object = value.as_object().cloned();
                let pairs =
                    object.unwrap_or_else(|| [(name.clone(), value.clone())].into_iter().collect());
                for (name, value) in pairs {
                    write!(uri, "{separator}{name}={}", encoded(&value)).unwrap();
                    separator = '&';
                }
            }
            "header" => headers.push((name.to_lowercase(), value.as_str().unwrap().to_owned())),
            _ => body = value.to_string(),
        }
    }
    let mut request = request(method.clone(), &uri, ALL, &body);
    for (name, value) in headers {
        let name = http::HeaderName::try_from(name).unwrap();
        request.headers_mut().insert(name, value.try_into().unwrap());
    }
    let answer = runtime.block_on(api.send(request));
    (answer.status, answer.text)
}

/// Calls `check` with the operations of the document, one after the other, and what they take.
fn each_operation(
    mut check: impl FnMut(&tokio::runtime::Runtime, &Fixture, &Method, &str, &[Input<'_>]),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(async { Fixture::new() });
    let document = runtime.block_on(api.get("/v1/openapi.json")).json();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            check(&runtime, &api, &method, path, &inputs(&document, operation));
            seen += 1;
        }
    }
    assert!(20 < seen, "only {seen} operations");
}

fn run<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> TestCaseResult, what: &str) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner.run(strategy, test).unwrap_or_else(|why| panic!("{what}: {why}"));
}

#[test]
fn what_fits_the_document_is_taken() {
    each_operation(|runtime, api, method, path, inputs| {
        let taken = |given: Given| {
            let (status, text) = send(runtime, api, method, path, &given);
            // What is not there, or not now, is nothing that a schema could say.
            let is_taken = status.is_success() || [404, 409, 503].contains(&status.as_u16());
            prop_assert!(is_taken, "{status} {text}");
            Ok(())
        };
        run(&requests(inputs, None), taken, &format!("{method} {path}"));
    });
}

#[test]
fn what_does_not_fit_the_document_is_refused() {
    each_operation(|runtime, api, method, path, inputs| {
        for (index, input) in inputs.iter().enumerate() {
            // There everything fits.
            if input.place == "header" || input.schema.schema["type"] == "string" {
                continue;
            }
            let refused = |given: Given| {
                let (status, text) = send(runtime, api, method, path, &given);
                // Of a body that is wrong in two ways one is told: an unknown namespace may come first.
                let is_unknown = status == 404 && text.contains("\"field\":\"namespace\"");
                prop_assert!(
                    is_unknown || [400, 422].contains(&status.as_u16()),
                    "{status} {text}"
                );
                Ok(())
            };
            run(
                &requests(inputs, Some(index)),
                refused,
                &format!("{method} {path} {}", input.name),
            );
        }
    });
}
