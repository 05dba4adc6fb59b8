#include "viz/page_template.hpp"

#include "viz/assets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace viz {

namespace {

std::string_view asset(std::string_view name) {
    const auto found =
        std::find_if(assets().begin(), assets().end(), [&](const Asset& asset) { return asset.name == name; });
    if (found == assets().end()) throw std::logic_error(fmt::format("viz/page/ has no file {}", name));
    return found->text;
}

}  // namespace

void write_template(std::string_view file, const Fill& fill, const Sink& write) {
    std::string_view rest = asset(file);
    while (true) {
        const std::size_t open = rest.find("{{"), close = rest.find("}}", open);
        write(rest.substr(0, open));
        if (open == rest.npos) return;
        const std::string_view place = rest.substr(open + 2, close - open - 2);
        rest.remove_prefix(close + 2);
        if (!fill(place, write)) write(asset(place));
    }
}

}  // namespace viz
