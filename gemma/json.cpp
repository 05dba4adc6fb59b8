#include "gemma/json.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace gemma {

namespace {

using Json = nlohmann::json;

constexpr int deepest = 16;

// Watches the parser, which by itself would let the later of two equal keys win.
class Watch {
public:
    explicit Watch(const std::string& source) : source_(source) {}

    bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
        if (depth > deepest)
            fail("{}: JSON nested deeper than {}, expected an object of plain values", source_, deepest);
        if (event == Json::parse_event_t::object_start) keys_.emplace_back();
        if (event == Json::parse_event_t::object_end) keys_.pop_back();
        if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second) {
            fail("{}: found {} twice, expected each name once", source_, excerpt(parsed));
        }
        return true;
    }

private:
    const std::string& source_;
    std::vector<std::set<std::string>> keys_;  // of each object that is still open
};

// Where in a text a byte is, as an editor shows it: "line 3, column 14".
std::string position(std::string_view text, std::size_t byte) {
    const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    return fmt::format("line {}, column {}", line, before.size() - line_start + 1);
}

}  // namespace

Json parse_json_object(std::string_view text, const std::string& source) {
    Json value;
    try {
        Watch watch(source);
        value = Json::parse(text.begin(), text.end(), [&](int depth, Json::parse_event_t event, Json& parsed) {
            return watch(depth, event, parsed);
        });
    } catch (const Json::parse_error& error) {
        fail("{}: not valid JSON at {}, expected an object", source, position(text, error.byte));
    } catch (const Json::exception&) {
        fail("{}: JSON with a number too large for any type, expected an object of plain values", source);
    }
    if (!value.is_object()) fail("{}: found JSON of type {}, expected an object", source, value.type_name());
    return value;
}

std::string excerpt(const Json& value) {
    constexpr std::size_t longest = 60;
    std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
    for (std::size_t at; (at = text.find('\x7f')) != text.npos;) text.replace(at, 1, "\\u007f");  // ASCII, no character
    if (text.size() > longest) text.replace(longest, std::string::npos, "...");
    return text;
}

bool is_printable(std::string_view name) {
    return std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

const Json& member(const Json& object, const std::string& name) {
    static const Json null;
    const auto found = object.find(name);
    return found == object.end() ? null : *found;
}

}  // namespace gemma
