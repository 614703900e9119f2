//! The argument of a request.

use super::request_error::RequestError;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The one argument, an object; none, or `null`, means `{}`.
pub(super) fn read<T: DeserializeOwned + Default>(args: &[&RawValue]) -> Result<T, RequestError> {
    let argument = match args {
        [] => return Ok(T::default()),
        [argument] => argument.get(),
        _ => return Err(RequestError::invalid("one argument is expected, an object")),
    };
    if argument == "null" {
        return Ok(T::default());
    }
    // For serde alone, an array of the fields would do as well.
    if !argument.starts_with('{') {
        return Err(RequestError::invalid("the argument must be an object"));
    }
    serde_json::from_str(argument).map_err(RequestError::invalid)
}
