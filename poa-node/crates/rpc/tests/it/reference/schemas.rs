//! Every example has the kinds that its method's reference says.

use serde_json::Value;

/// Whether a value is of a schema, as far as the reference uses JSON Schema.
fn fits(schema: &Value, value: &Value) -> bool {
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().filter(|schema| fits(schema, value)).count() == 1;
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the reference uses the type {other}"),
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let typed = kinds.iter().any(|kind| is(kind.as_str().expect("a type")));
    let items =
        value.as_array().into_iter().flatten().all(|item| schema["items"].is_null() || fits(&schema["items"], item));
    let text = value.as_str().unwrap_or_default();
    typed && items && (schema["pattern"].is_null() || has_form(schema["title"].as_str().unwrap_or_default(), text))
}

/// The patterns of the reference, by their kinds.
fn has_form(kind: &str, text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x") else { return false };
    let length = digits.len();
    let right = match kind {
        "Address" => length == 40,
        "Hash" | "Word" => length == 64,
        "Bytes" => length % 2 == 0,
        "Quantity" => digits == "0" || (length > 0 && !digits.starts_with('0')),
        "Slot" => (1..=64).contains(&length),
        other => panic!("the reference has a pattern for {other}"),
    };
    right && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[test]
fn reference_examples_are_of_the_kinds_it_says() {
    let document = aurum_rpc::openrpc();
    let mut seen = 0;
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let params = method["params"].as_array().unwrap();
        for example in method["examples"].as_array().unwrap() {
            seen += 1;
            let given = example["params"].as_array().unwrap();
            let needed = params.iter().filter(|param| param["required"] == true).count();
            assert!((needed..=params.len()).contains(&given.len()), "{name}: {given:?}");
            for (param, given) in params.iter().zip(given) {
                assert_eq!(param["name"], given["name"], "{name}");
                assert!(
                    fits(&param["schema"], &given["value"]),
                    "{name}: {} is no {}",
                    given["value"],
                    param["schema"]
                );
            }
            let (schema, result) = (&method["result"]["schema"], &example["result"]["value"]);
            assert!(fits(schema, result), "{name}: {result:.200} is no {schema}");
        }
        let errors = method["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error["code"].is_i64() && error["message"].is_string()), "{name}");
    }
    assert!(seen + 1 >= document["methods"].as_array().unwrap().len(), "{seen} examples");
}
