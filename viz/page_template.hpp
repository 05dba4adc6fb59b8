// A page as a file in viz/page/ with places {{name}} in it.
#pragma once

#include <functional>
#include <string_view>

namespace viz {

/// Takes a text, piece by piece.
using Sink = std::function<void(std::string_view)>;

/// Writes what belongs at a place; false leaves it to the file of that name in viz/page/.
using Fill = std::function<bool(std::string_view place, const Sink& write)>;

/// Writes a file of viz/page/ with all its places filled.
void write_template(std::string_view file, const Fill& fill, const Sink& write);

}  // namespace viz
