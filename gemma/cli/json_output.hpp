// What the subcommands with --json have in common.
#pragma once

#include <nlohmann/json.hpp>

#include <cmath>

namespace gemma {

/// JSON has no infinity and no NaN: null stands for them.
inline nlohmann::json json_number(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

}  // namespace gemma
