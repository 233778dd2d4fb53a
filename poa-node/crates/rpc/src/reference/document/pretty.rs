//! JSON for people: in one line what fits in one.

use serde_json::Value;

/// Widest line.
const WIDTH: usize = 120;
/// Longest text that is shown whole, and how much is shown of a longer one: `0x` and 32 bytes.
const TEXT: usize = 140;
const BEGINNING: usize = 66;
/// Longest list that is shown whole, and how much is shown of a longer one.
const LIST: usize = 4;
const FIRST: usize = 3;

/// The whole value.
pub(super) fn compact(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, 0);
    text
}

/// The value without the ends of long texts and lists.
pub(super) fn shortened(value: &Value) -> String {
    compact(&short(value))
}

fn short(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > TEXT => {
            let beginning: String = text.chars().take(BEGINNING).collect();
            Value::String(format!("{beginning}…"))
        }
        Value::Array(list) if list.len() > LIST => {
            let mut list: Vec<_> = list[..FIRST].iter().map(short).collect();
            list.push(Value::String("…".to_owned()));
            Value::Array(list)
        }
        Value::Array(list) => list.iter().map(short).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), short(value))).collect(),
        other => other.clone(),
    }
}

/// Appends `value`, whose first line begins at `column` of a line indented by `indent`.
fn write(text: &mut String, value: &Value, indent: usize, column: usize) {
    let line = line(value);
    if column + line.chars().count() <= WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close, parts) = match value {
        Value::Array(list) => ('[', ']', list.iter().map(|value| (String::new(), value)).collect::<Vec<_>>()),
        Value::Object(fields) => {
            ('{', '}', fields.iter().map(|(name, value)| (format!("{}: ", quoted(name)), value)).collect())
        }
        _ => {
            text.push_str(&line);
            return;
        }
    };
    text.push(open);
    let inside = indent + 2;
    for (at, (name, value)) in parts.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        text.push_str(&format!("{comma}\n{}{name}", " ".repeat(inside)));
        write(text, value, inside, inside + name.chars().count() + 1);
    }
    text.push_str(&format!("\n{}{close}", " ".repeat(indent)));
}

/// All in one line.
fn line(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(line).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{}: {}", quoted(name), line(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[test]
fn what_fits_stands_in_one_line_and_what_is_long_says_that_it_goes_on() {
    let small = serde_json::json!({ "a": [1, 2], "b": {} });
    assert_eq!(compact(&small), r#"{ "a": [1, 2], "b": {} }"#);
    let long = serde_json::json!({ "text": "x".repeat(TEXT + 1), "list": [1, 2, 3, 4, 5] });
    let expected = format!("{{ \"list\": [1, 2, 3, \"…\"], \"text\": \"{}…\" }}", "x".repeat(BEGINNING));
    assert_eq!(shortened(&long), expected);
    let wide = serde_json::json!(["y".repeat(100), "z".repeat(100)]);
    assert_eq!(compact(&wide), format!("[\n  \"{}\",\n  \"{}\"\n]", "y".repeat(100), "z".repeat(100)));
}
