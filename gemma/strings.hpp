// What std::string_view learns in C++20.
#pragma once

#include <string_view>

namespace gemma {

inline bool starts_with(std::string_view text, std::string_view part) { return text.substr(0, part.size()) == part; }

inline bool ends_with(std::string_view text, std::string_view part) {
    return text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
}

}  // namespace gemma
