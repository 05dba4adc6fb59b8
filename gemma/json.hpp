// JSON from outside, read with distrust: what the library's files have in common when they read it.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace gemma {

/// Parses a text that must be one JSON object. Throws an Error that begins with `source` for what is no JSON (with
/// line and column), for a key that is there twice, and for values nested more than 16 deep.
nlohmann::json parse_json_object(std::string_view text, const std::string& source);

/// The value as it is written in JSON, cut to a length that fits in an error line.
std::string excerpt(const nlohmann::json& value);

/// Whether a name from a file has no control characters, so that it can stand in a line of text as it is.
bool is_printable(std::string_view name);

/// The member of that name; null when there is none.
const nlohmann::json& member(const nlohmann::json& object, const std::string& name);

}  // namespace gemma
