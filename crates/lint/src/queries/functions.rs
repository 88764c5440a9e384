//! What PostgreSQL's own functions take and give, as far as a changed column type can break them.

use super::types::Ty;

/// What the first argument must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Text,
    TextOrBytes,
    Number,
    NumberOrInterval,
    Moment,
    Jsonb,
    Json,
    Array,
    Bool,
    Ordered,
}

/// The type that the call gives; an error says what it cannot take.
pub(super) fn call(name: &str, args: &[Ty], windowed: bool) -> Result<Ty, String> {
    let first = args.first().cloned().unwrap_or(Ty::Any);
    let (wants, at, gives) = match name {
        "lower" | "upper" | "initcap" | "ltrim" | "rtrim" | "reverse" | "replace"
        | "split_part" | "regexp_replace" | "left" | "right" | "lpad" | "rpad" | "repeat"
        | "translate" => (Wants::Text, 0, Ty::Text),
        "btrim" | "trim" | "substring" | "substr" => (Wants::TextOrBytes, 0, Ty::Any),
        "char_length" | "character_length" | "strpos" | "ascii" => (Wants::Text, 0, Ty::Int),
        "starts_with" => (Wants::Text, 0, Ty::Bool),
        "length" => (Wants::TextOrBytes, 0, Ty::Int),
        "md5" => (Wants::TextOrBytes, 0, Ty::Text),
        "string_agg" => (Wants::TextOrBytes, 0, Ty::Any),
        "abs" | "ceil" | "ceiling" | "floor" | "round" | "trunc" | "sign" | "mod" => {
            let gives = if name == "abs" { first.clone() } else { Ty::Numeric };
            (Wants::Number, 0, gives)
        }
        "sqrt" | "power" | "exp" | "ln" => (Wants::Number, 0, Ty::Float),
        "sum" | "avg" => (
            Wants::NumberOrInterval,
            0,
            if first == Ty::Interval { first.clone() } else { Ty::Numeric },
        ),
        "date_trunc" => (
            Wants::Moment,
            1,
            if args.get(1) == Some(&Ty::Interval) { Ty::Interval } else { Ty::Stamp },
        ),
        "extract" => (Wants::Moment, 0, Ty::Numeric),
        "date_part" => (Wants::Moment, 1, Ty::Float),
        "age" => (Wants::Moment, 0, Ty::Interval),
        "jsonb_array_elements"
        | "jsonb_each"
        | "jsonb_set"
        | "jsonb_insert"
        | "jsonb_extract_path"
        | "jsonb_path_query"
        | "jsonb_strip_nulls" => (
            Wants::Jsonb,
            0,
            if name.starts_with("jsonb_e") || name.starts_with("jsonb_arr") {
                Ty::Any
            } else {
                Ty::Jsonb
            },
        ),
        "jsonb_array_length" => (Wants::Jsonb, 0, Ty::Int),
        "jsonb_typeof" | "jsonb_extract_path_text" => (Wants::Jsonb, 0, Ty::Text),
        "json_array_elements" | "json_each" | "json_extract_path" => (Wants::Json, 0, Ty::Any),
        "json_array_length" => (Wants::Json, 0, Ty::Int),
        "json_typeof" | "json_extract_path_text" => (Wants::Json, 0, Ty::Text),
        "unnest" => {
            let gives = match &first {
                Ty::Array(of) => (**of).clone(),
                _ => Ty::Any,
            };
            (Wants::Array, 0, gives)
        }
        "array_length" | "cardinality" => (Wants::Array, 0, Ty::Int),
        "array_append" | "array_remove" => (Wants::Array, 0, first.clone()),
        "bool_and" | "bool_or" | "every" => (Wants::Bool, 0, Ty::Bool),
        "min" | "max" => (Wants::Ordered, 0, first.clone()),
        "count" | "row_number" | "rank" | "dense_rank" | "ntile" => return Ok(Ty::Int),
        "now"
        | "clock_timestamp"
        | "statement_timestamp"
        | "transaction_timestamp"
        | "make_timestamp"
        | "to_timestamp" => return Ok(Ty::Stamp),
        "gen_random_uuid" | "uuid_generate_v4" => return Ok(Ty::Uuid),
        "nextval" | "currval" | "lastval" | "setval" => return Ok(Ty::Int),
        "to_jsonb" | "jsonb_build_object" | "jsonb_agg" | "jsonb_build_array" => {
            return Ok(Ty::Jsonb);
        }
        "to_json" | "json_build_object" | "json_agg" | "row_to_json" => return Ok(Ty::Json),
        "to_char" => {
            if first == Ty::Text {
                return Err(format!("`to_char` takes no {}", first.name()));
            }
            return Ok(Ty::Text);
        }
        "concat" | "concat_ws" | "format" => return Ok(Ty::Text),
        "array_agg" if !matches!(first, Ty::Any) => {
            return Ok(Ty::Array(Box::new(first)));
        }
        "lag" | "lead" | "first_value" | "last_value" | "nth_value" if windowed => {
            return Ok(first);
        }
        _ => return Ok(Ty::Any),
    };
    let given = args.get(at).cloned().unwrap_or(Ty::Any);
    let fits = given.is_vague()
        || match wants {
            Wants::Text => given == Ty::Text,
            Wants::TextOrBytes => matches!(given, Ty::Text | Ty::Bytea),
            Wants::Number => given.is_number(),
            Wants::NumberOrInterval => {
                given.is_number() || matches!(given, Ty::Interval | Ty::Time)
            }
            Wants::Moment => {
                matches!(given, Ty::Date | Ty::Stamp | Ty::Interval | Ty::Time)
            }
            Wants::Jsonb => given == Ty::Jsonb,
            Wants::Json => given == Ty::Json,
            Wants::Array => matches!(given, Ty::Array(_)),
            Wants::Bool => given == Ty::Bool,
            Wants::Ordered => !matches!(given, Ty::Bool | Ty::Json | Ty::Jsonb | Ty::Uuid),
        };
    if fits { Ok(gives) } else { Err(format!("`{name}` takes no {}", given.name())) }
}
