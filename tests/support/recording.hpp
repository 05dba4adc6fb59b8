// An observer that keeps all it sees, each forward call apart.
#pragma once

#include "gemma/trace/trace.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gemma {

struct Recorded {
    Shape shape;
    std::vector<float> values;
};

/// records[name][call]
class Recording : public Observer {
public:
    void observe(const std::string& name, const TensorView& tensor) override {
        records[name].push_back({tensor.shape, std::vector<float>(tensor.data, tensor.data + tensor.size())});
    }

    std::map<std::string, std::vector<Recorded>> records;
};

}  // namespace gemma
