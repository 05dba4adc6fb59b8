// The files in viz/page/, as they were when the program was built.
#pragma once

#include <string_view>
#include <vector>

namespace viz {

struct Asset {
    std::string_view name;
    std::string_view text;
};

const std::vector<Asset>& assets();

}  // namespace viz
